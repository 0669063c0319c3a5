// The windows that the pages must fit, and what a careful eye finds in one: texts that are cut off, faint or in the way of others.

import assert from "node:assert/strict";
import { overflow } from "./visit.mjs";

export const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true };

/** A phone, a tablet held upright, a laptop, a desktop screen; each in light and in dark. */
export const WINDOWS = [
  PHONE,
  { viewport: { width: 768, height: 1024 } },
  { viewport: { width: 1280, height: 800 } },
  { viewport: { width: 1920, height: 1080 } },
].flatMap((window) => ["light", "dark"].map((colorScheme) => ({ ...window, colorScheme })));

export const nameOf = ({ viewport, colorScheme }) => `${viewport.width}-${colorScheme}`;

/** The page fits its window, and every text of it can be read. */
export async function assertTidy(page, where) {
  assert.equal(await overflow(page), 0, `${where}: nothing scrolls sideways`);
  // Two frames, so that what is folded by its size has been.
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  const faults = await page.evaluate(findFaults);
  assert.ok(faults.texts > 10, `${where}: there are texts to look at`);
  assert.deepEqual(faults.found, [], where);
}

/** Runs in the page. Contrast is that of WCAG 2, level AA. */
function findFaults() {
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let texts = 0;
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    const node = text.parentElement;
    const words = text.data.trim().slice(0, 40);
    if (!words || node.closest(".hidden, .skip, option, noscript, script")) continue;
    if (!node.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    const range = document.createRange();
    range.selectNodeContents(text);
    const box = range.getBoundingClientRect();
    // A table's head that only a screen reader needs.
    if (box.width === 0 || node.closest("thead")?.offsetWidth === 1) continue;
    texts += 1;
    const cutBy = whatCuts(node, box);
    if (cutBy) found.push(`cut off by ${cutBy}: ${words}`);
    const ratio = contrast(node);
    if (ratio < needed(node)) found.push(`contrast ${ratio.toFixed(2)}: ${words}`);
  }
  for (const control of document.querySelectorAll("button, a[href], input, select, textarea, summary")) {
    if (control.closest(".hidden, .skip") || !control.checkVisibility({ visibilityProperty: true })) continue;
    const name = control.innerText?.trim() || control.ariaLabel || control.id;
    const cutBy = whatCuts(control, control.getBoundingClientRect());
    if (cutBy) found.push(`cut off by ${cutBy}: ${name}`);
    const above = whatCovers(control);
    if (above) found.push(`covered by ${above.localName}.${above.className}: ${name}`);
  }
  return { texts, found };

  /** What stands in front of a control, where its middle is in view. */
  function whatCovers(control) {
    const { x, y, width, height } = control.getClientRects()[0];
    const [middle, centre] = [x + width / 2, y + height / 2];
    for (let outer = control.parentElement; outer; outer = outer.parentElement) {
      const edge = outer.getBoundingClientRect();
      const cuts = getComputedStyle(outer).overflowY !== "visible";
      if (cuts && (centre < edge.top || centre > edge.bottom || middle < edge.left || middle > edge.right)) return null;
    }
    const front = document.elementFromPoint(middle, centre);
    return front === null || control.contains(front) ? null : front;
  }

  /** What hides a part of a text for good; what can be scrolled or unfolded hides nothing. */
  function whatCuts(node, box) {
    let [scrolls, unfolds] = [false, false];
    // A space at the end of a line hangs out of its box.
    const slack = getComputedStyle(node).whiteSpace === "pre-wrap" ? 6 : 1;
    for (let outer = node; outer; outer = outer.parentElement) {
      const { overflowX, overflowY, display } = getComputedStyle(outer);
      const edge = outer.getBoundingClientRect();
      const name = `${outer.localName}.${outer.className}`;
      const beside = outer.parentElement?.querySelector(":scope > .expander") ?? outer.closest(".summary")?.nextElementSibling;
      unfolds ||= outer.matches(".what, .said, .words") && beside?.checkVisibility();
      if (display !== "inline" && ["hidden", "clip"].includes(overflowX) && !unfolds) {
        if (box.right > edge.right + slack || box.left < edge.left - 1) return name;
      }
      if (["auto", "scroll"].includes(overflowX) && outer.scrollWidth > outer.clientWidth && outer.matches("pre")) return null;
      if (["auto", "scroll"].includes(overflowY)) scrolls = true;
      if (display !== "inline" && ["hidden", "clip"].includes(overflowY) && !scrolls && !unfolds) {
        if (box.bottom > edge.bottom + 1 || box.top < edge.top - 1) return name;
      }
    }
    return box.right > innerWidth + slack || box.left < -1 ? "the window" : null;
  }

  function needed(node) {
    const { fontSize, fontWeight } = getComputedStyle(node);
    const size = parseFloat(fontSize);
    return size >= 24 || (size >= 18.66 && fontWeight >= 700) ? 3 : 4.5;
  }

  function contrast(node) {
    let grounds = [];
    let opacity = 1;
    for (let outer = node; outer; outer = outer.parentElement) {
      const style = getComputedStyle(outer);
      opacity *= Number(style.opacity);
      grounds.push(rgba(style.backgroundColor));
    }
    const ground = grounds.reduceRight((below, above) => over(above, below), [255, 255, 255, 1]);
    const [r, g, b, a] = rgba(getComputedStyle(node).color);
    const [ink, paper] = [over([r, g, b, a * opacity], ground), ground].map(luminance);
    return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
  }

  function over([r, g, b, a], below) {
    return [...[r, g, b].map((part, index) => part * a + below[index] * (1 - a)), 1];
  }

  function luminance([r, g, b]) {
    const linear = (part) => (part <= 0.04045 * 255 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  }

  /** Computed colours are `rgb(…)` or `rgba(…)`. */
  function rgba(colour) {
    const [r, g, b, a = 1] = colour.match(/[\d.]+/g).map(Number);
    return [r, g, b, a];
  }
}
