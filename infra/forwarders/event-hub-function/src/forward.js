'use strict';

// Packs Azure Monitor records into requests to Partner Warden and signs them by Standard Webhooks
// (https://www.standardwebhooks.com/). Nothing here logs, and no error quotes what was sent.

const { createHash, createHmac } = require('node:crypto');

/** Most bytes of a body that Partner Warden reads. */
const BODY_MAX = 1024 * 1024;

/** Longest wait for an answer, in milliseconds. */
const PATIENCE = 30_000;

const OPEN = '{"records":[';
const CLOSE = ']}';

/** It may work later; the same events must come again. */
class TryAgain extends Error {}

/**
 * Where to send and what to sign with, from the application settings.
 *
 * @throws TryAgain when a setting is missing or wrong: events wait until it is mended.
 */
function settings(env) {
  const url = parsed(env.PARTNER_WARDEN_URL);
  const local = ['127.0.0.1', '[::1]', 'localhost'].includes(url?.hostname);
  if (!url || !(url.protocol === 'https:' || (url.protocol === 'http:' && local))) {
    throw new TryAgain('PARTNER_WARDEN_URL is not an https address such as https://warden.example/hooks/audit');
  }
  const base64 = /^\s*whsec_([A-Za-z0-9+/]+={0,2})\s*$/.exec(env.PARTNER_WARDEN_SECRET ?? '')?.[1];
  const key = Buffer.from(base64 ?? '', 'base64');
  if (key.length < 24 || key.length > 64) {
    // What an unresolved Key Vault reference looks like, too.
    throw new TryAgain('PARTNER_WARDEN_SECRET is not whsec_ and the base64 of 24 to 64 bytes');
  }
  return { url, key };
}

function parsed(text) {
  try {
    return new URL(text);
  } catch {
    return null;
  }
}

/**
 * The directory audits in the trigger's messages, how many records are of other categories, and
 * the messages that are none of Azure Monitor's.
 */
function unpack(messages) {
  const [audits, strange] = [[], []];
  let others = 0;
  for (const message of Array.isArray(messages) ? messages : [messages]) {
    const records = json(message)?.records;
    if (!Array.isArray(records)) {
      strange.push(message instanceof Uint8Array ? Buffer.from(message).toString('base64') : message);
      continue;
    }
    const wanted = records.filter((record) => record?.category === 'AuditLogs');
    audits.push(...wanted);
    others += records.length - wanted.length;
  }
  return { audits, others, strange };
}

function json(message) {
  if (!(typeof message === 'string' || message instanceof Uint8Array)) return message;
  try {
    return JSON.parse(Buffer.from(message).toString('utf8'));
  } catch {
    return null;
  }
}

/** Bodies of at most `most` bytes that together hold all records, and those that fit in none. */
function pack(records, most = BODY_MAX) {
  const [bodies, tooLarge] = [[], []];
  let [held, size] = [[], 0];
  const close = () => {
    if (held.length > 0) bodies.push(OPEN + held.join(',') + CLOSE);
    [held, size] = [[], OPEN.length + CLOSE.length];
  };
  close();
  for (const record of records) {
    const text = JSON.stringify(record);
    const bytes = Buffer.byteLength(text);
    if (OPEN.length + bytes + CLOSE.length > most) {
      tooLarge.push(record);
      continue;
    }
    if (size + bytes + 1 > most) close();
    held.push(text);
    size += bytes + (held.length > 1 ? 1 : 0);
  }
  close();
  return { bodies, tooLarge };
}

/** What a message is signed with: the base64 of HMAC-SHA256 over id, timestamp and body. */
function signature(key, id, timestamp, body) {
  const mac = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body);
  return `v1,${mac.digest('base64')}`;
}

/** The headers of a body. Its id is made of its bytes: a second attempt is the same message. */
function sign(body, key, now = new Date()) {
  const id = `evt_${createHash('sha256').update(body).digest('hex').slice(0, 32)}`;
  const timestamp = Math.floor(now.getTime() / 1000).toString();
  return {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': signature(key, id, timestamp, body),
  };
}

/**
 * Sends a body; returns the status of a final answer, which may be a refusal.
 *
 * @throws TryAgain for 408, 429, 5xx, and when there is no answer.
 */
async function send(body, { url, key }) {
  const request = {
    method: 'POST',
    headers: sign(body, key),
    body,
    redirect: 'manual',
    signal: AbortSignal.timeout(PATIENCE),
  };
  let status;
  try {
    const answer = await fetch(url, request);
    await answer.body?.cancel();
    status = answer.status;
  } catch (error) {
    throw new TryAgain(`Partner Warden gave no answer: ${error.cause?.code ?? error.name}`);
  }
  if (status === 408 || status === 429 || status >= 500) {
    throw new TryAgain(`Partner Warden answered ${status}`);
  }
  return status;
}

/** Sends bodies one after another; returns those that were refused, with the status. */
async function sendAll(bodies, where) {
  const refused = [];
  for (const body of bodies) {
    const status = await send(body, where);
    if (status < 200 || status > 299) refused.push({ status, body });
  }
  return refused;
}

module.exports = { BODY_MAX, TryAgain, pack, send, sendAll, settings, sign, signature, unpack };
