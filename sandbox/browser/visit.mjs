// A browser, and a visit to the page in it: what a person sees and does there.

import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
/** How long anything may take to be seen; generous, for a loaded machine. */
export const SOON = 30_000;

export const launch = () => chromium.launch({ executablePath: CHROMIUM, args: FLAGS });

/** Opens the demo's page in a window of its own. */
export async function visit(browser, url, options = {}) {
  const { page, complaints } = await open(browser, url, options);
  await page.locator("#messages > li").first().waitFor();
  return new Visit(page, complaints);
}

/** Opens any page in a window of its own; gives it with what the browser will complain of. */
export async function open(browser, url, options = {}) {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    locale: "en-GB",
    reducedMotion: "reduce",
    ...options,
  });
  context.setDefaultTimeout(SOON);
  const page = await context.newPage();
  const complaints = listen(page, url);
  await page.goto(url);
  return { page, complaints };
}

/** How much wider a page is than its window. */
export const overflow = (page) =>
  page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);

/** Presses Tab until the element has the focus. */
export async function tabTo(page, element) {
  await element.waitFor();
  for (let presses = 0; presses < 80; presses++) {
    if (await element.evaluate((node) => node === document.activeElement)) return;
    await page.keyboard.press("Tab");
  }
  assert.fail(`Tab does not lead to ${element}`);
}

export const isFocused = (element) => element.evaluate((node) => node === document.activeElement);

/** Whether an element is in the window, and in its scrolling part. */
export const isInView = (element) =>
  element.evaluate((node) => {
    const [box, log] = [node, node.closest("#log")].map((it) => it.getBoundingClientRect());
    return box.height > 0 && box.top >= Math.max(log.top, 0) - 1 && box.bottom <= Math.min(log.bottom, innerHeight) + 1;
  });

/** Collects what goes wrong in the browser, and what it asks of other hosts. */
function listen(page, url) {
  const complaints = [];
  page.on("console", (line) => line.type() === "error" && complaints.push(line.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== new URL(url).origin) complaints.push(`asked for ${request.url()}`);
  });
  return complaints;
}

/** Asks again and again until the answer is the expected one, or matches it. */
export async function eventually(ask, expected, within = SOON) {
  const deadline = Date.now() + within;
  for (;;) {
    const answer = await ask();
    try {
      if (expected instanceof RegExp) assert.match(answer, expected);
      else assert.deepEqual(answer, expected);
      return;
    } catch (difference) {
      if (Date.now() > deadline) throw difference;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export class Visit {
  constructor(page, complaints) {
    this.page = page;
    this.complaints = complaints;
  }

  /** Opens a room and gives its ID. */
  async enter(name) {
    await this.page.locator("#rooms button", { hasText: name }).click();
    const open = this.page.locator("#rooms > li", { has: this.page.locator("[aria-current=true]"), hasText: name });
    return open.getAttribute("data-key");
  }

  /** Whether the window has room for either the chat or the phone. */
  isNarrow = () => this.page.locator("#tab-chat").isVisible();

  /** Brings the chat or the phone to the front where there is room for only one. */
  async openTab(name) {
    if (await this.isNarrow()) await this.page.locator(`#tab-${name.toLowerCase()}`).tap();
  }

  /** Does something where the phone is in front, then goes back to the chat. */
  async withPhone(act) {
    await this.openTab("Phone");
    await act();
    await this.openTab("Chat");
  }

  async write(text) {
    await this.send(text);
    await this.message(text).waitFor();
  }

  /** Writes a text that is not shown as it is. */
  async send(text) {
    await this.page.getByLabel("Message", { exact: true }).fill(text);
    await this.page.keyboard.press("Enter");
  }

  /** The message of the open room with this text, replies not counted. */
  message(text) {
    const words = this.page.locator(":scope > .body > .text > .words").getByText(text, { exact: true });
    return this.page.locator("#messages > li").filter({ has: words });
  }

  /** The alert on the phone with this text. */
  alert(text) {
    return this.page
      .locator("#alerts > li")
      .filter({ has: this.page.locator(".what").getByText(text, { exact: true }) });
  }

  /** The texts of the replies in a message's thread. */
  thread = (text) => this.message(text).locator(".replies .words").allTextContents();

  press = (text, button) => this.alert(text).getByRole("button", { name: button, exact: true }).click();

  async annotate(text, note) {
    await this.press(text, "Annotate");
    await this.alert(text).getByLabel("Annotation").fill(note);
    await this.press(text, "Send");
  }

  /** A fact on an alert's card: Room, ExternalID, From, Team. */
  fact = (text, name) =>
    this.alert(text)
      .locator(".facts > div")
      .filter({ has: this.page.getByText(name, { exact: true }) })
      .locator("dd")
      .textContent();

  overflow = () => overflow(this.page);

  tabTo = (element) => tabTo(this.page, element);

  async end() {
    await this.page.context().close();
    assert.deepEqual(this.complaints, [], "the browser has nothing to complain of");
  }
}
