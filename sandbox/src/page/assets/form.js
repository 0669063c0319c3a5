// A small inline form: a growing field, a button, and Cancel.

import { el } from "./dom.js";

/** Enter and the button submit the text, Escape and Cancel discard it, Shift+Enter starts a new line. */
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

/** Whether a key submits the text: Enter, unless it starts a new line or ends an input method's composition. */
export const isEnter = (event) => event.key === "Enter" && !event.shiftKey && !event.isComposing;
