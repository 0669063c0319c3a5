// Rocket.Chat's client for bots, @rocket.chat/sdk, with one regular expression.

import rocketchat from '@rocket.chat/sdk';

const [url, username] = process.argv.slice(2);
const pattern = /\bSIGNL4\b/i;
const silent = { debug() {}, info() {}, warning() {}, warn() {}, error() {} };

const bot = new rocketchat.Bot({ host: url, useSsl: false, logger: silent });
await bot.connect();
await bot.login({ username, password: 'a password' });
const socket = await bot.socket;
await bot.reactToMessages((error, message) => {
  if (!error && pattern.test(message.msg)) void socket.methodCall('seen');
});
