'use strict';

// Sends dead letters again, once what they were refused for is mended:
//
//   PARTNER_WARDEN_URL=… PARTNER_WARDEN_SECRET=… node src/redrive.js FILE…
//
// It ends with 1 if something was refused again. A file may be sent twice without harm.

const { readFileSync } = require('node:fs');
const { sendAll, settings } = require('./forward');

async function redrive(files) {
  const where = settings(process.env);
  let again = 0;
  for (const file of files) {
    const bodies = JSON.parse(readFileSync(file, 'utf8')).refused.map(({ body }) => body);
    const refused = await sendAll(bodies, where);
    console.log(`${file}: ${bodies.length - refused.length} delivered, ${refused.length} refused`);
    again += refused.length;
  }
  process.exitCode = again > 0 ? 1 : 0;
}

redrive(process.argv.slice(2)).catch((error) => {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
});
