// Starts the simulated Rocket.Chat beside the test, and posts in it over its REST API.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const workspace = fileURLToPath(new URL('../..', import.meta.url));

/** Builds and starts a simulator; `habit` is `streamer` or nothing. */
export async function start(habit) {
  const cargo = ['run', '--quiet', '--package', 'signl4-rocketchat-sandbox', '--example', 'chat_server'];
  const child = spawn('cargo', habit ? [...cargo, '--', habit] : cargo, {
    cwd: workspace,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const first = createInterface({ input: child.stdout });
  const line = await Promise.race([
    once(first, 'line').then(([text]) => text),
    exited.then(([code]) => Promise.reject(new Error(`the simulator ended with ${code}`))),
  ]);
  return new Simulator(JSON.parse(line), () => {
    child.stdin.end();
    return exited;
  });
}

class Simulator {
  constructor(facts, stop) {
    Object.assign(this, facts);
    this.stop = stop;
  }

  async call(user, method, route, params) {
    const query = method === 'GET' ? `?${new URLSearchParams(params)}` : '';
    const response = await fetch(`${this.url}/api/v1/${route}${query}`, {
      method,
      headers: { 'X-User-Id': user.id, 'X-Auth-Token': user.token, 'Content-Type': 'application/json' },
      body: method === 'GET' ? undefined : JSON.stringify(params),
    });
    const body = await response.json();
    if (!response.ok) throw new Error(`${route}: ${response.status} ${body.error}`);
    return body;
  }

  /** Logs a user in with its password, and gives the token of that login. */
  async logIn({ username, password }) {
    const response = await fetch(`${this.url}/api/v1/login`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ user: username, password }),
    });
    return (await response.json()).data.authToken;
  }

  /** Posts in the room and gives the message's document. */
  async post(user, text) {
    const body = { message: { rid: this.room.id, msg: text } };
    return (await this.call(user, 'POST', 'chat.sendMessage', body)).message;
  }

  /** The room's messages, newest first. */
  async messages(user) {
    return (await this.call(user, 'GET', 'channels.history', { roomId: this.room.id })).messages;
  }
}
