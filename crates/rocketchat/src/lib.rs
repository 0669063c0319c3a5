//! A client for [Rocket.Chat](https://rocket.chat): its realtime API (DDP over a WebSocket) and its REST API.
//!
//! Log in with a personal access token or a password, receive every message of every room the account is in, ask for
//! what was missed while disconnected, and post replies and reactions. The connection reconnects by itself.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use rocketchat::realtime::{Realtime, RealtimeEvent};
//! use rocketchat::{Account, Connector, Credentials};
//!
//! # async fn listen() -> Result<(), Box<dyn std::error::Error>> {
//! let credentials = Credentials::Password { username: "my.bot".into(), password: "secret".into() };
//! let account = Account::new("https://chat.example.com".parse()?, credentials, Connector::new()?);
//! let (sender, mut events) = tokio::sync::mpsc::channel(64);
//! let realtime = Realtime::new(Arc::new(account));
//! tokio::spawn(async move { realtime.run(sender, Default::default()).await });
//! while let Some(event) = events.recv().await {
//!     if let RealtimeEvent::Message { message, .. } = event {
//!         println!("{}: {}", message.author.username, message.text);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Layers
//!
//! Each module imports only from those above it.
//!
//! | module | what it does |
//! | --- | --- |
//! | `ids`, `server_url`, `wire`, `message` | values: identifiers, addresses, a message and how it is read from JSON |
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

mod account;
mod document;
mod http;
mod ids;
mod message;
mod readable;
pub mod realtime;
pub mod rest;
mod server_url;
mod wire;

pub use account::{Account, Credentials, Fatal, Identity, LoginError};
pub use document::MessageError;
pub use http::{Connector, ConnectorError, RestError};
pub use ids::{MessageId, RoomId, UserId};
pub use message::{Author, Message, MessageKind, Room, RoomKind};
pub use rest::RestClient;
pub use server_url::{ServerUrl, ServerUrlError};
