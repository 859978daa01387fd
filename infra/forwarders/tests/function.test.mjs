// The function for event hubs, as the Functions host would run it.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';

import { AUDIT_SECRET, RECORDED, ROOT, Town, stub } from './town.mjs';

const require = createRequire(new URL('infra/forwarders/event-hub-function/', ROOT));
const { InvocationContext } = require('@azure/functions');
const { BODY_MAX, pack, sign, signature } = require('./src/forward.js');
const { deadLetters, options } = require('./src/functions/forwardAudits.js');

const SECRET_TEXT = 'Partner Customer Delegated Admin Offline Processor';

/** Runs the function on messages; says what it logged, kept, and threw. */
async function run(messages, url, secret = AUDIT_SECRET) {
  const log = [];
  const context = new InvocationContext({
    functionName: 'forwardAudits',
    logHandler: (level, ...args) => log.push(`${level}: ${args.join(' ')}`),
  });
  process.env.PARTNER_WARDEN_URL = url;
  process.env.PARTNER_WARDEN_SECRET = secret;
  const thrown = await options.handler(messages, context).then(
    () => undefined,
    (error) => error,
  );
  const text = `${log.join('\n')}\n${thrown?.stack}`;
  assert.ok(!text.includes(SECRET_TEXT) && !text.includes(secret), `it tells what it must not: ${text}`);
  const kept = context.extraOutputs.get(deadLetters);
  return { log, kept: kept && JSON.parse(kept), thrown };
}

const recorded = () => JSON.parse(RECORDED);

/** So many audits of about a size, in one message. */
const audits = (count, size) => ({
  records: Array.from({ length: count }, (_, at) => ({
    category: 'AuditLogs',
    tenantId: '11111111-1111-1111-1111-111111111111',
    properties: { activityDisplayName: 'Add member to role', id: `${at}`, padding: 'é'.repeat(size / 2) },
  })),
});

test('the host is told to try again without end, and to hand over whole batches', () => {
  assert.equal(options.cardinality, 'many');
  assert.equal(options.retry.maxRetryCount, -1);
  assert.deepEqual(options.extraOutputs, [deadLetters]);
});

test('a signature is the one of Standard Webhooks, and a second attempt is the same message', () => {
  const key = Buffer.from('C2FVsBQIhrscChlQIMV+b5sSYspob7oD', 'base64');
  const body = '{"email":"test@example.com","username":"test_user"}';
  assert.equal(
    signature(key, 'msg_27UH4WbU6Z5A5EzD8u03UvzRbpk', '1649367553', body),
    'v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=',
  );
  const [first, second] = [1_649_367_553_999, 1_649_367_600_000].map((at) => sign(body, key, new Date(at)));
  assert.equal(first['webhook-timestamp'], '1649367553');
  assert.equal(first['webhook-signature'], signature(key, first['webhook-id'], '1649367553', body));
  assert.equal(first['webhook-id'], second['webhook-id']);
  assert.notEqual(sign('{}', key)['webhook-id'], first['webhook-id']);
});

test('bodies are as large as may be and no larger, and hold every record once', () => {
  for (const most of [14, 40, 41, 42, 43, 100, 1000]) {
    const records = Array.from({ length: 30 }, (_, at) => ({ at, text: 'é'.repeat(at % 7) }));
    const { bodies, tooLarge } = pack(records, most);
    assert.ok(bodies.every((body) => Buffer.byteLength(body) <= most));
    const packed = bodies.flatMap((body) => JSON.parse(body).records);
    assert.deepEqual(new Set([...packed, ...tooLarge].map(({ at }) => at)).size, 30);
    assert.equal(packed.length + tooLarge.length, 30);
    // No two neighbours would have fitted into one.
    const sizes = bodies.map((body) => Buffer.byteLength(body));
    const first = bodies.map((body) => Buffer.byteLength(JSON.stringify(JSON.parse(body).records[0])));
    assert.ok(sizes.every((size, at) => at === 0 || sizes[at - 1] + 1 + first[at] > most), `${most}: ${sizes}`);
  }
  assert.deepEqual(pack([], 100), { bodies: [], tooLarge: [] });
});

