// Keeps the page up to date: fetches it again every few seconds, and only updates the differences, so that the focus and
// collapsed parts stay as they are. Times are shown in the reader's time zone.

const INTERVAL = 2_000;
const TIMEOUT = 10_000;
const TICK = 5_000;
const live = document.getElementById("live");

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dayAndClock = new Intl.DateTimeFormat(undefined, {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });
const UNITS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];

function away(at) {
  const seconds = Math.round((at - Date.now()) / 1000);
  const [unit, length] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? UNITS.at(-1);
  return relative.format(Math.trunc(seconds / length), unit).replaceAll(" ", "\u00a0");
}

function showTimes(root) {
  for (const time of root.querySelectorAll("time")) {
    const at = new Date(time.dateTime);
    const today = at.toDateString() === new Date().toDateString();
    const text = (today ? clock : dayAndClock).format(at);
    const shown = time.classList.contains("ago") ? `${text} (${away(at)})` : text;
    if (time.textContent !== shown) time.textContent = shown;
    time.title = whole.format(at);
  }
}

const keyOf = (node) => node?.dataset?.key;

/** Makes a node equal to another one with as few changes as possible. */
function become(node, wanted) {
  if (node.nodeType === Node.TEXT_NODE) {
    if (node.data !== wanted.data) node.data = wanted.data;
    return;
  }
  for (const { name } of [...node.attributes]) {
    // Keeps what the reader collapsed or expanded.
    if (name !== "open" && !wanted.hasAttribute(name)) node.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (name !== "open" && node.getAttribute(name) !== value) node.setAttribute(name, value);
  }
  becomeChildren(node, wanted);
}

function becomeChildren(parent, wanted) {
  const known = new Map([...parent.children].filter(keyOf).map((child) => [keyOf(child), child]));
  let at = parent.firstChild;
  for (const child of [...wanted.childNodes]) {
    let same = keyOf(child) ? known.get(keyOf(child)) : at;
    if (!same || keyOf(same) !== keyOf(child) || same.nodeName !== child.nodeName) {
      parent.insertBefore(child, at);
      continue;
    }
    if (same === at) at = at.nextSibling;
    else parent.insertBefore(same, at);
    become(same, child);
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

function show(page) {
  for (const section of page.querySelectorAll("main > section")) {
    showTimes(section);
    becomeChildren(document.getElementById(section.id), section);
  }
  document.title = page.title;
}

function say(state, text) {
  live.dataset.state = state;
  // The page may be outdated.
  document.getElementById("main").classList.toggle("stale", state === "lost");
  live.querySelector(".live-text").textContent = text;
}

async function refresh() {
  try {
    const answer = await fetch("", { signal: AbortSignal.timeout(TIMEOUT) });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    show(new DOMParser().parseFromString(await answer.text(), "text/html"));
    say("live", "Live");
  } catch {
    if (live.dataset.state !== "lost") say("lost", `No word from the bot since ${clock.format(new Date())}`);
  }
  setTimeout(refresh, INTERVAL);
}

showTimes(document);
setInterval(() => showTimes(document), TICK);
refresh();
