// The thread of a message: its replies, and the field for another one.

import { call } from "./api.js";
import { makeBubble, updateBubble } from "./bubble.js";
import { el, find, icon, reconcile, setText } from "./dom.js";
import { smallForm } from "./form.js";
import { clock, count } from "./format.js";
import { author } from "./people.js";

/** The thread of the message that `node` shows; hidden until there is a reply or somebody wants to write one. */
export function makeThread(node) {
  const toggle = el(
    "button",
    { type: "button", className: "thread-toggle", "aria-expanded": "true" },
    icon("chevron"),
    el("span", { className: "number" }),
    el("span", { className: "last" }),
    el("span", { className: "new-replies", textContent: "New" }),
  );
  toggle.onclick = () => unfold(node, toggle.getAttribute("aria-expanded") !== "true");
  const list = el("ol", { className: "replies", "aria-label": "Thread" });
  return el(
    "div",
    { className: "thread", hidden: true },
    toggle,
    el("div", { className: "inside" }, list, makeReplyForm(node)),
  );
}

export function updateThread(node) {
  const { replies } = node.message;
  const thread = find(".thread", node);
  const list = find(".replies", thread);
  find(".thread-toggle", thread).hidden = replies.length === 0;
  setText(find(".number", thread), count(replies.length, "reply", "replies"));
  setText(find(".last", thread), replies.length ? clock(replies.at(-1).at) : "");
  const shownBefore = list.classList.contains("shown");
  reconcile(
    list,
    replies,
    (reply) => reply.id,
    () => makeReply(shownBefore),
    (item, reply, index) => {
      item.classList.toggle("first", reply.edited || replies[index - 1]?.author !== reply.author);
      updateBubble(item, reply);
    },
  );
  list.classList.add("shown");
  thread.hidden = replies.length === 0 && find(".reply-form", thread).hidden;
}

/** Opens the field for a reply. */
export function startReply(node) {
  find(".thread", node).hidden = false;
  unfold(node, true);
  const form = find(".reply-form", node);
  form.hidden = false;
  find("textarea", form).focus();
}

function makeReply(arrived) {
  const item = makeBubble();
  item.classList.toggle("arrived", arrived);
  return item;
}

function makeReplyForm(node) {
  const form = smallForm({
    label: "Reply in thread",
    button: "Reply",
    done: async (text) => {
      const area = find("textarea", form);
      area.value = "";
      const sent = await call("POST", `messages/${node.message.id}/replies`, { user: author(), text });
      if (!sent) area.value = text;
    },
    giveUp: () => {
      form.hidden = true;
      updateThread(node);
      node.focus();
    },
  });
  form.classList.add("reply-form");
  form.hidden = true;
  return form;
}

export function unfold(node, open) {
  find(".thread-toggle", node).setAttribute("aria-expanded", String(open));
  find(".inside", node).hidden = !open;
}
