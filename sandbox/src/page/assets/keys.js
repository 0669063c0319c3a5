// Keys that work wherever nobody is typing: / to write, p for the phone.

import { find } from "./dom.js";
import { openTab } from "./tabs.js";

export function setUpKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (event.key === "/") go(event, "chat", "#composer-text");
    if (event.key === "p") go(event, "phone", "#alerts .summary", "#duty");
  });
}

function go(event, tab, ...selectors) {
  event.preventDefault();
  openTab(tab);
  selectors
    .map((selector) => find(selector))
    .find(Boolean)
    ?.focus();
}

function isTyping(target) {
  return target.matches("input, textarea, select");
}
