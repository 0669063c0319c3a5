// Both pages in every window: a phone, a tablet, a laptop, a desktop screen, each in light and in dark; on a quiet day and on a bad one.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { startDemo } from "./demo.mjs";
import { WINDOWS, assertTidy, nameOf } from "./layout.mjs";
import { eventually, launch, open, visit } from "./visit.mjs";

const SCREENSHOTS = process.env.SCREENSHOTS ?? fileURLToPath(new URL("../../screenshots", import.meta.url));
/** More lines than a card on the phone shows. */
const LONG = `SIGNL4 the boiler house is flooded. ${"The pump that should start by itself does not. ".repeat(24)}`.trim();
const [OLD, FRESH] = ["SIGNL4 pump 3 is down, water in the basement", "SIGNL4 boiler 2: pressure is at 9.4 bar"];

let demo, browser, operator;
/** Visits of the demo's page that were there before the bad day began, with the names of their windows. */
let viewers;

before(async () => {
  [demo, browser] = await Promise.all([startDemo(), launch(), mkdir(SCREENSHOTS, { recursive: true })]);
  operator = await visit(browser, demo.url);
});

after(async () => {
  await browser?.close();
  await demo?.stop();
});

/** Inspects what a window shows, and keeps a picture of it. */
async function inspect(page, name, options = {}) {
  await assertTidy(page, name);
  await page.screenshot({ path: `${SCREENSHOTS}/${name}.png`, ...options });
}

/** Inspects the demo's page: the chat and the phone, which on a narrow window are two tabs. */
async function inspectBoth(viewer, name) {
  await inspect(viewer.page, name);
  if (await viewer.isNarrow()) await viewer.withPhone(() => inspect(viewer.page, `${name}-phone`));
}

async function inspectStatus(window, name) {
  const { page, complaints } = await open(browser, demo.statusUrl, window);
  await page.locator("#live[data-state=live]").waitFor();
  await page.locator("#alerts details").evaluateAll((all) => all.forEach((details) => (details.open = true)));
  await inspect(page, name, { fullPage: true });
  await page.context().close();
  assert.deepEqual(complaints, [], "the browser has nothing to complain of");
}

/** Runs in the page: in how many lines the text of a button stands. */
function countLines(button) {
  const range = document.createRange();
  range.selectNodeContents(button.lastChild);
  return range.getClientRects().length;
}

test("every window of a quiet day can be read", async () => {
  await operator.enter("general");
  await operator.write(OLD);
  await operator.alert(OLD).waitFor();
  await operator.press(OLD, "Acknowledge");
  await operator.annotate(OLD, `On my way. ${"It takes ten minutes from here. ".repeat(10)}`);
  await eventually(() => operator.thread(OLD).then((replies) => replies.length), 2);
  await operator.page.getByLabel("Write as").selectOption({ label: "Bob Tanaka" });
  await operator.send("*Plan:* see https://example.com/plan, `reset` the boiler\n> and ask @alice in #operations\n- [x] pump");
  await operator.send(LONG);
  await operator.write(FRESH);
  await operator.alert(FRESH).waitFor();
  await eventually(() => operator.message(FRESH).locator(".reactions").textContent(), "🚨 1");

  const look = async (window) => {
    const name = nameOf(window);
    const viewer = await visit(browser, demo.url, window);
    await viewer.page.locator("#bot[data-state=ready]").waitFor();
    await viewer.withPhone(async () => {
      await viewer.press(FRESH, "More");
      const nobody = viewer.alert(FRESH).getByRole("button", { name: "Nobody on duty" });
      assert.equal(await nobody.evaluate(countLines), 1, `${name}: "Nobody on duty" is one line`);
    });
    await inspectBoth(viewer, `demo-${name}`);
    await inspectStatus(window, `status-${name}`);
    return [viewer, window];
  };
  viewers = [];
  for (const window of WINDOWS) viewers.push(await look(window));
});

test("every window of a bad day can be read, with failures, unread marks and what waits", async () => {
  await operator.enter("operations");
  await operator.send("Does anybody hear the pump?");
  await operator.page.getByRole("switch", { name: "SIGNL4 throttles" }).click();
  await operator.page.getByRole("switch", { name: "SIGNL4 is down" }).click();
  await operator.send("SIGNL4 gate 1 does not close");
  await operator.page.locator("#waiting").waitFor();
  for (const [viewer, window] of viewers) {
    const name = nameOf(window);
    const toggle = viewer.page.getByRole("button", { name: "Simulate failures" });
    if (await toggle.isVisible()) await toggle.tap();
    await eventually(() => viewer.page.locator("#rooms .badge:visible").allInnerTexts(), ["2"]);
    await viewer.withPhone(() => viewer.page.locator("#waiting").waitFor());
    await inspectBoth(viewer, `demo-${name}-failures`);
    await viewer.end();
  }

  await operator.page.getByRole("switch", { name: "Rocket.Chat is cut off" }).click();
  await operator.page.locator("#bot[data-state=down]").waitFor();
  for (const window of WINDOWS) await inspectStatus(window, `status-${nameOf(window)}-failures`);
  await operator.end();
});
