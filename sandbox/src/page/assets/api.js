// Calls to the page's server. A refusal is shown to the user and does not throw an exception.

import { find } from "./dom.js";

const SHOWN_FOR = 6000;
let hide;

/** Calls the server. Returns its answer, `true` for an empty one, or `null` if it refused. */
export async function call(method, path, body) {
  try {
    const answer = await fetch(`api/${path}`, {
      method,
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(await reason(answer));
    return answer.status === 204 ? true : await answer.json();
  } catch (error) {
    tell(error instanceof TypeError ? "The page's server does not answer." : error.message);
    return null;
  }
}

async function reason(answer) {
  const body = await answer.json().catch(() => null);
  return body?.error ?? `The server answered ${answer.status}.`;
}

/** Shows a short text for a while. */
export function tell(text) {
  const toast = find("#toast");
  toast.textContent = text;
  toast.hidden = false;
  clearTimeout(hide);
  hide = setTimeout(() => (toast.hidden = true), SHOWN_FOR);
}