describe('against Partner Warden itself', () => {
  let town;
  before(async () => void (town = await Town.open()));
  after(() => town?.close());

  test('what the event hub brings takes the role from the partner', async () => {
    assert.deepEqual(await town.held(), ['AdminAgents: Global Administrator', 'Megan Bowen: Global Administrator']);
    const { log, kept, thrown } = await run([recorded()], `${town.url}/hooks/audit`);
    assert.deepEqual({ log, kept, thrown }, {
      log: ['information: 2 directory audits in 1 requests; 0 records of other categories'],
      kept: undefined,
      thrown: undefined,
    });
    const { held, deletes } = await town.revoked();
    assert.deepEqual(held, ['Megan Bowen: Global Administrator']);
    assert.equal(deletes.length, 1);
    assert.match(deletes[0], /^DELETE \/v1\.0\/roleManagement\/directory\/roleAssignments\/.* 204$/);
  });

  test('the message may be text or bytes, and sign-ins beside the audits stay behind', async () => {
    const before = await town.looks();
    const mixed = recorded();
    mixed.records.push({ category: 'SignInLogs', tenantId: 'x', properties: {} });
    const messages = [RECORDED, Buffer.from(JSON.stringify(mixed))];
    // A vault may have kept the end of a line with the secret, as Partner Warden's document may.
    const { log, kept, thrown } = await run(messages, `${town.url}/hooks/audit`, `${AUDIT_SECRET}\n`);
    assert.deepEqual([log, kept, thrown], [
      ['information: 4 directory audits in 1 requests; 1 records of other categories'], undefined, undefined,
    ]);
    await town.until('a look', async () => (await town.looks()) > before);
  });

  test('more than a request may hold goes in several, each of which is taken', async () => {
    const { log, kept, thrown } = await run([audits(30, 100_000)], `${town.url}/hooks/audit`);
    assert.deepEqual([log, kept, thrown], [
      ['information: 30 directory audits in 3 requests; 0 records of other categories'], undefined, undefined,
    ]);
    const heard = town.serve.log.filter((line) => JSON.parse(line).message === 'heard').map((line) => JSON.parse(line).signals);
    assert.equal(heard.slice(-3).reduce((sum, signals) => sum + signals, 0), 30);
  });

  test('what is refused is kept, not sent for ever, and goes through once the fault is mended', async () => {
    // Other records than those of the first test: within one second they would be the same message,
    // which is heard once.
    const refused = recorded();
    refused.records.forEach((record) => (record.correlationId = 'refused at first'));
    const wrong = await run([refused], `${town.url}/hooks/audit`, 'whsec_c29tZWJvZHkgZWxzZSBhbHRvZ2V0aGVy');
    assert.equal(wrong.thrown, undefined);
    assert.deepEqual(wrong.kept.refused.map(({ status }) => status), [401]);
    assert.deepEqual(JSON.parse(wrong.kept.refused[0].body), refused);

    const shapeless = await run([{ records: [{ category: 'AuditLogs' }] }], `${town.url}/hooks/audit`);
    assert.deepEqual(shapeless.kept.refused.map(({ status }) => status), [400]);
    assert.equal(shapeless.thrown, undefined);

    const file = join(town.folder, 'dead-letter.json');
    writeFileSync(file, JSON.stringify(wrong.kept));
    const before = await town.looks();
    const script = new URL('infra/forwarders/event-hub-function/src/redrive.js', ROOT).pathname;
    const env = { ...process.env, PARTNER_WARDEN_URL: `${town.url}/hooks/audit`, PARTNER_WARDEN_SECRET: AUDIT_SECRET };
    const { stdout } = await promisify(execFile)(process.execPath, [script, file], { env });
    assert.equal(stdout, `${file}: 1 delivered, 0 refused\n`);
    await town.until('a look', async () => (await town.looks()) > before);
    const again = promisify(execFile)(process.execPath, [script, file], {
      env: { ...env, PARTNER_WARDEN_SECRET: 'whsec_c29tZWJvZHkgZWxzZSBhbHRvZ2V0aGVy' },
    });
    await assert.rejects(again, ({ code, stdout }) => code === 1 && stdout.endsWith('0 delivered, 1 refused\n'));
  });
});

