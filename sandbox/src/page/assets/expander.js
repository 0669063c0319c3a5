// Long texts: the first lines of them, and a button for the rest.

import { el, setText } from "./dom.js";

/** A button that shows all of a text whose style cuts it off. It is there only while something is cut off. */
export function makeExpander(text) {
  const button = el("button", { type: "button", className: "expander", hidden: true, "aria-expanded": "false" });
  const show = (whole) => {
    text.classList.toggle("whole", whole);
    button.setAttribute("aria-expanded", String(whole));
    setText(button, whole ? "Show less" : "Show more");
  };
  button.onclick = () => show(!text.classList.contains("whole"));
  show(false);
  const observer = new ResizeObserver(() => {
    if (!text.classList.contains("whole")) button.hidden = text.scrollHeight <= text.clientHeight + 1;
  });
  observer.observe(text);
  return button;
}
