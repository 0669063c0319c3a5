// Rocket.Chat's realtime client for browsers and Node, @rocket.chat/ddp-client, with one regular expression.

import WebSocket from 'ws';

// The library is written for browsers and looks for this name.
globalThis.WebSocket = WebSocket;
const { DDPSDK } = (await import('@rocket.chat/ddp-client')).default;

const [url, token] = process.argv.slice(2);
const pattern = /\bSIGNL4\b/i;

const sdk = await DDPSDK.createAndConnect(url, { retryCount: 0 });
await sdk.account.loginWithToken(token);
sdk.stream('room-messages', '__my_messages__', ({ msg }) => {
  if (pattern.test(msg)) void sdk.call('seen');
});
