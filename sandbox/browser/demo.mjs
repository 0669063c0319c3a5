// The demo under test: one that runs already (DEMO_URL), or one that is started here (DEMO_COMMAND) and ended with it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const COMMAND = "target/debug/signl4-rocketchat demo --port 0";
/** How long the demo may take to say where it is, and to end after a signal. */
const TIMEOUT_MS = 60_000;

/** Gives the URLs of the demo's page and of the bot's status page, and a function that ends the demo. */
export async function startDemo() {
  const { DEMO_URL: url, STATUS_URL: statusUrl } = process.env;
  if (url) return { url, statusUrl, stop: async () => {} };
  const [program, ...args] = (process.env.DEMO_COMMAND ?? COMMAND).split(" ");
  const demo = spawn(program, args, { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] });
  const stop = async () => {
    if (demo.pid === undefined || demo.exitCode !== null || demo.signalCode !== null) return;
    const ended = once(demo, "exit");
    demo.kill("SIGTERM");
    const giveUp = setTimeout(() => demo.kill("SIGKILL"), TIMEOUT_MS);
    await ended;
    clearTimeout(giveUp);
  };
  try {
    const [url, statusUrl] = await urlsOf(demo);
    return { url, statusUrl, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Ends the simulated failures that a failed test may have left. */
export async function endFailures(url) {
  for (const fault of ["signl4_down", "signl4_throttles", "chat_down"]) {
    const body = JSON.stringify({ fault, on: false });
    await fetch(`${url}api/faults`, { method: "PUT", headers: { "Content-Type": "application/json" }, body });
  }
}

/** The demo's page comes first, then the bot's status page. */
function urlsOf(demo) {
  const urls = [];
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error("the demo did not say where its pages are")), TIMEOUT_MS);
    demo.once("error", reject);
    demo.once("exit", (code) => reject(new Error(`the demo ended with ${code}`)));
    // Read to the end, so that the demo never waits for a reader.
    createInterface({ input: demo.stdout }).on("line", (line) => {
      const url = line.match(/http:\/\/127\.0\.0\.1:\d+\/?/);
      if (url) urls.push(url[0]);
      if (urls.length < 2) return;
      clearTimeout(late);
      resolve(urls);
    });
  });
}
