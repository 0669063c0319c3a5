// The demo as a person has it: the real bot between both simulators, seen and used in headless Chromium.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { after, before, test } from "node:test";
import { startDemo } from "./demo.mjs";
import { SOON, eventually, launch, visit } from "./visit.mjs";

const SCREENSHOTS = process.env.SCREENSHOTS ?? fileURLToPath(new URL("../../screenshots", import.meta.url));
const NARROW = { viewport: { width: 390, height: 844 }, hasTouch: true };
/** The bot waits between its attempts after an interruption, longer each time. */
const RECOVERY = 120_000;

let demo, browser;

before(async () => {
  [demo, browser] = await Promise.all([startDemo(), launch(), mkdir(SCREENSHOTS, { recursive: true })]);
});

after(async () => {
  await browser?.close();
  await demo?.stop();
});

const shoot = ({ page }, name) => page.screenshot({ path: `${SCREENSHOTS}/demo-${name}.png` });

test("the page has its picture taken", async () => {
  const me = await visit(browser, demo.url);
  await me.enter("general");
  const [old, fresh] = ["SIGNL4 pump 3 is down, water in the basement", "SIGNL4 boiler 2: pressure is at 9.4 bar"];
  await me.write(old);
  await me.alert(old).waitFor();
  await me.press(old, "Acknowledge");
  await me.annotate(old, "On my way, ten minutes");
  await eventually(() => me.thread(old), ["Rene: Alert acknowledged.", "Rene: On my way, ten minutes"]);
  await me.page.getByLabel("Write as").selectOption({ label: "Bob Tanaka" });
  await me.write(fresh);
  await me.alert(fresh).waitFor();
  await eventually(() => me.message(fresh).locator(".reactions").textContent(), "🚨 1");
  await me.end();
  for (const colorScheme of ["light", "dark"]) {
    const wide = await visit(browser, demo.url, { colorScheme });
    await shoot(wide, `1280-${colorScheme}`);
    await wide.end();
    const narrow = await visit(browser, demo.url, { ...NARROW, colorScheme });
    await shoot(narrow, `390-chat-${colorScheme}`);
    await narrow.page.getByRole("button", { name: /^Phone/ }).tap();
    await shoot(narrow, `390-phone-${colorScheme}`);
    await narrow.end();
  }
});

test("a message pages, and every step on the phone is a reply in its thread", async () => {
  const me = await visit(browser, demo.url);
  await eventually(() => me.page.locator("#bot").textContent(), "Bot is connected");
  const text = "SIGNL4 pump 3 is down";
  const room = await me.enter("general");
  await me.write(text);
  await me.alert(text).waitFor();
  assert.equal(await me.fact(text, "ExternalID"), room);
  assert.equal(await me.fact(text, "Room"), "#general");
  await eventually(() => me.message(text).locator(".reactions").textContent(), "🚨 1");
  await eventually(() => me.page.title(), /^\(\d+\) /);

  await me.press(text, "Acknowledge");
  await eventually(() => me.thread(text), ["Rene: Alert acknowledged."]);
  await me.annotate(text, "On my way, ten minutes");
  await eventually(() => me.thread(text), ["Rene: Alert acknowledged.", "Rene: On my way, ten minutes"]);
  await me.press(text, "Close");
  await eventually(
    () => me.thread(text),
    ["Rene: Alert acknowledged.", "Rene: On my way, ten minutes", "Rene: Alert closed."],
  );
  const reply = me.message(text).locator(".replies > li").first();
  assert.equal(await reply.locator("strong").textContent(), "SIGNL4");
  assert.ok(await reply.getByText("BOT", { exact: true }).isVisible());
  await me.end();
});

test("two alerts in one room have their replies each in its own thread", async () => {
  const me = await visit(browser, demo.url);
  await me.enter("operations");
  const [older, newer] = ["SIGNL4 boiler 1 is cold", "SIGNL4 boiler 2 is hot"];
  for (const text of [older, newer]) await me.write(text);
  await Promise.all([older, newer].map((text) => me.alert(text).waitFor()));
  assert.equal(await me.fact(older, "ExternalID"), await me.fact(newer, "ExternalID"));
  await me.press(older, "Acknowledge");
  await me.press(newer, "Close");
  await eventually(() => me.thread(older), ["Rene: Alert acknowledged."]);
  await eventually(() => me.thread(newer), ["Rene: Alert closed."]);
  await me.end();
});

