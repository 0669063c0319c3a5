// What a message of the room and a reply in a thread have in common: author, text, reactions.

import { call } from "./api.js";
import { el, find, reconcile, setText } from "./dom.js";
import { makeExpander } from "./expander.js";
import { clock, emoji, initials, tone } from "./format.js";
import { markdown } from "./markdown.js";
import { author, isName, username } from "./people.js";

/** The texts of system messages, by type. */
const SYSTEM = {
  uj: "has joined the room",
  ul: "has left the room",
  ru: "was removed from the room",
  rm: "Message removed",
};

/** An empty bubble. Once shown, it has its `message` as a property. */
export function makeBubble() {
  const avatar = el("span", { className: "avatar", "aria-hidden": "true" });
  const byline = el(
    "p",
    { className: "byline" },
    el("strong"),
    el("span", { className: "tag", textContent: "BOT" }),
    el("time"),
    el("span", { className: "mark-edited", textContent: "(edited)" }),
  );
  const words = el("div", { className: "words" });
  const text = el("div", { className: "text" }, words, makeExpander(words));
  const reactions = el("ul", { className: "reactions", "aria-label": "Reactions" });
  return el("li", { className: "message" }, avatar, el("div", { className: "body" }, byline, text, reactions));
}

export function updateBubble(node, message) {
  node.message = message;
  const system = message.kind in SYSTEM;
  node.classList.toggle("system", system);
  showAuthor(node, message);
  showText(node, system ? SYSTEM[message.kind] : message.text);
  find(".mark-edited", node).hidden = !message.edited || system;
  reconcile(
    find(".reactions", node),
    Object.entries(message.reactions),
    ([name]) => name,
    () => makeReaction(node),
    updateReaction,
  );
}

/** Replaces the text only if it changed, because a link in it may have the focus. */
function showText(node, text) {
  if (node.shownText === text) return;
  node.shownText = text;
  find(".words", node).replaceChildren(...markdown(text, isName));
}

/** Adds or removes a reaction. */
export const react = (node, name) =>
  call("POST", `messages/${node.message.id}/reactions`, { user: author(), emoji: name });

function showAuthor(node, message) {
  const avatar = find(".avatar", node);
  setText(avatar, message.bot ? "S4" : initials(message.author));
  avatar.className = `avatar ${message.bot ? "tone-bot" : tone(message.username)}`;
  const name = find(".byline strong", node);
  setText(name, message.author);
  name.title = `@${message.username}`;
  find(".tag", node).hidden = !message.bot;
  const time = find(".byline time", node);
  setText(time, clock(message.at));
  time.dateTime = new Date(message.at).toISOString();
}

function makeReaction(node) {
  const button = el("button", { type: "button" });
  button.onclick = () => react(node, button.dataset.emoji);
  return el("li", {}, button);
}

function updateReaction(item, [name, usernames]) {
  const button = item.firstElementChild;
  button.dataset.emoji = name;
  setText(button, `${emoji(name)} ${usernames.length}`);
  button.title = `${usernames.join(", ")} reacted with ${name}`;
  button.setAttribute("aria-label", `${button.textContent} ${button.title}`);
  button.setAttribute("aria-pressed", String(usernames.includes(username())));
}
