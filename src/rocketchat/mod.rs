//! Everything that speaks to Rocket.Chat: the DDP realtime session, the message model and the REST client.
//!
//! This part knows the wire and nothing else. It has no idea what an alert, a trigger or SIGNL4 is, and could be
//! lifted into a crate of its own.

mod ids;
mod message;

pub use ids::{MessageId, RoomId, UserId};
pub use message::{Author, Message, MessageKind, Room, RoomKind};
