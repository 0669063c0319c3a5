// The demo as a person has it: the real bot between both simulators, seen and used in headless Chromium.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { endFailures, startDemo } from "./demo.mjs";
import { PHONE } from "./layout.mjs";
import { SOON, eventually, isFocused, isInView, launch, visit } from "./visit.mjs";

/** The bot waits between its attempts after an interruption, longer each time. */
const RECOVERY = 120_000;
/** Soon enough that nobody wonders; the page asks the bot four times a second. */
const AT_ONCE = 3_000;

let demo, browser;

before(async () => {
  [demo, browser] = await Promise.all([startDemo(), launch()]);
});

after(async () => {
  await browser?.close();
  await demo?.stop();
});

afterEach(() => endFailures(demo.url));

/** More lines than a card on the phone shows. */
const LONG = `SIGNL4 the boiler house is flooded. ${"The pump that should start by itself does not. ".repeat(24)}`.trim();

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

test("what was written and replied elsewhere is marked as unread, and where it begins", async () => {
  const [me, bob] = [await visit(browser, demo.url), await visit(browser, demo.url)];
  const alert = "SIGNL4 the cabinet is open";
  await me.enter("control-room");
  await me.write(alert);
  await me.alert(alert).waitFor();
  await me.enter("general");
  await bob.page.getByLabel("Write as").selectOption({ label: "Bob Tanaka" });
  await bob.enter("control-room");
  await bob.write("is anybody here?");
  await me.press(alert, "Acknowledge");
  const badge = me.page.locator("#rooms > li", { hasText: "control-room" }).locator(".badge");
  await eventually(() => badge.textContent(), "2");
  await me.enter("control-room");
  await badge.waitFor({ state: "hidden" });
  const first = me.page.locator("#messages > .first-new");
  assert.equal(await first.locator(":scope > .body > .text > .words").textContent(), "is anybody here?");
  assert.ok(await me.message(alert).locator(".new-replies").isVisible());
  await me.write("yes");
  await first.waitFor({ state: "detached" });
  await Promise.all([me.end(), bob.end()]);
});

test("on a phone, the chat behind the alerts shows how much in it is unread", async () => {
  const [me, bob] = [await visit(browser, demo.url, PHONE), await visit(browser, demo.url)];
  await me.openTab("Phone");
  await bob.page.getByLabel("Write as").selectOption({ label: "Bob Tanaka" });
  await bob.enter("general");
  await bob.write("look at the pump");
  await eventually(() => me.page.locator("#tab-chat .badge").textContent(), "1");
  await me.openTab("Chat");
  await me.page.locator("#tab-chat .badge").waitFor({ state: "hidden" });
  await me.page.locator("#messages > .first-new").waitFor();
  await Promise.all([me.end(), bob.end()]);
});

test("the newest message stays in view while the window shrinks, and an older one where it is", async () => {
  const me = await visit(browser, demo.url);
  await me.enter("operations");
  const [log, last] = [me.page.locator("#log"), me.page.locator("#messages > li").last()];
  const show = async (text, ending) => {
    await me.send(text);
    await eventually(() => last.innerText(), ending);
    await eventually(() => isInView(last), true);
  };
  for (const number of [1, 2, 3, 4, 5, 6]) await show(`line\n`.repeat(5) + number, new RegExp(`${number}$`));
  for (const height of [500, 400, 700]) {
    await me.page.setViewportSize({ width: 1280, height });
    await eventually(() => isInView(last), true);
  }
  // The log shrinks before the event of an earlier scroll is delivered.
  await log.evaluate((log) => {
    log.scrollTop -= 1;
    log.scrollTop += 1;
    log.style.maxHeight = "200px";
  });
  await eventually(() => isInView(last), true);
  await log.evaluate((log) => log.style.removeProperty("max-height"));
  await log.evaluate((log) => log.scrollTo(0, 0));
  await me.page.setViewportSize({ width: 1280, height: 450 });
  await show("one more", /one more$/);
  await log.evaluate((log) => log.scrollTo(0, 0));
  await me.page.setViewportSize({ width: 1280, height: 800 });
  await me.page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  assert.equal(await log.evaluate((log) => log.scrollTop), 0);
  await me.end();
});

test("a long text on the phone shows its beginning, and all of it when asked", async () => {
  const me = await visit(browser, demo.url, PHONE);
  await me.enter("operations");
  await me.send(LONG);
  await me.send("SIGNL4 short");
  const more = me.page.locator("#messages > li").getByRole("button", { name: "Show more" });
  await eventually(() => more.count().then((count) => count > 0), true);
  await me.openTab("Phone");
  await me.alert("SIGNL4 short").waitFor();
  assert.equal(await me.alert("SIGNL4 short").getByRole("button", { name: "Show more" }).count(), 0);
  const [card, what] = [me.alert(LONG).first(), me.alert(LONG).first().locator(".what")];
  const height = () => what.evaluate((node) => node.clientHeight);
  const short = await height();
  assert.ok(short < 100, `${short} px`);
  await card.getByRole("button", { name: "Show more" }).tap();
  assert.ok((await height()) > 4 * short);
  await card.getByRole("button", { name: "Show less" }).tap();
  assert.equal(await height(), short);
  await me.end();
});

