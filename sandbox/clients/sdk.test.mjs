// Rocket.Chat's older client for bots, @rocket.chat/sdk, against the simulated Rocket.Chat.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { start } from './simulator.mjs';

const { default: sdk } = await import('@rocket.chat/sdk');
const silent = { debug() {}, info() {}, warning() {}, warn() {}, error() {} };

for (const habit of [undefined, 'streamer']) {
  describe(`sdk and the ${habit ?? 'monolith'}`, { timeout: 300_000 }, () => {
    let chat;
    let bot;
    before(async () => {
      chat = await start(habit);
      bot = new sdk.Bot({ host: chat.url, useSsl: false, logger: silent });
      await bot.connect();
    });
    after(async () => {
      await bot.disconnect();
      await chat.stop();
    });

    test('logs in over REST and resumes over the realtime API', async () => {
      const login = await bot.login({ username: chat.bot.username, password: chat.bot.password });
      assert.equal(login.id, chat.bot.id);
      assert.equal(bot.currentLogin.userId, chat.bot.id);
    });

    test('receives the messages of its rooms, and answers', async () => {
      const received = new Promise((resolve, reject) => {
        bot.reactToMessages((error, message) => (error ? reject(error) : resolve(message))).then(
          () => chat.post(chat.alice, 'SIGNL4 pump 3 is down'),
          reject,
        );
      });
      const message = await received;
      assert.deepEqual([message.msg, message.rid], ['SIGNL4 pump 3 is down', chat.room.id]);

      const sent = await bot.sendMessage('Alert sent.', chat.room.id);
      await bot.setReaction(':rotating_light:', message._id);
      const [reply, first] = await chat.messages(chat.alice);
      assert.deepEqual([reply._id, reply.msg, reply.u._id], [sent._id, 'Alert sent.', chat.bot.id]);
      assert.deepEqual(first.reactions, { ':rotating_light:': { usernames: [chat.bot.username] } });
    });

    test('receives the deletion of a message', async () => {
      const subscriptions = await bot.subscribeRoom(chat.room.id);
      assert.equal(subscriptions.length, 3);
      const deleted = new Promise((resolve) => {
        bot.onStreamData('stream-notify-room', ({ fields }) => resolve(fields));
      });
      const posted = await chat.post(chat.alice, 'a mistake');
      await chat.call(chat.alice, 'POST', 'chat.delete', { roomId: chat.room.id, msgId: posted._id });
      const { eventName, args } = await deleted;
      assert.deepEqual([eventName, args], [`${chat.room.id}/deleteMessage`, [{ _id: posted._id }]]);
    });

    test('reads what changed while it was away', async () => {
      const before = new Date(Date.now() - 60_000);
      const posted = await chat.post(chat.alice, 'written meanwhile');
      const { updated } = await bot.loadHistory(chat.room.id, before);
      assert.ok(updated.some(({ _id }) => _id === posted._id));
    });

    test('calls methods, and gets an error for an unknown one', async () => {
      const socket = await bot.socket;
      assert.equal(await socket.methodCall('getRoomIdByNameOrId', chat.room.name), chat.room.id);
      await assert.rejects(socket.methodCall('no such method'), { error: 404 });
    });
  });
}
