// A decision in a real browser: by keyboard alone, without JavaScript, on a phone and on a desk, in
// light and dark; with a name, and with a simulated sign-in.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import puppeteer from "puppeteer-core";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..", "..");
const program = join(root, "target", "debug", "partner-warden");
const out = join(root, "target", "decisions");
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const event = readFileSync(join(root, "events", "audit", "add-member-to-role.json"), "utf8");
const forwarder = "whsec_dGhlIGtleSBvZiB0aGUgdGVzdHMnIGZvcndhcmRlcg==";
const inbox = "whsec_d29vZGdyb3ZlLXNpbXVsYXRlZC1pbmJveC1rZXkhISE=";
const woodgrove = "11111111-1111-1111-1111-111111111111";
const LIMIT = 30_000;

const started = [];
let browser;

function chromium() {
  const names = [process.env.CHROME, "chromium", "google-chrome"].filter(Boolean);
  for (const name of names) {
    const found = spawnSync("sh", ["-c", 'command -v "$1"', "sh", name], { encoding: "utf8" });
    if (found.status === 0) return found.stdout.trim();
  }
  throw new Error("no Chromium: put chromium or google-chrome on the PATH, or set CHROME");
}

before(async () => {
  mkdirSync(out, { recursive: true });
  const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  browser = await puppeteer.launch({ executablePath: chromium(), args });
});

after(async () => {
  await browser?.close();
  started.forEach((child) => child.kill());
});

function start(args, env) {
  const child = spawn(program, args, { env });
  started.push(child);
  child.said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (child.said += chunk));
  return child;
}