test("Markdown and links look as in Rocket.Chat, and lead nowhere but to the web", async () => {
  const me = await visit(browser, demo.url);
  await me.enter("operations");
  await me.send(
    [
      "# Shift",
      "*bold* _it_ ~gone~ `*code*` snake_case_name 12:30:45 :warning: :constructor: \\*plain\\*",
      "[plan](https://example.com/plan) https://example.com/a_b_c. [no](javascript:alert(1)) [no](data:text/html,x)",
      "@alice #general @nobody #1 <b>raw</b> [<i>x</i>](https://example.com/?q=\"onclick=x)",
      "- one",
      "- [x] two",
      "1. first",
      "> said",
      "```",
      "*as it is*",
      "```",
      "```no end",
    ].join("\n"),
  );
  const words = me.page.locator("#messages > li").last().locator(":scope > .body > .text > .words");
  await eventually(() => words.locator("strong").allTextContents(), ["bold"]);
  const texts = (selector) => words.locator(selector).allTextContents();
  assert.deepEqual(await texts(".heading"), ["Shift"]);
  assert.deepEqual(await texts("em"), ["it"]);
  assert.deepEqual(await texts("s"), ["gone"]);
  assert.deepEqual(await texts("code"), ["*code*", "*as it is*"]);
  assert.deepEqual(await texts(".mention"), ["@alice", "#general"]);
  assert.deepEqual(await texts("ul > li"), ["one", "☑ two"]);
  assert.deepEqual(await texts("ol > li"), ["first"]);
  assert.deepEqual(await texts("blockquote"), ["said"]);
  assert.deepEqual(await texts("a"), ["plan", "https://example.com/a_b_c", "<i>x</i>"]);
  const text = await words.textContent();
  for (const part of ["snake_case_name 12:30:45 ⚠️ :constructor: *plain*", "[no](javascript:alert(1))", "@nobody #1 <b>raw</b>", "```no end"]) {
    assert.ok(text.includes(part), `${part} in ${text}`);
  }
  for (const link of await words.locator("a").all()) {
    const { protocol, rel, target, onclick } = await link.evaluate(({ protocol, rel, target, onclick }) => ({ protocol, rel, target, onclick }));
    assert.deepEqual([protocol, rel, target, onclick], ["https:", "noopener noreferrer", "_blank", null]);
  }
  await me.end();
});

test("a link leads to the bot's status page, and from there back to the message", async () => {
  const me = await visit(browser, demo.url);
  const text = "SIGNL4 the old alarm";
  await me.enter("operations");
  await me.write(text);
  await me.alert(text).waitFor();
  for (const number of [1, 2, 3, 4]) await me.send("line\n".repeat(8) + number);
  await me.enter("general");
  const opened = me.page.waitForEvent("popup");
  await me.page.getByRole("link", { name: "Status page" }).click();
  const status = await opened;
  await status.waitForURL(demo.statusUrl);
  await status.getByRole("link", { name: "Message in #operations" }).first().click();
  await status.waitForURL(demo.url);
  const target = status.locator("#messages > .target");
  await target.waitFor();
  assert.equal(await target.locator(":scope > .body > .text > .words").textContent(), text);
  await eventually(() => isInView(target), true);
  assert.ok(await isFocused(target));
  assert.equal(await status.locator("#room-name").textContent(), "# operations");
  // An address of a message that is not there says so.
  await status.goto(`${demo.url}?msg=none`);
  await eventually(() => status.locator("#toast").textContent(), "The message is no longer shown here.");
  await me.end();
});

test("Escape ends writing, and then p leads to the phone", async () => {
  const me = await visit(browser, demo.url);
  const { keyboard } = me.page;
  const composer = me.page.getByLabel("Message", { exact: true });
  assert.ok(await isFocused(composer));
  await keyboard.type("pump");
  assert.equal(await composer.inputValue(), "pump", "while writing, p is a letter");
  await keyboard.press("Escape");
  assert.ok(await isFocused(me.page.locator("#messages > li").last()));
  await keyboard.press("p");
  assert.ok(await isFocused(me.page.locator("#alerts .summary").first()));
  await keyboard.press("/");
  assert.ok(await isFocused(composer));
  assert.equal(await composer.inputValue(), "pump", "the draft is kept");
  await me.end();
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
  const me = await visit(browser, demo.url, PHONE);
  const text =
    "SIGNL4 the boiler house is flooded up to the second step and the pump-that-should-start-by-itself does not";
  await me.enter("general");
  await me.write(text);
  assert.equal(await me.overflow(), 0);
  await me.openTab("Phone");
  await me.alert(text).waitFor();
  assert.equal(await me.overflow(), 0);
  await me.press(text, "Acknowledge");
  await me.annotate(text, "I see");
  await me.press(text, "Close");
  await me.openTab("Chat");
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
  await eventually(() => me.page.locator("#bot").textContent(), "Bot: Rocket.Chat is not connected");
  await me.write(text);
  assert.equal(await me.alert(text).count(), 0);
  await cut.click();
  await me.alert(text).waitFor({ timeout: RECOVERY });
  await eventually(() => me.page.locator("#bot").textContent(), "Bot is connected");
  assert.equal(await me.alert(text).count(), 1);
  await me.end();
});

test("what is written while SIGNL4 is down is said to wait at once, and pages once it is back", { timeout: 2 * RECOVERY }, async () => {
  const me = await visit(browser, demo.url);
  const down = me.page.getByRole("switch", { name: "SIGNL4 is down" });
  const text = "SIGNL4 is anybody there";
  await down.click();
  await eventually(() => down.getAttribute("aria-checked"), "true");
  assert.equal(await me.page.locator("#bot").textContent(), "Bot is connected");
  await me.write(text);
  await eventually(() => me.page.locator("#bot").textContent(), "1 alert waiting for SIGNL4", AT_ONCE);
  await eventually(() => me.page.locator("#waiting").innerText(), /^1 alert waiting for SIGNL4/, AT_ONCE);
  await down.click();
  await me.alert(text).waitFor({ timeout: RECOVERY });
  assert.equal(await me.alert(text).count(), 1);
  await me.page.locator("#waiting").waitFor({ state: "hidden" });
  await eventually(() => me.page.locator("#bot").textContent(), "Bot is connected");
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
