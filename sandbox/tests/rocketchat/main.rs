//! The simulated Rocket.Chat, asked over real sockets. One binary, so that its clients are written and linked once.

mod ddp_login;
mod handle;
mod rest_messages;
mod wire;
