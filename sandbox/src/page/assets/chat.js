// The chat: the rooms, the messages of one of them, and writing.

import { call } from "./api.js";
import { el, find, icon, reconcile, setText } from "./dom.js";
import { isEnter } from "./form.js";
import { count } from "./format.js";
import { makeMessage, startEditing, updateMessage } from "./message.js";
import { author, showPeople } from "./people.js";
import { startReply, unfold } from "./thread.js";

/** How far from the end, in pixels, still counts as reading the newest message. */
const NEAR_END = 80;
/** Messages of one author within this many milliseconds are grouped under one name. */
const TOGETHER = 5 * 60 * 1000;

/**
 * `room` is the id of the room that shall be open, `entered` of the one that is; `shown` tells whether it can be seen. `seen` is up to when each
 * room was read, `newFrom` the same for the open room when it was entered. `atEnd`: the newest message is in view. `top`: how far the log was scrolled
 * when that was found out.
 */
const view = {
  state: null,
  room: null,
  entered: null,
  shown: false,
  seen: new Map(),
  newFrom: Infinity,
  atEnd: true,
  top: 0,
  drafts: new Map(),
};

export function setUpChat() {
  const form = find("#composer");
  const text = find("#composer-text");
  form.onsubmit = (event) => {
    event.preventDefault();
    send(text);
  };
  text.onkeydown = (event) => {
    if (isEnter(event)) {
      event.preventDefault();
      form.requestSubmit();
    } else if (event.key === "ArrowUp" && text.value === "") {
      event.preventDefault();
      find("#messages").lastElementChild?.focus();
    } else if (event.key === "Escape" && !event.isComposing) {
      // Outside the field, letters are commands.
      const message = find("#messages > [tabindex='0']");
      if (message) message.focus({ preventScroll: true });
      else text.blur();
    }
  };
  find("#example").onclick = (event) => {
    text.value = event.currentTarget.textContent;
    text.focus();
  };
  find("#author").onchange = () => view.state && showChat(view.state);
  find("#messages").addEventListener("keydown", onMessageKey);
  const log = find("#log");
  log.addEventListener("scroll", isReadingNewest, { passive: true });
  // The window, a phone's keyboard or a longer draft may shrink the log.
  const observer = new ResizeObserver(() => isReadingNewest() && scrollToEnd());
  for (const node of [log, find("#messages")]) observer.observe(node);
  // Expanding a text must not scroll away from it.
  log.addEventListener("click", (event) => {
    if (event.target.closest("[aria-expanded]")) view.atEnd = false;
  });
}

/** Shows the rooms and the open one. */
export function showChat(state) {
  view.state = state;
  showPeople(state);
  const room = state.rooms.find((room) => room.id === view.room) ?? state.rooms[0];
  if (!room) return;
  const moved = view.entered !== room.id;
  if (moved) enter(room);
  // On a narrow window the phone may be in front of it.
  const shown = find("#log").offsetParent !== null;
  if (shown && (moved || !view.shown)) view.newFrom = seen(room);
  if (shown) view.seen.set(room.id, newest(room));
  view.shown = shown;
  reconcile(find("#rooms"), state.rooms, (room) => room.id, makeRoom, updateRoom);
  showBadge(find("#tab-chat .badge"), state.rooms.map(unread).reduce((sum, number) => sum + number, 0));
  showRoom(room, moved);
}

/** Updates the chat when it has come into view. */
export const showChatAgain = () => view.state && showChat(view.state);

/** Opens the room of a message and scrolls to it. Returns false if there is no such message. */
export function openMessage(id) {
  const isIt = (message) => message.id === id || message.replies.some((reply) => reply.id === id);
  const room = view.state.rooms.find((room) => room.messages.some(isIt));
  if (!room) return false;
  view.room = room.id;
  showChat(view.state);
  const list = find("#messages");
  const node = find(`[data-key="${CSS.escape(id)}"]`, list);
  const first = node.closest("#messages > li");
  if (first !== node) unfold(first, true);
  focusMessage(list, first);
  node.classList.add("target");
  node.scrollIntoView({ block: "center" });
  view.atEnd = isAtEnd(find("#log"));
  return true;
}

async function send(text) {
  const words = text.value.trim();
  if (!words) return;
  text.value = "";
  view.newFrom = Infinity;
  const sent = await call("POST", "messages", { room: view.room, user: author(), text: words });
  if (!sent && text.value === "") text.value = words;
  scrollToEnd();
}

