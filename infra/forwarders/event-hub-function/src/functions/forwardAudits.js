'use strict';

const { app, output } = require('@azure/functions');
const { pack, sendAll, settings, unpack } = require('../forward');

/** Where events go that cannot be delivered: the function app's own storage account. */
const deadLetters = output.storageBlob({
  path: 'partner-warden-dead-letters/{rand-guid}.json',
  connection: 'AzureWebJobsStorage',
});

/**
 * Forwards what an event hub brought. When it throws, the retry policy below runs it again with
 * the same events, and no checkpoint is written meanwhile.
 */
async function forwardAudits(messages, context) {
  const { audits, others, strange } = unpack(messages);
  const { bodies, tooLarge } = pack(audits);
  const refused = bodies.length > 0 ? await sendAll(bodies, settings(process.env)) : [];

  const statuses = refused.map(({ status }) => status);
  context.log(
    `${audits.length} directory audits in ${bodies.length} requests; ${others} records of other categories`,
  );
  if (refused.length + tooLarge.length + strange.length > 0) {
    context.extraOutputs.set(deadLetters, JSON.stringify({ refused, tooLarge, strange }));
    context.error(
      `kept as dead letters: ${refused.length} requests refused (${statuses.join(', ')}), ` +
        `${tooLarge.length} records too large, ${strange.length} messages not of Azure Monitor`,
    );
  }
}

const options = {
  connection: 'EventHub',
  eventHubName: '%EVENT_HUB_NAME%',
  consumerGroup: '%EVENT_HUB_CONSUMER_GROUP%',
  cardinality: 'many',
  extraOutputs: [deadLetters],
  retry: {
    strategy: 'exponentialBackoff',
    // Without end: when a policy gives up, the checkpoint moves on and the events are lost.
    maxRetryCount: -1,
    minimumInterval: { seconds: 5 },
    maximumInterval: { minutes: 5 },
  },
  handler: forwardAudits,
};

app.eventHub('forwardAudits', options);

module.exports = { deadLetters, options };
