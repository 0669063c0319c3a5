// The phone: the alerts, newest first, and who has it.

import { makeAlert, updateAlert } from "./alert.js";
import { call } from "./api.js";
import { el, find, reconcile, setText } from "./dom.js";
import { clock, count } from "./format.js";

/** The ids of the alerts that were shown before; `null` until the first state has come. */
let known = null;

export function setUpPhone() {
  find("#duty").onchange = (event) => call("PUT", "duty", { user: event.currentTarget.value });
  find("#frame").addEventListener("animationend", (event) => event.currentTarget.classList.remove("ringing"));
  showTime();
  setInterval(showTime, 1000);
}

export function showPhone({ alerts, on_duty, staff, waiting }) {
  const duty = find("#duty");
  reconcile(
    duty,
    staff,
    (name) => name,
    (name) => el("option", { value: name, textContent: name }),
    () => {},
  );
  duty.value = on_duty ?? "";
  const before = known;
  reconcile(
    find("#alerts"),
    alerts,
    (alert) => alert.id,
    (alert) => makeAlert(alert, before !== null),
    updateAlert,
  );
  find("#quiet").hidden = alerts.length > 0 || waiting > 0;
  find("#waiting").hidden = waiting === 0;
  setText(find("#waiting-number"), `${count(waiting, "alert", "alerts")} waiting for SIGNL4`);
  if (before) ring(alerts.filter((alert) => !before.has(alert.id)));
  known = new Set(alerts.map((alert) => alert.id));
}

/** The phone shakes and announces the new alerts. */
function ring(fresh) {
  if (fresh.length === 0) return;
  find("#frame").classList.add("ringing");
  find("#alerts-scroll").scrollTop = 0;
  setText(find("#phone-says"), fresh.map((alert) => `New alert: ${alert.text || alert.title}`).join(". "));
}

const showTime = () => setText(find("#phone-clock"), clock(Date.now()));