function makeRoom(room) {
  const sign = el("span", { className: "sign", "aria-hidden": "true" }, room.private ? icon("lock") : "#");
  const badge = el("span", { className: "badge", hidden: true });
  const button = el("button", { type: "button" }, sign, el("span", { className: "name" }), badge);
  button.onclick = () => {
    view.room = room.id;
    showChat(view.state);
    find("#composer-text").focus();
  };
  return el("li", {}, button);
}

function updateRoom(node, room) {
  const number = unread(room);
  const [button, name, badge] = ["button", ".name", ".badge"].map((selector) => find(selector, node));
  setText(name, room.name);
  button.classList.toggle("fresh", number > 0);
  button.setAttribute("aria-current", String(room.id === view.room));
  showBadge(badge, number);
}

function showBadge(badge, number) {
  badge.hidden = number === 0;
  setText(badge, String(number));
  badge.setAttribute("aria-label", `${number} unread`);
}

/** The number of unread messages and replies by others in a room. */
function unread(room) {
  const since = seen(room);
  return room.messages.flatMap((message) => [message, ...message.replies]).filter((it) => isNew(it, since)).length;
}

const isNew = (message, since) => message.at > since && message.user !== author();

/** Up to which message a room was read; initially all of it. */
function seen(room) {
  if (!view.seen.has(room.id)) view.seen.set(room.id, newest(room));
  return view.seen.get(room.id);
}

const newest = (room) =>
  Math.max(0, ...room.messages.flatMap((message) => [message.at, message.replies.at(-1)?.at ?? 0]));

function enter(room) {
  const text = find("#composer-text");
  if (view.entered) {
    view.drafts.set(view.entered, text.value);
    text.value = view.drafts.get(room.id) ?? "";
  }
  view.room = view.entered = room.id;
  text.placeholder = `Message ${room.private ? "" : "#"}${room.name}`;
  find("#log").setAttribute("aria-label", `Messages in ${room.name}`);
  find("#room-name").replaceChildren(...(room.private ? [icon("lock"), room.name] : [`# ${room.name}`]));
  setText(find("#room-members"), count(room.members, "member", "members"));
}

function showRoom(room, moved) {
  const log = find("#log");
  const stays = isReadingNewest() || moved;
  const firstNew = room.messages.find((message) => isNew(message, view.newFrom));
  // A screen reader must not read out another room's messages as new.
  log.setAttribute("aria-busy", String(moved));
  reconcile(
    find("#messages"),
    room.messages,
    (message) => message.id,
    makeMessage,
    (node, message, index) => {
      node.classList.toggle("first", message === firstNew || !continues(room.messages[index - 1], message));
      node.classList.toggle("first-new", message === firstNew);
      node.classList.toggle("has-new-replies", message.replies.some((reply) => isNew(reply, view.newFrom)));
      updateMessage(node, message);
    },
  );
  makeOneReachable();
  if (stays) scrollToEnd();
  log.setAttribute("aria-busy", "false");
}

/** Whether a message is grouped under the name of the one before. */
function continues(before, message) {
  return (
    before !== undefined &&
    !message.edited &&
    before.author === message.author &&
    before.user === message.user &&
    before.replies.length === 0 &&
    message.at - before.at < TOGETHER
  );
}

function scrollToEnd() {
  const log = find("#log");
  log.scrollTop = log.scrollHeight;
  view.top = log.scrollTop;
  view.atEnd = true;
}

/** A scroll event comes late: the log may have shrunk since, or a message come. Only who scrolled up no longer reads the newest message. */
function isReadingNewest() {
  const log = find("#log");
  if (isAtEnd(log)) view.atEnd = true;
  else if (log.scrollTop < view.top) view.atEnd = false;
  view.top = log.scrollTop;
  return view.atEnd;
}

const isAtEnd = (log) => log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_END;

/** Tab reaches one message; the arrow keys move from it to the others. */
function makeOneReachable() {
  const list = find("#messages");
  if (!find(":scope > [tabindex='0']", list)) list.lastElementChild?.setAttribute("tabindex", "0");
}

function onMessageKey(event) {
  const node = event.target;
  if (node.parentElement !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) return;
  const list = event.currentTarget;
  const move = {
    ArrowUp: node.previousElementSibling,
    ArrowDown: node.nextElementSibling ?? find("#composer-text"),
    Home: list.firstElementChild,
    End: list.lastElementChild,
  }[event.key];
  if (move) focusMessage(list, move);
  else if (event.key === "r" || event.key === "Enter") startReply(node);
  else if (event.key === "e") startEditing(node);
  else return;
  event.preventDefault();
}

function focusMessage(list, target) {
  if (target.parentElement === list) {
    for (const node of list.querySelectorAll(":scope > [tabindex='0']")) node.setAttribute("tabindex", "-1");
    target.setAttribute("tabindex", "0");
  }
  target.focus();
}
