// The report of the built-in scenario, in a real browser without a network.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import puppeteer from "puppeteer-core";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..", "..");
const program = join(root, "target", "debug", "partner-warden");
const out = join(root, "target", "report");
const file = join(out, "report.html");
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let browser;

function chromium() {
  const names = [process.env.CHROME, "chromium", "google-chrome"].filter(Boolean);
  for (const name of names) {
    const found = spawnSync("sh", ["-c", 'command -v "$1"', "sh", name], { encoding: "utf8" });
    if (found.status === 0) return found.stdout.trim();
  }
  throw new Error("no Chromium: put chromium or google-chrome on the PATH, or set CHROME");
}

async function simulator() {
  const child = spawn(program, ["sim", "--scenario", "everything", "--listen", "127.0.0.1:0"]);
  let said = "";
  for await (const chunk of child.stdout) {
    said += chunk;
    if (said.includes("WARDEN_CLIENT_ID=") && said.includes("graphClientSecret")) break;
  }
  const settings = Object.fromEntries([...said.matchAll(/^(WARDEN_\w+)=(\S+)$/gm)].map((m) => [m[1], m[2]]));
  return { child, settings, secret: /graphClientSecret: (\S+)/.exec(said)[1] };
}

before(async () => {
  mkdirSync(out, { recursive: true });
  const { child, settings, secret } = await simulator();
  try {
    const secrets = join(out, "secrets.json");
    writeFileSync(secrets, JSON.stringify({ graphClientSecret: secret }), { mode: 0o600 });
    const env = { ...settings, WARDEN_POLICY: join(here, "policy.yaml"), WARDEN_SECRETS: `file:${secrets}` };
    const scan = spawn(program, ["scan", "--format", "html", "--output", file], { env });
    let err = "";
    scan.stderr.on("data", (chunk) => (err += chunk));
    const code = await new Promise((done) => scan.on("close", done));
    assert.equal(code, 1, err);
  } finally {
    child.kill();
  }
  const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  browser = await puppeteer.launch({ executablePath: chromium(), args });
});

after(() => browser?.close());

async function opened(width, scheme) {
  const page = await browser.newPage();
  const wrong = [];
  const here = pathToFileURL(file).href;
  page.on("console", (it) => it.type() === "error" && wrong.push(it.text()));
  page.on("pageerror", (it) => wrong.push(String(it)));
  page.on("request", (it) => it.url() !== here && wrong.push(`asks for ${it.url()}`));
  await page.setOfflineMode(true);
  await page.setViewport({ width, height: 900 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.goto(here);
  return { page, wrong };
}

for (const width of [360, 1280]) {
  for (const scheme of ["light", "dark"]) {
    test(`${width} px, ${scheme}`, async () => {
      const { page, wrong } = await opened(width, scheme);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= width, `${wide} px wide`);
      assert.ok((await page.$$("article")).length > 3);
      await page.screenshot({ path: join(out, `${width}-${scheme}.png`), fullPage: true });
      assert.deepEqual(wrong, []);
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => axe.run());
      const told = violations.map((it) => `${it.id}: ${it.nodes[0].html} ${it.nodes[0].failureSummary}`);
      assert.deepEqual(told, []);
      await page.close();
    });
  }
}

test("it prints", async () => {
  const { page } = await opened(1280, "light");
  const pdf = await page.pdf({ path: join(out, "report.pdf"), format: "A4" });
  assert.equal(Buffer.from(pdf).subarray(0, 5).toString(), "%PDF-");
  await page.close();
});

test("a picture of it for the README", async () => {
  const { page } = await opened(1280, "light");
  const path = process.env.PICTURE ?? join(out, "picture.png");
  // The drawing of who holds what says the most at one sight.
  await page.setViewport({ width: 1280, height: 900 });
  await page.$eval("svg[role=img]", (drawing) => {
    drawing.scrollIntoView();
    scrollBy(0, -90);
  });
  const picture = await page.screenshot({ path });
  assert.ok(picture.length > 20_000 && picture.length <= 300_000, `${picture.length} bytes`);
  await page.close();
});
