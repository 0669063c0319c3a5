//! Everything that speaks to Rocket.Chat: the DDP realtime session, the message model and the REST client.
//!
//! This part knows the wire and nothing else. It has no idea what an alert, a trigger or SIGNL4 is, and could be
//! lifted into a crate of its own.
//!
//! [`Connector`] opens connections, [`Account`] proves who we are; both are shared by [`RestClient`], which says and
//! asks, and [`realtime::Realtime`], which listens.

mod account;
mod clock;
mod connector;
mod document;
mod ids;
mod message;
mod readable;
pub mod realtime;
pub mod rest;
mod server_url;
mod wire;

pub use account::{Account, Credentials, Fatal, Identity, LoginError};
pub use connector::{Connector, ConnectorError};
pub use document::MessageError;
pub use ids::{MessageId, RoomId, UserId};
pub use message::{Author, Message, MessageKind, Room, RoomKind};
pub use rest::{RestClient, RestError};
pub use server_url::{ServerUrl, ServerUrlError};