/** Waits until `look` finds something. */
async function seen(what, look) {
  const end = Date.now() + LIMIT;
  while (Date.now() < end) {
    const found = await look();
    if (found) return found;
    await pause(50);
  }
  throw new Error(`${what}: not seen\n${started.map((child) => child.said).join("\n")}`);
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

/** A simulated Microsoft 365 and a `serve` that asks people; and what leads to the question. */
async function town(more = {}) {
  const sim = start(["sim", "--listen", "127.0.0.1:0"], {});
  await seen("the simulator", () => sim.said.includes("/inbox"));
  const settings = Object.fromEntries([...sim.said.matchAll(/^(WARDEN_\w+)=(\S+)$/gm)].map((m) => [m[1], m[2]]));
  const graph = settings.WARDEN_GRAPH_URL;
  const folder = mkdtempSync(join(tmpdir(), "decisions-"));
  const file = (name, text) => {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  const policy = readFileSync(join(root, "policy", "example.yaml"), "utf8")
    .replace(/^mode: .*$/m, "mode: approve")
    .replace("http://127.0.0.1:9090/", `${graph}/`);
  const secrets = {
    graphClientSecret: /graphClientSecret: (\S+)/.exec(sim.said)[1],
    auditWebhookSecret: forwarder,
    decisionKey: "the key of links in this test",
    tickets: { security: { secret: inbox } },
  };
  const port = await freePort();
  const door = `http://127.0.0.1:${port}`;
  const serve = start(["serve"], {
    ...settings,
    WARDEN_POLICY: file("policy.yaml", policy),
    WARDEN_SECRETS: `file:${file("secrets.json", JSON.stringify(secrets))}`,
    WARDEN_STORE: `sqlite:${join(folder, "store.db")}`,
    WARDEN_SWEEP_EVERY: "off",
    WARDEN_POLL_EVERY: "off",
    WARDEN_SETTLE_AFTER: "off",
    WARDEN_LISTEN: `127.0.0.1:${port}`,
    WARDEN_PUBLIC_URL: door,
    ...more,
  });
  await seen("the door", () => serve.said.includes(`127.0.0.1:${port}`));
  const [id, at] = ["evt-1", String(Math.floor(Date.now() / 1000))];
  const key = Buffer.from(forwarder.slice("whsec_".length), "base64");
  const mac = createHmac("sha256", key).update(`${id}.${at}.${event}`).digest("base64");
  const headers = { "webhook-id": id, "webhook-timestamp": at, "webhook-signature": `v1,${mac}` };
  const told = await fetch(`${door}/hooks/audit?tenant=${woodgrove}`, { method: "POST", headers, body: event });
  assert.equal(told.status, 202);
  const tickets = async () => (await (await fetch(`${graph}/inbox`)).json()).sinks.security.deliveries;
  const url = await seen("a question", async () => (await tickets()).at(-1)?.body.data.decisionUrl);
  const deletions = async () => {
    const { calls } = await (await fetch(`${graph}/sim/calls`)).json();
    return calls.filter((call) => call.method === "DELETE").length;
  };
  return { url, tickets, deletions };
}

async function opened(url, { width = 1280, scheme = "light" } = {}) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  const wrong = [];
  // Of the page's own address alone: what is answered 403, 410 or 422 is an error to a browser.
  const ours = (it) => (it.location().url ?? "").startsWith(new URL(url).origin);
  const told = (it) => it.type() === "error" && ours(it) && !/status of (403|410|422)/.test(it.text());
  page.on("console", (it) => told(it) && wrong.push(it.text()));
  page.on("pageerror", (it) => wrong.push(String(it)));
  await page.setViewport({ width, height: 900 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.goto(url);
  return { page, wrong };
}

async function looksRight({ page, wrong }, width, name) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= width, `${name}: ${wide} px wide`);
  await page.screenshot({ path: join(out, `${name}.png`), fullPage: true });
  const { violations } = await page.evaluate(`${axe}; axe.run()`);
  const told = violations.map((it) => `${it.id}: ${it.nodes[0].html} ${it.nodes[0].failureSummary}`);
  assert.deepEqual(told, [], name);
  assert.deepEqual(wrong, [], name);
}

/** What has the focus: its tag, and its name or text. */
const focus = (page) =>
  page.evaluate(() => {
    const it = document.activeElement;
    const ring = getComputedStyle(it).outlineStyle !== "none";
    return `${it.tagName} ${it.value || it.name || it.textContent} ${ring ? "ring" : "no ring"}`;
  });

const heading = (page) => page.$eval("h1", (it) => it.textContent);
const text = (page) => page.$eval("main", (it) => it.innerText);

/** Sends what has the focus, and waits for the page that follows. */
async function enter(page) {
  await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
}

for (const [width, scheme, answer] of [
  [360, "light", "approve"],
  [1280, "dark", "approve"],
  [360, "dark", "refuse"],
  [1280, "light", "refuse"],
]) {
  test(`${answer}, ${width} px, ${scheme}: by keyboard alone`, async () => {
    const { url, tickets, deletions } = await town();
    const at = await opened(url, { width, scheme });
    const { page } = at;
    assert.equal(await heading(page), "A decision is wanted");
    assert.match(await text(page), /Contoso Reseller[\s\S]*Revoke Global Administrator from AdminAgents/);
    await looksRight(at, width, `open-${width}-${scheme}`);

    // The first stop is the choice, of which nothing is chosen; space chooses, arrows change.
    await page.keyboard.press("Tab");
    assert.equal(await focus(page), "INPUT approve ring");
    assert.equal(await page.$("input:checked"), null);
    await page.keyboard.press("Space");
    if (answer === "refuse") await page.keyboard.press("ArrowDown");
    assert.equal(await page.$eval("input:checked", (it) => it.value), answer);
    await page.keyboard.press("Tab");
    assert.equal(await focus(page), "INPUT name ring");
    // Nothing is sent without a name.
    await page.keyboard.press("Enter");
    assert.equal(await heading(page), "A decision is wanted");
    await page.keyboard.type("Megan Bowen");
    await page.keyboard.press("Tab");
    assert.match(await focus(page), /^BUTTON Send decision ring$/);
    await enter(page);

    assert.equal(page.url(), url);
    assert.equal(await heading(page), answer === "approve" ? "Approved" : "Refused");
    assert.match(await text(page), /by Megan Bowen \(name as given, not proven\)/);
    await looksRight(at, width, `${answer}-${width}-${scheme}`);
    const last = async () => (await tickets()).at(-1).body;
    if (answer === "approve") {
      await seen("the closed ticket", async () => (await last()).type === "ticket.closed");
      assert.equal(await deletions(), 2);
    } else {
      const body = await seen("the refusal", async () => /refused it/.test((await last()).data.body));
      assert.ok(body);
      assert.equal(await deletions(), 0);
    }
    await page.close();
  });
}

test("without JavaScript, and where the browser checks nothing", async () => {
  const { url, deletions } = await town();
  const at = await opened(url);
  await at.page.$eval("form", (form) => (form.noValidate = true));
  await Promise.all([at.page.waitForNavigation(), at.page.click("button")]);
  assert.match(await at.page.title(), /^Error: /);
  assert.equal(await at.page.$eval("[role=alert]", (it) => it.textContent), "Say what you decide.");
  await looksRight(at, 1280, "missing");

  await at.page.setJavaScriptEnabled(false);
  await at.page.goto(url);
  await at.page.click("input[value=approve]");
  await at.page.type("#name", "Adele Vance");
  await Promise.all([at.page.waitForNavigation(), at.page.click("button")]);
  await at.page.setJavaScriptEnabled(true);
  assert.equal(await heading(at.page), "Approved");
  await seen("the deletions", async () => (await deletions()) === 2);
  await at.page.goto(`${url}x`);
  assert.equal(await heading(at.page), "This link does not open anything");
  const { violations } = await at.page.evaluate(`${axe}; axe.run()`);
  assert.deepEqual(violations.map((it) => it.id), []);
  await at.page.close();
});

test("who signs in is proven", async () => {
  const { url, tickets } = await town({ WARDEN_APPROVER_SIGN_IN: "entra" });
  const at = await opened(url, { width: 360 });
  const { page } = at;
  assert.equal(await page.$("#name"), null);
  await looksRight(at, 360, "sign-in");
  await page.click("input[value=approve]");
  await Promise.all([page.waitForNavigation(), page.click("form button")]);
  assert.equal(await heading(page), "Pick an account");
  await Promise.all([page.waitForNavigation(), page.click("button[value^=megan]")]);
  await Promise.all([page.waitForNavigation(), page.click("form button")]);
  assert.equal(page.url(), url);
  assert.equal(await heading(page), "Approved");
  assert.match(await text(page), /Approved by megan@woodgrove\.example \(signed in\)/);
  await seen("the closed ticket", async () => (await tickets()).at(-1).body.type === "ticket.closed");
  assert.match((await tickets()).at(-1).body.data.body, /Approved by megan@woodgrove\.example \(signed in\)/);
  assert.deepEqual(at.wrong, []);
  await page.close();
});

test("a picture of it for the README", async () => {
  const { url } = await town();
  const { page } = await opened(url, { width: 900 });
  const path = process.env.PICTURE ? join(dirname(process.env.PICTURE), "decision.png") : join(out, "picture.png");
  const picture = await page.screenshot({ path, fullPage: true });
  assert.ok(picture.length > 20_000 && picture.length <= 300_000, `${picture.length} bytes`);
  await page.close();
});
