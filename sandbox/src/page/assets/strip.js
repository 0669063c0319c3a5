// The bot's state, and the switches for simulated failures.

import { call } from "./api.js";
import { el, find, reconcile, setText } from "./dom.js";
import { count } from "./format.js";

const SWITCHES = [
  {
    name: "signl4_down",
    label: "SIGNL4 is down",
    note: "Alerts wait in the bot's outbox and go out when SIGNL4 is back.",
  },
  {
    name: "signl4_throttles",
    label: "SIGNL4 throttles",
    note: "SIGNL4 answers 429. Alerts wait until it accepts them again.",
  },
  {
    name: "chat_down",
    label: "Rocket.Chat is cut off",
    note: "The bot receives nothing. What you write now raises alerts once it is back.",
  },
];

export function setUpStrip() {
  const open = find("#faults-open");
  open.onclick = () => open.setAttribute("aria-expanded", String(open.getAttribute("aria-expanded") !== "true"));
}

/** Shows the state of the switches and of the bot. */
export function showStrip({ faults, bot, waiting }) {
  reconcile(
    find("#switches"),
    SWITCHES,
    (entry) => entry.name,
    makeSwitch,
    (node, entry) => node.setAttribute("aria-checked", String(faults[entry.name])),
  );
  setText(
    find("#faults-note"),
    SWITCHES.filter((entry) => faults[entry.name])
      .map((entry) => entry.note)
      .join(" "),
  );
  const link = find("#status-page");
  link.hidden = bot.url === null;
  if (bot.url) link.href = bot.url;
  if (waiting > 0 && bot.state !== "away" && bot.state !== "down") {
    showBot("degraded", `${count(waiting, "alert", "alerts")} waiting for SIGNL4`);
  } else {
    showBot(bot.state, WORDS[bot.state](bot));
  }
}

/** Reports that the page has lost its server. */
export const showLost = () => showBot("lost", "The page lost its server. Trying again …");

const WORDS = {
  unknown: () => "No bot is being watched",
  ready: () => "Bot is connected",
  degraded: (bot) => `Bot: ${short(bot.reasons[0])}`,
  down: (bot) => `Bot: ${short(bot.reasons[0] ?? "not ready")}`,
  away: () => "Bot does not answer",
};

/** A reason without its details, which the status page shows. */
const short = (reason) => reason.split(/ \(|; /)[0];

function showBot(state, text) {
  const bot = find("#bot");
  bot.dataset.state = state;
  bot.title = text;
  setText(find(".bot-text", bot), text);
}

function makeSwitch(entry) {
  const node = el("button", { type: "button", className: "switch", role: "switch", textContent: entry.label });
  node.onclick = () => {
    const on = node.getAttribute("aria-checked") !== "true";
    call("PUT", "faults", { fault: entry.name, on });
  };
  return node;
}
