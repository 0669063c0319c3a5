// The pictures of README.md: a short story, played in the demo, then seen on both pages.
//
// WRITE_SCREENSHOTS=1 renews the ones that are kept, in docs/images; it needs pngquant. Without it they go where the other
// pictures go, so that the story is always known to work, and a test never changes what is kept.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { startDemo } from "./demo.mjs";
import { PHONE } from "./layout.mjs";
import { eventually, launch, open, overflow, visit } from "./visit.mjs";

const KEPT = process.env.WRITE_SCREENSHOTS === "1";
const SCREENSHOTS = process.env.SCREENSHOTS ?? fileURLToPath(new URL("../../screenshots", import.meta.url));
const IMAGES = KEPT ? fileURLToPath(new URL("../../docs/images", import.meta.url)) : `${SCREENSHOTS}/readme`;

let demo, browser;

before(async () => {
  [demo, browser] = await Promise.all([startDemo(), launch(), mkdir(IMAGES, { recursive: true })]);
});

after(async () => {
  await browser?.close();
  await demo?.stop();
});

/** Takes a picture of what the window shows; in a kept one there are 256 colours, and a third of the bytes. */
async function shoot(page, name, options = {}) {
  const path = `${IMAGES}/${name}.png`;
  await page.screenshot({ path, ...options });
  if (KEPT) await promisify(execFile)("pngquant", ["--force", "--speed=1", "--strip", "--output", path, path]);
}

/** Takes a picture of the status page once everything is delivered: of the window, or down to the end of the alerts. */
async function shootStatus(name, options = {}) {
  const { page, complaints } = await open(browser, demo.statusUrl, options);
  await page.locator("#live[data-state=live]").waitFor();
  await page.getByText("Everything is delivered.").waitFor();
  const badges = page.locator("#alerts tbody .badge");
  await eventually(() => badges.allInnerTexts(), ["sent", "closed", "acknowledged"]);
  assert.equal(await overflow(page), 0, "nothing scrolls sideways");
  const { x, y, height } = await page.locator("#alerts").boundingBox();
  const clip = { x: 0, y: 0, width: page.viewportSize().width, height: y + height + x / 4 };
  await shoot(page, name, options.viewport ? {} : { clip, fullPage: true });
  await page.context().close();
  assert.deepEqual(complaints, [], "the browser has nothing to complain of");
}

test("a pump, a boiler and a gate, as README.md shows them", async () => {
  const [gate, pump, boiler] = [
    "SIGNL4 gate 1 does not close",
    "SIGNL4 pump 3 is down, water in the basement",
    "SIGNL4 boiler 2: pressure is at 9.4 bar",
  ];
  const me = await visit(browser, demo.url);
  await me.enter("operations");
  await me.write(gate);
  await me.alert(gate).waitFor();
  await me.press(gate, "More");
  await me.press(gate, "Escalate");
  await eventually(() => me.thread(gate).then((replies) => replies.length), 1);
  await me.press(gate, "Acknowledge");
  await eventually(() => me.thread(gate).then((replies) => replies.length), 2);

  await me.enter("general");
  await me.write(pump);
  await me.alert(pump).waitFor();
  const replies = ["Rene: Alert acknowledged.", "Rene: On my way, ten minutes", "Rene: Alert closed."];
  await me.press(pump, "Acknowledge");
  await eventually(() => me.thread(pump), replies.slice(0, 1));
  await me.annotate(pump, "On my way, ten minutes");
  await eventually(() => me.thread(pump), replies.slice(0, 2));
  await me.press(pump, "Close");
  await eventually(() => me.thread(pump), replies);

  await me.page.getByLabel("Write as").selectOption({ label: "Bob Tanaka" });
  await me.write(boiler);
  await me.alert(boiler).waitFor();
  await eventually(() => me.message(boiler).locator(".reactions").textContent(), "🚨 1");
  await me.end();

  // A fresh visit, so that no field of the story has the focus.
  for (const [name, options] of [["demo", {}], ["demo-narrow", PHONE]]) {
    const viewer = await visit(browser, demo.url, options);
    await eventually(() => viewer.thread(pump), replies);
    await shoot(viewer.page, name);
    await viewer.end();
  }
  await shootStatus("status");
  await shootStatus("status-narrow", PHONE);
});
