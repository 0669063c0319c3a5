// A message of the room, and its actions.

import { call } from "./api.js";
import { makeBubble, react, updateBubble } from "./bubble.js";
import { el, find, icon } from "./dom.js";
import { smallForm } from "./form.js";
import { author } from "./people.js";
import { makeThread, startReply, updateThread } from "./thread.js";

const LIKE = "+1";

export function makeMessage() {
  const node = makeBubble();
  node.setAttribute("tabindex", "-1");
  find(".body", node).append(makeThread(node));
  node.append(makeTools(node));
  return node;
}

export function updateMessage(node, message) {
  updateBubble(node, message);
  updateThread(node);
  find(":scope > .tools .edit", node).hidden = message.user !== author();
}

/** Lets the author change the text. */
export function startEditing(node) {
  if (node.message.user !== author() || find(".edit-form", node)) return;
  const text = find(":scope > .body > .text", node);
  const stop = () => {
    const focused = form.contains(document.activeElement);
    form.remove();
    text.hidden = false;
    if (focused) node.focus();
  };
  const form = smallForm({
    label: "Edit message",
    button: "Save",
    done: async (words) => {
      if (await call("PUT", `messages/${node.message.id}`, { user: author(), text: words })) stop();
    },
    giveUp: stop,
  });
  form.classList.add("edit-form");
  text.hidden = true;
  text.after(form);
  const area = find("textarea", form);
  area.value = node.message.text;
  area.focus();
}

function makeTools(node) {
  const tool = (name, label, onclick) =>
    el("button", { type: "button", className: name, title: label, "aria-label": label, onclick }, icon(name));
  return el(
    "div",
    { className: "tools", role: "group", "aria-label": "Message actions" },
    tool("like", "React with 👍", () => react(node, LIKE)),
    tool("reply", "Reply in thread", () => startReply(node)),
    tool("edit", "Edit", () => startEditing(node)),
  );
}
