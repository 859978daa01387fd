// A simulated Microsoft 365 and a real `partner-warden serve`, for the tests of the forwarders.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

/** The root of the repository. */
export const ROOT = new URL('../../../', import.meta.url);

const PROGRAM = process.env.PARTNER_WARDEN ?? new URL('target/debug/partner-warden', ROOT).pathname;

/** How long anything may take that is waited for. Only a failing test waits so long. */
const LIMIT = 60_000;

export const WOODGROVE = '11111111-1111-1111-1111-111111111111';
export const CLIENT_ID = '33333333-3333-3333-3333-333333333333';
export const CLIENT_SECRET = 'simulated-client-secret';
export const AUDIT_SECRET = 'whsec_dGhlIGtleSBvZiB0aGUgdGVzdHMnIGZvcndhcmRlcg==';
export const O365_AUTH_ID = "the tests' own auth id";

const CONTOSO = '22222222-2222-2222-2222-222222222222';
const INBOX_SECRET = 'whsec_d29vZGdyb3ZlLXNpbXVsYXRlZC1pbmJveC1rZXkhISE=';

/** The group that the recorded events are about. */
const GROUP = 'd4a7f3c8-6e21-4950-8b1f-93c05e7a2d6b';

/** What the event hub brings: Azure Monitor's envelope, as recorded. */
export const RECORDED = readFileSync(new URL('events/audit/records-azure-monitor.json', ROOT), 'utf8');

// A partner's group that is Global Administrator, beside an administrator of the tenant's own. The
// application that forwards signs in as the one we know, and was given the role to send.
const scenario = {
  permissions: [
    'CrossTenantInformation.ReadBasic.All',
    'Directory.Read.All',
    'Policy.Read.All',
    'RoleManagement.Read.Directory',
    'RoleManagement.ReadWrite.Directory',
    'User.Read.All',
    'PartnerWarden.Forward',
  ],
  tenants: [
    {
      id: WOODGROVE,
      name: 'Woodgrove',
      principals: [
        { kind: 'partnerGroup', name: 'AdminAgents', id: GROUP, homeTenant: CONTOSO },
        { kind: 'member', name: 'Megan Bowen', userPrincipalName: 'megan@woodgrove.example' },
      ],
      assignments: ['AdminAgents', 'Megan Bowen'].map((principal) => ({ principal, role: 'Global Administrator' })),
      partners: [{ tenantId: CONTOSO, isServiceProvider: true }],
      knownTenants: [{ tenantId: CONTOSO, name: 'Contoso Reseller' }],
    },
  ],
  inbox: { security: { secret: INBOX_SECRET } },
};

const policy = (sink) => ({
  version: 1,
  mode: 'enforce',
  tenants: [{ id: WOODGROVE, name: 'Woodgrove', partners: [{ id: CONTOSO, name: 'Contoso Reseller' }] }],
  respond: {
    'privileged-role': { do: 'revoke', ticket: 'security' },
    'role-not-allowed': { do: 'revoke', ticket: 'security' },
  },
  tickets: { security: { kind: 'webhook', url: sink } },
});