describe('against whatever else may answer', () => {
  for (const status of [408, 429, 500, 502, 503, 504]) {
    test(`${status} is tried again by the host`, async () => {
      const server = await stub(status, 202);
      const first = await run([recorded()], server.url);
      assert.match(first.thrown.message, new RegExp(`^Partner Warden answered ${status}$`));
      assert.equal(first.kept, undefined);
      const second = await run([recorded()], server.url);
      assert.deepEqual([second.thrown, second.kept], [undefined, undefined]);
      const [one, two] = server.came;
      assert.deepEqual(one.body, two.body);
      assert.equal(one.headers['webhook-id'], two.headers['webhook-id']);
      await server.close();
    });
  }

  for (const status of [302, 400, 401, 403, 404, 405, 409, 413, 415]) {
    test(`${status} is not`, async () => {
      const server = await stub(status);
      const { kept, thrown, log } = await run([recorded()], server.url);
      assert.equal(thrown, undefined);
      assert.deepEqual(kept.refused.map((one) => one.status), [status]);
      assert.match(log.at(-1), new RegExp(`^error: kept as dead letters: 1 requests refused \\(${status}\\)`));
      assert.equal(server.came.length, 1);
      await server.close();
    });
  }

  test('nobody there is tried again', async () => {
    const server = await stub(202);
    await server.close();
    const { kept, thrown } = await run([recorded()], server.url);
    assert.equal(thrown.message, 'Partner Warden gave no answer: ECONNREFUSED');
    assert.equal(kept, undefined);
  });

  test('a fault in the second of two requests brings both again', async () => {
    const server = await stub(202, 503, 202);
    assert.equal((await run([audits(11, 100_000)], server.url)).thrown.message, 'Partner Warden answered 503');
    assert.equal((await run([audits(11, 100_000)], server.url)).thrown, undefined);
    assert.deepEqual(server.came.map(({ body }) => JSON.parse(body).records.length), [10, 1, 10, 1]);
    assert.ok(server.came.every(({ body }) => body.length <= BODY_MAX));
    await server.close();
  });

  test('a record too large for any request, and what is not of Azure Monitor, is kept', async () => {
    const server = await stub(202);
    const large = audits(1, BODY_MAX);
    const { kept, thrown } = await run([large, 'no JSON', Buffer.from([0xff, 0xfe]), { value: [] }, recorded()], server.url);
    assert.equal(thrown, undefined);
    assert.deepEqual(kept, { refused: [], tooLarge: large.records, strange: ['no JSON', '//4=', { value: [] }] });
    assert.equal(server.came.length, 1);
    assert.equal((await run([], server.url)).thrown, undefined);
    assert.equal(server.came.length, 1, 'nothing to send, nothing sent');
    await server.close();
  });

  test('settings that are wrong hold the events back instead of losing them', async () => {
    for (const [url, secret, says] of [
      ['', AUDIT_SECRET, /PARTNER_WARDEN_URL/],
      ['http://warden.example/hooks/audit', AUDIT_SECRET, /PARTNER_WARDEN_URL/],
      ['https://warden.example/hooks/audit', '@Microsoft.KeyVault(SecretUri=https://x.example/)', /PARTNER_WARDEN_SECRET/],
      ['https://warden.example/hooks/audit', 'whsec_c2hvcnQ=', /PARTNER_WARDEN_SECRET/],
    ]) {
      const { kept, thrown } = await run([recorded()], url, secret);
      assert.match(thrown.message, says);
      assert.equal(kept, undefined);
    }
  });
});
