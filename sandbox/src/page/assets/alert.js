// One alert on the phone: its text, its buttons, its history.

import { call } from "./api.js";
import { el, find, icon, reconcile, setText } from "./dom.js";
import { makeExpander } from "./expander.js";
import { clock } from "./format.js";

const STATES = {
  new: "New",
  acknowledged: "Acknowledged",
  closed: "Closed",
  nobody_on_duty: "Nobody on duty",
  failed: "Failed",
};

const HISTORY = {
  raised: () => "Raised",
  acknowledged: (by, text) => `Acknowledged${by}${text ? `: ${text}` : ""}`,
  annotated: (_, text, user) => `${user ?? "Note"}: ${text}`,
  escalated: () => "Escalated",
  nobody_on_duty: () => "Nobody on duty",
  failed: () => "Could not be delivered",
  closed: (by) => `Closed${by}`,
};

/** An alert's card. It is open unless the alert was closed before anybody looked. */
export function makeAlert(alert, arrived) {
  const node = el("li", { className: "alert" });
  node.append(makeSummary(node));
  node.append(makeExpander(find(".what", node)), makeDetails(node));
  node.classList.toggle("arrived", arrived);
  unfold(node, alert.status !== "closed");
  return node;
}

export function updateAlert(node, alert) {
  node.alert = alert;
  node.dataset.status = alert.status;
  setText(find(".state-name", node), STATES[alert.status]);
  const time = find(".summary time", node);
  setText(time, clock(alert.at));
  time.dateTime = new Date(alert.at).toISOString();
  setText(find(".title", node), alert.title);
  setText(find(".what", node), alert.text);
  reconcile(
    find(".facts", node),
    facts(alert),
    ([name]) => name,
    makeFact,
    (row, [, value]) => setText(row.lastElementChild, value),
  );
  reconcile(find(".history", node), alert.history, (_, index) => index, makeEntry, updateEntry);
  showActions(node, alert.status);
}

function makeSummary(node) {
  const state = el(
    "span",
    { className: "state" },
    el("span", { className: "dot" }),
    el("span", { className: "state-name" }),
  );
  const summary = el(
    "button",
    { type: "button", className: "summary" },
    el("span", { className: "line" }, state, el("time")),
    el("span", { className: "title" }),
    el("span", { className: "what" }),
  );
  summary.onclick = () => unfold(node, summary.getAttribute("aria-expanded") !== "true");
  return summary;
}

function makeDetails(node) {
  return el(
    "div",
    { className: "details" },
    el("dl", { className: "facts" }),
    el(
      "div",
      { className: "actions" },
      action("acknowledge primary", "Acknowledge", "check", () => take(node, { step: "acknowledge" })),
      action("annotate-open", "Annotate", "note", () => annotate(node)),
      action("close", "Close", "close", () => take(node, { step: "close" })),
    ),
    makeAnnotation(node),
    makeMore(node),
    el("ol", { className: "history", "aria-label": "History" }),
  );
}

function action(name, label, picture, act) {
  const button = el("button", { type: "button", className: name }, icon(picture), label);
  button.onclick = act;
  return button;
}

function makeAnnotation(node) {
  const input = el("input", {
    maxLength: 1000,
    placeholder: "Your note",
    "aria-label": "Annotation",
    autocomplete: "off",
  });
  const form = el(
    "form",
    { className: "annotate", hidden: true },
    input,
    el("button", { type: "submit", textContent: "Send" }),
  );
  form.onsubmit = async (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (text && (await take(node, { step: "annotate", text }))) {
      input.value = "";
      endAnnotation(node);
    }
  };
  input.onkeydown = (event) => {
    if (event.key === "Escape") endAnnotation(node);
  };
  return form;
}

function annotate(node) {
  find(".annotate", node).hidden = false;
  find(".annotate input", node).focus();
}

function endAnnotation(node) {
  const form = find(".annotate", node);
  const focused = form.contains(document.activeElement);
  form.hidden = true;
  if (focused) find(".annotate-open", node).focus();
}

function makeMore(node) {
  const more = el(
    "div",
    { className: "more", hidden: true },
    action("escalate", "Escalate", "bell", () => take(node, { step: "escalate" })),
    action("nobody", "Nobody on duty", "nobody", () => take(node, { step: "nobody_on_duty" })),
  );
  const open = el(
    "button",
    { type: "button", className: "more-open", "aria-expanded": "false" },
    "More",
    icon("chevron"),
  );
  open.onclick = () => {
    more.hidden = !more.hidden;
    open.setAttribute("aria-expanded", String(!more.hidden));
  };
  return el("div", { className: "further" }, open, more);
}

const take = (node, step) => call("POST", `alerts/${encodeURIComponent(node.alert.id)}`, step);

/** Offers the actions that the alert's state allows, and keeps the focus where it was or nearby. */
function showActions(node, status) {
  const taken = status === "acknowledged";
  const over = status === "closed";
  const offered = {
    ".acknowledge": !taken && !over,
    ".close": !over,
    ".escalate": !taken && !over,
    ".nobody": status === "new",
    ".further": !taken && !over,
  };
  const focused = document.activeElement;
  for (const [selector, offer] of Object.entries(offered)) find(selector, node).hidden = !offer;
  if (focused !== document.body && node.contains(focused) && focused.offsetParent === null) {
    find(".annotate-open", node).focus();
  }
}

function facts({ room, external_id, parameters, team }) {
  const rows = [
    ["Room", room],
    ["ExternalID", external_id],
    ["From", parameters.user],
    ["Team", team],
  ];
  return rows.filter(([, value]) => value);
}

const makeFact = ([name]) => el("div", {}, el("dt", { textContent: name }), el("dd"));

function makeEntry() {
  const said = el("span", { className: "said" });
  return el("li", {}, el("time"), el("div", {}, said, makeExpander(said)));
}

function updateEntry(item, { at, kind, user, text }) {
  const time = find("time", item);
  setText(time, clock(at));
  time.dateTime = at;
  setText(find(".said", item), HISTORY[kind](user ? ` by ${user}` : "", text, user));
}

function unfold(node, open) {
  find(".summary", node).setAttribute("aria-expanded", String(open));
  find(".details", node).hidden = !open;
}
