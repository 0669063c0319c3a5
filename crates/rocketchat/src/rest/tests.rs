//! The REST client against a server that answers as each test says.

mod calls;
mod chat;
mod messages;
mod sync;
