// docs/forwarders.md: what it says can be run is run, and all of it is at least a shell's.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import { AUDIT_SECRET, CLIENT_ID, CLIENT_SECRET, O365_AUTH_ID, ROOT, Town, WOODGROVE } from './town.mjs';

const text = readFileSync(new URL('docs/forwarders.md', ROOT), 'utf8');
const run = promisify(execFile);

/** The fenced blocks, each with the remark behind it. */
const blocks = [...text.matchAll(/^( *)```(\w+)\n([\s\S]*?)^ *```\n(?: *<!-- (run|cloud): (.*) -->\n)?/gm)].map(
  ([whole, indent, language, code, mark, remark], at) => ({
    name: `block ${at + 1}, line ${text.slice(0, text.indexOf(whole)).split('\n').length}`,
    language,
    code: code.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
    mark,
    remark,
  }),
);
const runnable = blocks.filter(({ mark }) => mark === 'run');

test('every block of commands is run or says why not', () => {
  assert.equal(blocks.length, text.match(/^ *```\w+$/gm).length);
  for (const { name, language, mark, remark } of blocks) {
    if (language === 'json') continue;
    assert.match(language, /^(sh|powershell)$/, name);
    assert.ok(mark && remark.trim(), `${name} has no remark`);
  }
  assert.ok(runnable.length >= 4);
  assert.equal(text.match(/^ *▶$/gm).length, runnable.length, 'each of them is marked for the reader');
});

test('every block is a shell script', async () => {
  for (const { name, code } of blocks.filter(({ language }) => language === 'sh')) {
    await assert.doesNotReject(run('bash', ['-n', '-c', code]), name);
  }
});

test('every source is referred to, and every reference has its source', () => {
  const [guide, sources] = text.split('\n## Sources\n');
  const listed = [...sources.matchAll(/^(\d+)\. /gm)].map(([, number]) => number);
  const used = new Set([...guide.matchAll(/\[(\d+)\]/g)].map(([, number]) => number));
  assert.deepEqual([...used].sort((a, b) => a - b), listed);
});

test('the settings of the guide are those of the function', () => {
  const code = ['forward.js', 'functions/forwardAudits.js']
    .map((file) => readFileSync(new URL(`infra/forwarders/event-hub-function/src/${file}`, ROOT), 'utf8'))
    .join('\n');
  const read = [...code.matchAll(/env\.(\w+)|'%(\w+)%'/g)].map(([, one, other]) => one ?? other);
  for (const name of new Set([...read, 'EventHub__fullyQualifiedNamespace'])) {
    assert.ok(text.includes(`| \`${name}\` |`), `${name} is not in the table`);
  }
});

let town;
before(async () => void (town = await Town.open()));
after(() => town?.close());

for (const { name, code, remark } of runnable) {
  test(`${name} does what the guide says`, async () => {
    const env = {
      PATH: process.env.PATH,
      WARDEN: town.url,
      LOGIN: town.origin,
      TENANT: WOODGROVE,
      CLIENT_ID,
      AUDIT_SECRET,
      AUTH_ID: O365_AUTH_ID,
      SENDER_ID: CLIENT_ID,
      SENDER_SECRET: CLIENT_SECRET,
    };
    const { stdout, stderr } = await run('bash', ['--norc', '-euo', 'pipefail', '-c', code], { env, cwd: ROOT.pathname });
    assert.equal(stderr, '');
    const [, expected] = /^\/(.*)\/$/.exec(remark);
    assert.match(stdout, new RegExp(expected));
  });
}

test('what the commands sent was looked at, and the role is gone', async () => {
  const { held } = await town.revoked();
  assert.deepEqual(held, ['Megan Bowen: Global Administrator']);
});
