// One message: its text, its reactions, its thread, and what can be done with it.

import { call } from "./api.js";
import { el, find, icon, reconcile, setText } from "./dom.js";
import { clock, count, emoji, initials, tone } from "./format.js";

const LIKE = "+1";
/** What a system message says, by its type. */
const SYSTEM = { uj: "has joined the room", ul: "has left the room", ru: "was removed from the room", rm: "Message removed" };

/** A message of the room. `context.author()` is the id of the person who writes. */
export function makeMessage(message, context) {
  const node = makeBare(message, context);
  node.setAttribute("tabindex", "-1");
  find(".body", node).append(makeThread(node));
  node.append(makeTools(node, context));
  node.context = context;
  return node;
}

export function updateMessage(node, message, context) {
  updateBare(node, message, context);
  find(":scope > .tools .edit", node).hidden = message.user !== context.author();
  updateThread(node, message, context);
}

/** Opens the field for a reply in the message's thread. */
export function startReply(node) {
  unfold(node, true);
  const form = find(".reply-form", node);
  form.hidden = false;
  find("textarea", form).focus();
}

/** Lets the author change the text. */
export function startEditing(node) {
  if (node.message.user !== node.context.author() || find(".edit-form", node)) return;
  const text = find(":scope > .body > .text", node);
  const form = smallForm("Edit message", "Save", async (words) => {
    const done = words === node.message.text ||
      (await call("PUT", `messages/${node.message.id}`, { user: node.context.author(), text: words }));
    if (done) stop();
  }, () => stop());
  const stop = () => {
    form.remove();
    text.hidden = false;
    node.focus();
  };
  form.classList.add("edit-form");
  find("textarea", form).value = node.message.text;
  text.hidden = true;
  text.after(form);
  find("textarea", form).focus();
}

function makeBare(message, context) {
  const avatar = el("span", { className: "avatar", "aria-hidden": "true" });
  const byline = el(
    "p", { className: "byline" },
    el("strong"),
    el("span", { className: "tag", textContent: "BOT", hidden: true }),
    el("time"),
  );
  const text = el("p", { className: "text" }, el("span", { className: "words" }), el("span", { className: "mark-edited", textContent: "(edited)", hidden: true }));
  const reactions = el("ul", { className: "reactions", "aria-label": "Reactions" });
  const node = el("li", { className: "message" }, avatar, el("div", { className: "body" }, byline, text, reactions));
  node.context = context;
  return node;
}

function updateBare(node, message, context) {
  node.message = message;
  node.dataset.message = message.id;
  const system = message.kind !== null && message.kind in SYSTEM;
  node.classList.toggle("system", system);
  const [avatar, strong, tag, time, words, edited] =
    [".avatar", "strong", ".tag", "time", ".words", ".mark-edited"].map((selector) => find(selector, node));
  setText(avatar, message.bot ? "S4" : initials(message.author));
  avatar.className = `avatar ${message.bot ? "tone-bot" : tone(message.username)}`;
  setText(strong, message.author);
  strong.title = `@${message.username}`;
  tag.hidden = !message.bot;
  setText(time, clock(message.at));
  time.dateTime = new Date(message.at).toISOString();
  setText(words, system ? SYSTEM[message.kind] : message.text);
  edited.hidden = !message.edited || system;
  const me = context.people.find((person) => person.id === context.author())?.username;
  reconcile(find(".reactions", node), Object.entries(message.reactions), ([name]) => name, () => makeReaction(node), (item, reaction) => updateReaction(item, reaction, me));
}

function makeReaction(node) {
  const button = el("button", { type: "button" });
  button.onclick = () => react(node, button.dataset.emoji);
  return el("li", {}, button);
}

function updateReaction(item, [name, usernames], me) {
  const button = item.firstElementChild;
  button.dataset.emoji = name;
  setText(button, `${emoji(name)} ${usernames.length}`);
  button.title = `${usernames.join(", ")} reacted with ${name}`;
  button.setAttribute("aria-label", button.title);
  button.setAttribute("aria-pressed", String(usernames.includes(me)));
}

const react = (node, name) =>
  call("POST", `messages/${node.message.id}/reactions`, { user: node.context.author(), emoji: name });

function makeTools(node) {
  const tool = (name, label, act) => {
    const button = el("button", { type: "button", className: name, title: label, "aria-label": label }, icon(name));
    button.onclick = act;
    return button;
  };
  return el(
    "div", { className: "tools", role: "group", "aria-label": "Message actions" },
    tool("like", "React with 👍", () => react(node, LIKE)),
    tool("reply", "Reply in thread", () => startReply(node)),
    tool("edit", "Edit", () => startEditing(node)),
  );
}

function makeThread(node) {
  const toggle = el(
    "button", { type: "button", className: "thread-toggle", "aria-expanded": "true" },
    icon("chevron"), el("span", { className: "number" }), el("span", { className: "last" }),
  );
  toggle.onclick = () => unfold(node, toggle.getAttribute("aria-expanded") !== "true");
  const form = smallForm("Reply in thread", "Reply", async (words, area) => {
    const { id, room } = node.message;
    area.value = "";
    const sent = await call("POST", "messages", { room: room ?? "", user: node.context.author(), text: words, thread: id });
    if (!sent) area.value = words;
  }, () => {
    form.hidden = true;
    node.focus();
  });
  form.classList.add("reply-form");
  form.hidden = true;
  const inside = el("div", { className: "inside" }, el("ol", { className: "replies", "aria-label": "Thread" }), form);
  return el("div", { className: "thread", hidden: true }, toggle, inside);
}

function updateThread(node, message, context) {
  const thread = find(".thread", node);
  const replies = message.replies;
  const list = find(".replies", thread);
  const fresh = list.dataset.shown === "yes";
  find(".thread-toggle", thread).hidden = replies.length === 0;
  setText(find(".number", thread), count(replies.length, "reply", "replies"));
  setText(find(".last", thread), replies.length ? clock(replies.at(-1).at) : "");
  reconcile(list, replies, (reply) => reply.id, (reply) => {
    const item = makeBare(reply, context);
    item.classList.toggle("arrived", fresh);
    return item;
  }, (item, reply, index) => {
    item.classList.toggle("first", replies[index - 1]?.author !== reply.author);
    updateBare(item, reply, context);
  });
  list.dataset.shown = "yes";
  thread.hidden = replies.length === 0 && find(".reply-form", thread).hidden;
}

/** Opens or closes a thread. */
function unfold(node, open) {
  const thread = find(".thread", node);
  thread.hidden = false;
  find(".thread-toggle", thread).setAttribute("aria-expanded", String(open));
  find(".inside", thread).hidden = !open;
}

/** A field with a button: Enter and the button hand over what was typed, Escape gives up. */
function smallForm(label, button, done, giveUp) {
  const area = el("textarea", { rows: 1, maxLength: 5000, placeholder: label, "aria-label": label });
  const form = el(
    "form", { className: "small-form" },
    area,
    el("button", { type: "submit", textContent: button }),
    el("button", { type: "button", textContent: "Cancel", onclick: giveUp }),
  );
  form.onsubmit = (event) => {
    event.preventDefault();
    const words = area.value.trim();
    if (words) done(words, area);
  };
  area.onkeydown = (event) => {
    event.stopPropagation();
    if (event.key === "Escape") giveUp();
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  };
  return form;
}
