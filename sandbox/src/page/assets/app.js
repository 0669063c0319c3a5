// The page: listens to the state of both simulators and has each part show it.

import { tell } from "./api.js";
import { openMessage, setUpChat, showChat, showChatAgain } from "./chat.js";
import { find } from "./dom.js";
import { setUpKeys } from "./keys.js";
import { setUpPhone, showPhone } from "./phone.js";
import { setUpStrip, showLost, showStrip } from "./strip.js";
import { setUpTabs } from "./tabs.js";

const AGAIN_AFTER = 2000;
/** The message that the address asks for, until it was shown. */
let wanted = new URLSearchParams(location.search).get("msg");

function show(state) {
  showChat(state);
  showPhone(state);
  showStrip(state);
  showUnread(state.alerts.filter((alert) => alert.status === "new").length);
  if (wanted) showWanted();
}

function showWanted() {
  if (!openMessage(wanted)) tell("The message is no longer shown here.");
  wanted = null;
  history.replaceState(null, "", location.pathname);
}

function showUnread(number) {
  document.title = `${number ? `(${number}) ` : ""}signl4-rocketchat demo`;
  for (const badge of document.querySelectorAll("[data-unread]")) {
    badge.hidden = number === 0;
    badge.textContent = number;
    badge.setAttribute("aria-label", `${number} new`);
  }
}

function listen() {
  const source = new EventSource("api/events");
  source.onmessage = (event) => show(JSON.parse(event.data));
  source.onerror = () => {
    showLost();
    // The browser tries again on its own, unless the answer was not an event stream.
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, AGAIN_AFTER);
  };
}

setUpTabs(showChatAgain);
setUpChat();
setUpPhone();
setUpStrip();
setUpKeys();
listen();
// On a phone this would open the keyboard before there is anything to see.
if (!wanted && matchMedia("(min-width: 761px)").matches) find("#composer-text").focus();
