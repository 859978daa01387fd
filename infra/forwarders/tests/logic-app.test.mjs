// The Logic App: its definition is well formed, and what its HTTP action sends is taken.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { CLIENT_ID, RECORDED, ROOT, Town, stub } from './town.mjs';

const { definition } = JSON.parse(readFileSync(new URL('infra/forwarders/logic-app/workflow.json', ROOT)));
const action = definition.actions.Post_to_Partner_Warden;

/** Evaluates the few expressions that the definition has; any other is an error. */
function evaluate(value, { parameters, trigger }) {
  if (Array.isArray(value)) return value.map((item) => evaluate(item, { parameters, trigger }));
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, evaluate(item, { parameters, trigger })]));
  }
  if (typeof value !== 'string' || !value.includes('@')) return value;
  const parameter = /^@parameters\('(\w+)'\)$/.exec(value)?.[1];
  if (parameter) {
    assert.ok(parameter in definition.parameters, `${parameter} is not declared`);
    return parameters[parameter] ?? definition.parameters[parameter].defaultValue;
  }
  const field = /^@base64ToString\(triggerBody\(\)\?\['(\w+)'\]\)$/.exec(value)?.[1];
  if (field) return Buffer.from(trigger[field], 'base64').toString('utf8');
  throw new Error(`an expression that the test does not know: ${value}`);
}

/** One event as the connector hands it over after `splitOn`. */
const event = (text) => ({ ContentData: Buffer.from(text).toString('base64'), Properties: {}, SystemProperties: {} });

/** Does what the HTTP action does, once. */
async function act(town, text, { url, audience, token }) {
  const parameters = { wardenUrl: url, wardenAudience: audience };
  const { method, uri, headers, body, authentication } = evaluate(action.inputs, { parameters, trigger: event(text) });
  assert.deepEqual(authentication, { type: 'ManagedServiceIdentity', audience });
  const authorization = `Bearer ${token ?? (await town.token(authentication.audience))}`;
  const answer = await fetch(uri, { method, headers: { ...headers, authorization }, body, redirect: 'manual' });
  return answer.status;
}

const duration = (text) => {
  const [, hours, minutes, seconds] = /^PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?$/.exec(text);
  return Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60 + Number(seconds ?? 0);
};

test('the definition is one of the workflow definition language', () => {
  assert.equal(
    definition.$schema,
    'https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#',
  );
  assert.match(definition.contentVersion, /^\d+\.\d+\.\d+\.\d+$/);
  const known = ['$schema', 'contentVersion', 'parameters', 'triggers', 'actions', 'outputs', 'description', 'staticResults'];
  assert.deepEqual(Object.keys(definition).filter((key) => !known.includes(key)), []);
  for (const { type } of Object.values(definition.parameters)) {
    assert.match(type, /^(Object|String|Int|Bool|Array|SecureString|SecureObject)$/);
  }
  assert.ok(!/SharedAccessKey|whsec_|"secret"/.test(JSON.stringify(definition)), 'there is no secret in it');
});

test('the trigger hands over one event at a time, as bytes', () => {
  const [trigger, ...others] = Object.values(definition.triggers);
  assert.deepEqual(others, []);
  assert.deepEqual([trigger.type, trigger.splitOn], ['ApiConnection', '@triggerBody()']);
  assert.match(trigger.recurrence.frequency, /^(Second|Minute|Hour)$/);
  assert.ok(trigger.recurrence.interval >= 1);
  assert.match(trigger.inputs.path, /^\/@\{encodeURIComponent\(parameters\('eventHubName'\)\)\}\/events\/batch\/head$/);
  assert.equal(trigger.inputs.queries.contentType, 'application/octet-stream');
});

test('the action signs in as itself, tries again as long as it may, and shows nothing', () => {
  assert.deepEqual(Object.keys(definition.actions), ['Post_to_Partner_Warden']);
  assert.deepEqual([action.type, action.inputs.method, action.runAfter], ['Http', 'POST', {}]);
  assert.deepEqual(Object.keys(action.inputs.authentication), ['type', 'audience']);
  const { type, count, interval, minimumInterval, maximumInterval } = action.inputs.retryPolicy;
  assert.equal(type, 'exponential');
  assert.ok(count >= 1 && count <= 90, 'the service takes 1 to 90');
  for (const text of [interval, minimumInterval, maximumInterval]) {
    assert.ok(duration(text) >= 5 && duration(text) <= 86_400, 'the service takes 5 seconds to a day');
  }
  // Our 202 has no `location`; without this option the service would go on asking for a result.
  assert.equal(action.operationOptions, 'DisableAsyncPattern');
  assert.deepEqual(action.runtimeConfiguration.secureData.properties, ['inputs', 'outputs']);
});

test('what the action sends takes the role from the partner, by id and by URI', async () => {
  const town = await Town.open();
  try {
    const url = `${town.url}/hooks/audit`;
    assert.equal(await act(town, RECORDED, { url, audience: CLIENT_ID }), 202);
    const { held, deletes } = await town.revoked();
    assert.deepEqual([held, deletes.length], [['Megan Bowen: Global Administrator'], 1]);
    const before = await town.looks();
    assert.equal(await act(town, RECORDED, { url, audience: `api://${CLIENT_ID}` }), 202);
    await town.until('a look', async () => (await town.looks()) > before);
    // Whoever has a token for something else, or none, is refused for good.
    assert.equal(await act(town, RECORDED, { url, audience: 'https://graph.microsoft.com' }), 401);
    assert.equal(await act(town, RECORDED, { url, audience: CLIENT_ID, token: 'none' }), 401);
  } finally {
    await town.close();
  }
});

test('without the app role the door stays shut', async () => {
  const town = await Town.open({ WARDEN_SENDER_ROLES: 'Another.Role' });
  try {
    assert.equal(await act(town, RECORDED, { url: `${town.url}/hooks/audit`, audience: CLIENT_ID }), 401);
    assert.equal(await town.looks(), 0);
  } finally {
    await town.close();
  }
});

test('while the signing keys cannot be had, the action is asked to come again', async () => {
  const closed = await stub(200);
  await closed.close();
  const town = await Town.open({ WARDEN_LOGIN_URL: new URL(closed.url).origin });
  try {
    assert.equal(await act(town, RECORDED, { url: `${town.url}/hooks/audit`, audience: CLIENT_ID }), 503);
  } finally {
    await town.close();
  }
});
