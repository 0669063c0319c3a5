// A small form in the middle of things: a field that grows, a button, a way out.

import { el } from "./dom.js";

/** Enter and the button hand over what was typed, Escape and Cancel give up, Shift+Enter starts a new line. */
export function smallForm({ label, button, done, giveUp }) {
  const area = el("textarea", { rows: 1, maxLength: 5000, placeholder: label, "aria-label": label });
  const form = el(
    "form",
    { className: "small-form" },
    area,
    el("button", { type: "submit", textContent: button }),
    el("button", { type: "button", textContent: "Cancel", onclick: giveUp }),
  );
  form.onsubmit = (event) => {
    event.preventDefault();
    const words = area.value.trim();
    if (words) done(words);
  };
  area.onkeydown = (event) => {
    if (event.key === "Escape") giveUp();
    if (isEnter(event)) {
      event.preventDefault();
      form.requestSubmit();
    }
  };
  return form;
}

/** Whether a key sends what was typed: Enter, unless it starts a new line or ends a composition of letters. */
export const isEnter = (event) => event.key === "Enter" && !event.shiftKey && !event.isComposing;
