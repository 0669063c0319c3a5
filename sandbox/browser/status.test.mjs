// The bot's status page as an administrator has it: beside the demo, seen and used in headless Chromium.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startDemo } from "./demo.mjs";
import { SOON, eventually, launch, open, overflow, tabTo, visit } from "./visit.mjs";

/** The bot waits between its attempts after an interruption, longer each time. */
const RECOVERY = 120_000;

let demo, browser, operator;

before(async () => {
  [demo, browser] = await Promise.all([startDemo(), launch()]);
  operator = await visit(browser, demo.url);
});

after(async () => {
  await operator?.end();
  await browser?.close();
  await demo?.stop();
});

/** Opens the status page and waits until it is live. */
async function look(options = {}) {
  const { page, complaints } = await open(browser, demo.statusUrl, options);
  if (options.javaScriptEnabled !== false) await page.locator("#live[data-state=live]").waitFor();
  return { page, complaints };
}

async function leave({ page, complaints }) {
  assert.equal(await overflow(page), 0, "nothing scrolls sideways");
  await page.context().close();
  assert.deepEqual(complaints, [], "the browser has nothing to complain of");
}

/** The table's row about the newest alert. */
const newest = (page) => page.locator("#alerts tbody tr").first();
const steps = (row) => row.locator(".steps .what").allInnerTexts();
const badge = (row) => row.locator(".badge").innerText();

async function raise(text) {
  await operator.write(text);
  await operator.alert(text).waitFor();
}

test("an alert's story grows on the page while it happens, without a reload", async () => {
  const me = await look();
  await me.page.evaluate(() => (window.loadedOnce = true));
  await me.page.getByText("No alerts in seven days").waitFor();
  const text = "SIGNL4 pump 3 is down";
  await operator.enter("general");
  await raise(text);
  const row = newest(me.page);
  await eventually(() => badge(row), "sent");
  await row.locator("summary").click();
  await eventually(
    async () => (await steps(row)).map((step) => step.split("\n")[0]).filter((step) => step !== "Raised at SIGNL4"),
    ["Message matched, alert queued", "Sent to SIGNL4", "Reaction added to the message"],
  );
  await operator.press(text, "Acknowledge");
  await eventually(() => badge(row), "acknowledged");
  await eventually(async () => (await steps(row)).slice(-2), ["Acknowledged by Rene", "Reply posted"]);
  assert.ok((await row.innerText()).includes("eventId "));
  assert.equal(await me.page.evaluate(() => window.loadedOnce), true);
  assert.ok(!(await me.page.content()).includes("pump 3"), "no text of a message is on the page");
  await leave(me);
});

test("the link of an alert leads to its message", async () => {
  const me = await look();
  const link = newest(me.page).getByRole("link", { name: "Message in #general" });
  assert.match(await link.getAttribute("href"), /^http:\/\/127\.0\.0\.1:\d+\/channel\/general\?msg=\w+$/);
  await leave(me);
});

test("what changes leaves the focus, and what was folded, as they are", async () => {
  const me = await look();
  const row = me.page.locator("#alerts tbody tr[data-key]").first();
  const key = await row.getAttribute("data-key");
  const same = me.page.locator(`#alerts tr[data-key="${key}"]`);
  const summary = same.locator("summary");
  await summary.click();
  assert.equal(await same.locator("details").getAttribute("open"), "");
  await summary.focus();
  await raise("SIGNL4 the focus stays");
  await eventually(() => me.page.locator("#alerts tbody tr").first().getAttribute("data-key").then((now) => now !== key), true);
  assert.equal(await same.locator("details").getAttribute("open"), "", "still unfolded");
  assert.ok(await summary.evaluate((node) => node === document.activeElement), "still focused");
  await leave(me);
});

test("it can be read and used with the keyboard alone", async () => {
  const me = await look();
  await me.page.keyboard.press("Tab");
  const skip = me.page.getByRole("link", { name: "Skip to the status" });
  assert.ok(await skip.evaluate((node) => node === document.activeElement && node.getBoundingClientRect().top >= 0));
  await me.page.keyboard.press("Enter");
  const summary = newest(me.page).locator("summary");
  await tabTo(me.page, summary);
  const outline = await summary.evaluate((node) => getComputedStyle(node).outlineStyle);
  assert.equal(outline, "solid", "the focus is visible");
  await me.page.keyboard.press("Enter");
  assert.equal(await newest(me.page).locator("details").getAttribute("open"), "");
  const headings = await me.page.locator("h1, h2").allTextContents();
  assert.deepEqual(headings, [
    "signl4-rocketchat status",
    "Ready",
    "Overview",
    "Outbox",
    "Last warnings and errors",
    "Alerts",
    "Watched rooms",
  ]);
  for (const table of await me.page.locator("table").all()) {
    assert.ok((await table.locator("caption").innerText()).length > 0, "every table has a caption");
  }
  await leave(me);
});

test("without a script it still shows the state, and comes again by itself", async () => {
  const me = await look({ javaScriptEnabled: false });
  assert.ok(await me.page.getByRole("heading", { name: "Ready", exact: true }).isVisible());
  assert.ok(await newest(me.page).isVisible());
  assert.match(await me.page.locator("#live").innerText(), /^As of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/);
  await me.page.waitForEvent("load", { timeout: SOON });
  await leave(me);
});

test("an interruption, what it makes wait, and its end are seen as they happen", { timeout: 3 * RECOVERY }, async () => {
  const me = await look();
  const down = operator.page.getByRole("switch", { name: "SIGNL4 is down" });
  const cut = operator.page.getByRole("switch", { name: "Rocket.Chat is cut off" });
  await down.click();
  await eventually(() => down.getAttribute("aria-checked"), "true");
  await operator.enter("operations");
  await operator.write("SIGNL4 is anybody there");
  const queue = me.page.locator("#outbox tbody tr", { hasText: "SIGNL4" });
  await eventually(() => queue.innerText(), /cannot be reached/);
  await eventually(() => badge(newest(me.page)), "waiting");

  await cut.click();
  await eventually(() => me.page.locator("#readiness h2").innerText(), "Not ready");
  await eventually(() => me.page.locator("#readiness li").innerText(), /Rocket\.Chat is not connected/);
  await eventually(() => me.page.title(), /^NOT READY/);
  await eventually(() => me.page.locator("#log").innerText(), /no realtime session/);
  await me.page.locator("#overview dt", { hasText: "Offline since" }).waitFor();

  await cut.click();
  await down.click();
  await eventually(() => me.page.locator("#readiness h2").innerText(), "Ready", RECOVERY);
  await eventually(() => badge(newest(me.page)), "sent", RECOVERY);
  await me.page.getByText("Nothing is waiting").waitFor({ timeout: RECOVERY });
  await leave(me);
});
