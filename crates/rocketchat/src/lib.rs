#![doc = include_str!("../README.md")]
//!
//! # Layers
//!
//! Each module imports only from those above it.
//!
//! | module | what it does |
//! | --- | --- |
//! | `ids`, `server_url`, `wire`, `message` | values: identifiers, addresses, the fields of JSON, a message |
//! | `readable`, `document` | a message read from JSON: the text that people see, and the rest |
//! | `http` | [`Connector`] with TLS and proxies; one call, its rate limit, its answer or [`RestError`]; the server's clock |
//! | `account` | [`Account`]: one login shared by REST and realtime, renewed when its token expires |
//! | [`rest`] | [`RestClient`]: the calls |
//! | [`realtime`] | [`Realtime`](realtime::Realtime): the session, kept running |
//!
//! # Sources
//!
//! Rocket.Chat documents its wire format in part: the [DDP specification], the [realtime API] and the [REST API]. The
//! rest comes from the server's source, versions 6.5 to 9.0, and is cited where it is used.
//!
//! [DDP specification]: https://github.com/meteor/meteor/blob/devel/packages/ddp/DDP.md
//! [realtime API]: https://developer.rocket.chat/apidocs/realtimeapi
//! [REST API]: https://developer.rocket.chat/apidocs

#![warn(clippy::missing_errors_doc)]

mod account;
mod document;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod http;
mod ids;
mod message;
mod readable;
pub mod realtime;
pub mod rest;
mod server_url;
mod wire;

pub use account::{Account, Credentials, Fatal, Identity, Login, LoginError, Refusal};
pub use document::MessageError;
pub use http::{Connector, ConnectorError, RestError};
pub use ids::{MessageId, RoomId, UserId};
pub use message::{Author, Message, Room, RoomKind};
pub use rest::RestClient;
pub use server_url::{ServerUrl, ServerUrlError};
