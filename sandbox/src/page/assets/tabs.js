// Chat or phone, on a window too narrow for both.

import { find } from "./dom.js";

let shown = () => {};

/** Shows one of them; a wide window shows both. */
export function openTab(name) {
  document.body.dataset.tab = name;
  for (const tab of ["chat", "phone"]) find(`#tab-${tab}`).setAttribute("aria-pressed", String(tab === name));
  shown();
}

/** Calls `onShown` after one was brought to the front. */
export function setUpTabs(onShown) {
  shown = onShown;
  for (const tab of ["chat", "phone"]) find(`#tab-${tab}`).onclick = () => openTab(tab);
}