test("an edit that makes a message match pages once, and a reaction pages nobody", async () => {
  const me = await visit(browser, demo.url);
  await me.enter("operations");
  await me.write("valve 7 leaks");
  await me.message("valve 7 leaks").hover();
  await me.message("valve 7 leaks").getByRole("button", { name: "Edit" }).click();
  await me.page.getByLabel("Edit message").fill("SIGNL4 valve 7 leaks");
  await me.page.keyboard.press("Enter");
  await me.alert("SIGNL4 valve 7 leaks").waitFor();
  const edited = me.message("SIGNL4 valve 7 leaks");
  assert.ok(await edited.getByText("(edited)").isVisible());
  await edited.getByRole("button", { name: "React with 👍" }).click();
  await eventually(
    () =>
      edited
        .locator(".reactions")
        .textContent()
        .then((text) => text.includes("👍 1")),
    true,
  );
  // Messages are handled in their order: when this one has paged, the ones before have had their turn.
  await me.write("SIGNL4 the last word");
  await me.alert("SIGNL4 the last word").waitFor();
  assert.equal(await me.alert("SIGNL4 valve 7 leaks").count(), 1);
  await me.end();
});

test("an alert that nobody takes tells so in its thread", async () => {
  const me = await visit(browser, demo.url);
  const text = "SIGNL4 the gate is open";
  await me.enter("operations");
  await me.write(text);
  await me.alert(text).waitFor();
  await me.press(text, "More");
  await me.press(text, "Nobody on duty");
  await eventually(() => me.thread(text).then((replies) => replies.length), 1);
  await me.press(text, "Escalate");
  await eventually(() => me.thread(text).then((replies) => replies.length), 2);
  await me.press(text, "Close");
  await eventually(async () => (await me.thread(text)).at(-1), "Rene: Alert closed.");
  await me.end();
});

test("the phone can be handed to somebody else, who then answers", async () => {
  const me = await visit(browser, demo.url);
  const text = "SIGNL4 the crane is stuck";
  await me.enter("operations");
  await me.page.getByLabel("On duty").selectOption("Mia");
  await me.write(text);
  await me.alert(text).waitFor();
  await me.press(text, "Close");
  await eventually(() => me.thread(text), ["Mia: Alert closed."]);
  await me.page.getByLabel("On duty").selectOption("Rene");
  await me.end();
});

test("a room that is not open shows how much in it is unread", async () => {
  const [me, bob] = [await visit(browser, demo.url), await visit(browser, demo.url)];
  await me.enter("general");
  await bob.page.getByLabel("Write as").selectOption({ label: "Bob Tanaka" });
  await bob.enter("control-room");
  await bob.write("is anybody here?");
  const badge = me.page.locator("#rooms > li", { hasText: "control-room" }).locator(".badge");
  await eventually(() => badge.textContent(), "1");
  await me.enter("control-room");
  await badge.waitFor({ state: "hidden" });
  await Promise.all([me.end(), bob.end()]);
});

test("what somebody is typing is not disturbed by what others write", async () => {
  const [me, bob] = [await visit(browser, demo.url), await visit(browser, demo.url)];
  await me.enter("operations");
  await me.write("the pipe rattles");
  await me.message("the pipe rattles").hover();
  await me.message("the pipe rattles").getByRole("button", { name: "Reply in thread" }).click();
  await me.page.keyboard.type("since this mor");
  await bob.enter("operations");
  await bob.write("I hear it, too");
  await me.message("I hear it, too").waitFor();
  await me.page.keyboard.type("ning");
  const field = me.message("the pipe rattles").getByRole("textbox", { name: "Reply in thread" });
  assert.equal(await field.inputValue(), "since this morning");
  await Promise.all([me.end(), bob.end()]);
});