/** A process that says where it is in a line of its output. */
async function start(args, env, stream, find) {
  const child = spawn(PROGRAM, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const log = [];
  let found;
  const ready = new Promise((resolve, reject) => {
    found = resolve;
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${args[0]} ended with ${code}:\n${log.join('\n')}`)));
  });
  for (const output of [child.stdout, child.stderr]) {
    createInterface({ input: output }).on('line', (line) => {
      log.push(line);
      const place = output === child[stream] && find(line);
      if (place) found(place);
    });
  }
  const place = await Promise.race([
    ready,
    sleep(LIMIT, null, { ref: false }).then(() => Promise.reject(new Error(`${args[0]} does not start:\n${log.join('\n')}`))),
  ]);
  const stop = async () => {
    const ended = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : null;
    child.kill('SIGKILL');
    await ended;
  };
  return { place, log, stop };
}

/** Both processes, in a folder of their own; every address is one the system chose. */
export class Town {
  /** With other variables for `serve`, if any. */
  static async open(variables = {}) {
    const town = new Town();
    town.folder = mkdtempSync(join(tmpdir(), 'partner-warden-'));
    const file = (name, json) => {
      const path = join(town.folder, name);
      writeFileSync(path, JSON.stringify(json));
      return path;
    };
    const scene = file('scenario.yaml', scenario);
    town.sim = await start(
      ['sim', '--listen', '127.0.0.1:0', '--scenario', scene],
      {},
      'stdout',
      (line) => /^WARDEN_GRAPH_URL=(.*)$/.exec(line)?.[1],
    );
    town.origin = town.sim.place;
    const secrets = file('secrets.json', {
      graphClientSecret: CLIENT_SECRET,
      clientStateKey: "the tests' key for clientState, 32+",
      auditWebhookSecret: AUDIT_SECRET,
      o365AuthId: O365_AUTH_ID,
      tickets: { security: { secret: INBOX_SECRET } },
    });
    town.serve = await start(
      ['serve'],
      {
        WARDEN_POLICY: file('policy.yaml', policy(`${town.origin}/inbox/security`)),
        WARDEN_SECRETS: `file:${secrets}`,
        WARDEN_STORE: `sqlite:${join(town.folder, 'store.db')}`,
        WARDEN_CLIENT_ID: CLIENT_ID,
        WARDEN_GRAPH_URL: town.origin,
        WARDEN_LOGIN_URL: town.origin,
        WARDEN_SWEEP_EVERY: 'off',
        WARDEN_SETTLE_AFTER: 'off',
        WARDEN_LISTEN: '127.0.0.1:0',
        ...variables,
      },
      'stderr',
      (line) => (line.startsWith('{') ? JSON.parse(line).address : undefined),
    );
    town.url = `http://${town.serve.place}`;
    return town;
  }

  async close() {
    await this.serve.stop();
    await this.sim.stop();
    rmSync(this.folder, { recursive: true });
  }

  /** Who holds which role now, as `holder: role`. */
  async held() {
    const state = await (await fetch(`${this.origin}/sim/state`)).json();
    return state.tenants[0].assignments.map((held) => `${held.principal}: ${held.role}`);
  }

  /** The calls to Graph so far, as `METHOD path status`. */
  async calls() {
    const { calls } = await (await fetch(`${this.origin}/sim/calls`)).json();
    return calls.filter((call) => call.path.startsWith('/v1.0/')).map((call) => `${call.method} ${call.path} ${call.status}`);
  }

  /** How often the tenant was looked at. */
  async looks() {
    // Of all that a look reads, this is read at no other time.
    const entries = /^GET \/v1\.0\/policies\/crossTenantAccessPolicy\/partners/;
    return (await this.calls()).filter((call) => entries.test(call)).length;
  }

  /** Waits until something holds. */
  async until(what, holds) {
    for (const end = Date.now() + LIMIT; Date.now() < end; await sleep(20)) {
      if (await holds()) return;
    }
    throw new Error(`${what} did not come about; the calls:\n${(await this.calls()).join('\n')}\n${this.serve.log.join('\n')}`);
  }

  /** Waits until the partner's group has lost its role, and nobody else has lost anything. */
  async revoked() {
    await this.until('the revocation', async () => !(await this.held()).includes('AdminAgents: Global Administrator'));
    const deletes = (await this.calls()).filter((call) => call.startsWith('DELETE '));
    return { held: await this.held(), deletes };
  }

  /** A token of the sign-in for an audience, as a managed identity gets it. */
  async token(audience) {
    const answer = await fetch(`${this.origin}/${WOODGROVE}/oauth2/v2.0/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: CLIENT_ID,
        client_secret: CLIENT_SECRET,
        scope: `${audience}/.default`,
      }),
    });
    return (await answer.json()).access_token;
  }
}

/** A server that answers with statuses in turn, the last again and again; it keeps what came. */
export async function stub(...statuses) {
  const came = [];
  const server = createServer((request, response) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      came.push({ headers: request.headers, body: Buffer.concat(parts) });
      const status = statuses.length > 1 ? statuses.shift() : statuses[0];
      response.writeHead(status, status === 302 ? { location: '/elsewhere' } : {}).end('an answer');
    });
  });
  // A test that fails before it closes the server does not wait for it.
  server.unref();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return { url: `http://127.0.0.1:${server.address().port}/hooks/audit`, came, close };
}