test("everything can be done with the keyboard alone", async () => {
  const me = await visit(browser, demo.url);
  const { keyboard } = me.page;
  const text = "SIGNL4 the keyboard works";
  await me.tabTo(me.page.locator("#rooms button", { hasText: "control-room" }));
  await keyboard.press("Enter");
  await keyboard.type(text);
  await keyboard.press("Shift+Enter");
  await keyboard.type("in two lines");
  await keyboard.press("Enter");
  const whole = `${text}\nin two lines`;
  const card = me.page.locator("#alerts > li").first();
  await eventually(() => card.locator(".what").textContent(), whole);

  await me.tabTo(card.getByRole("button", { name: "Acknowledge" }));
  await keyboard.press("Enter");
  await me.tabTo(card.getByRole("button", { name: "Annotate" }));
  await keyboard.press("Enter");
  await keyboard.type("heard");
  await keyboard.press("Enter");
  await me.tabTo(card.getByRole("button", { name: "Close" }));
  await keyboard.press("Enter");
  const message = me.page.locator("#messages > li").last();
  const replies = () => message.locator(".replies .words").allTextContents();
  await eventually(replies, ["Rene: Alert acknowledged.", "Rene: heard", "Rene: Alert closed."]);
  assert.ok(await me.page.evaluate(() => document.activeElement !== document.body), "the focus is never lost");

  await keyboard.press("/");
  await keyboard.press("ArrowUp");
  await keyboard.press("r");
  const field = message.getByRole("textbox", { name: "Reply in thread" });
  await keyboard.type("thank you");
  await keyboard.press("Enter");
  await eventually(async () => (await replies()).at(-1), "thank you");
  await keyboard.press("Escape");
  assert.ok(await field.isHidden());
  assert.ok(await message.evaluate((node) => node === document.activeElement), "the focus is back at the message");
  await keyboard.press("p");
  assert.ok(await card.locator(".summary").evaluate((node) => node === document.activeElement));
  await me.end();
});

test("on a narrow window the chat and the phone are two tabs, and nothing scrolls sideways", async () => {
  const me = await visit(browser, demo.url, NARROW);
  const text =
    "SIGNL4 the boiler house is flooded up to the second step and the pump-that-should-start-by-itself does not";
  await me.enter("general");
  await me.write(text);
  assert.equal(await me.overflow(), 0);
  await me.page.getByRole("button", { name: /^Phone/ }).tap();
  await me.alert(text).waitFor();
  assert.equal(await me.overflow(), 0);
  await me.press(text, "Acknowledge");
  await me.annotate(text, "I see");
  await me.press(text, "Close");
  await me.page.getByRole("button", { name: "Chat", exact: true }).tap();
  await eventually(() => me.thread(text), ["Rene: Alert acknowledged.", "Rene: I see", "Rene: Alert closed."]);
  await me.page.getByRole("button", { name: "Simulate failures" }).tap();
  assert.ok(await me.page.getByRole("switch", { name: "SIGNL4 is down" }).isVisible());
  assert.equal(await me.overflow(), 0);
  await me.end();
});

test("what people write is shown as it is and never runs", async () => {
  const me = await visit(browser, demo.url);
  const text = '<img src="no-such-picture" onerror="document.title = 1"> SIGNL4 <b>bold</b> & co';
  await me.enter("general");
  await me.write(text);
  await me.alert(text).waitFor();
  await me.annotate(text, "<i>fine</i>");
  await eventually(() => me.thread(text), ["Rene: <i>fine</i>"]);
  assert.equal(await me.page.locator("img, .words b, .what b, .words i").count(), 0);
  await me.end();
});

test("what is written while Rocket.Chat is cut off pages once it is back", { timeout: 2 * RECOVERY }, async () => {
  const me = await visit(browser, demo.url);
  const cut = me.page.getByRole("switch", { name: "Rocket.Chat is cut off" });
  const text = "SIGNL4 nobody hears me";
  await cut.click();
  await eventually(() => me.page.locator("#bot").getAttribute("data-state"), "not_ready");
  await me.write(text);
  assert.equal(await me.alert(text).count(), 0);
  await cut.click();
  await me.alert(text).waitFor({ timeout: RECOVERY });
  await eventually(() => me.page.locator("#bot").textContent(), "Bot is connected");
  assert.equal(await me.alert(text).count(), 1);
  await me.end();
});

test("what is written while SIGNL4 is down pages once it is back", { timeout: 2 * RECOVERY }, async () => {
  const me = await visit(browser, demo.url);
  const down = me.page.getByRole("switch", { name: "SIGNL4 is down" });
  const text = "SIGNL4 is anybody there";
  await down.click();
  await eventually(() => down.getAttribute("aria-checked"), "true");
  await me.write(text);
  await down.click();
  await me.alert(text).waitFor({ timeout: RECOVERY });
  assert.equal(await me.alert(text).count(), 1);
  await me.end();
});

test("a page that lost its server finds it again by itself", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.route("**/api/events", (route) => route.fulfill({ status: 503 }));
  await page.goto(demo.url);
  await eventually(() => page.locator("#bot").getAttribute("data-state"), "lost");
  await page.unroute("**/api/events");
  await page.locator("#messages > li").first().waitFor({ timeout: SOON });
  await context.close();
});
