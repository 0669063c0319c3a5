//! The REST API: what the bot says, and what it asks.
//!
//! `client` knows how a call is made (login, limits, renewal), the other files which calls there are.

mod client;
mod error;
pub(super) mod exchange;
pub(super) mod limits;
mod messages;
mod rooms;
mod server;
mod sync;
#[cfg(test)]
mod tests;

pub use client::RestClient;
pub use error::{Effect, RestError};
pub use http_outcome::Failure;
pub use messages::{Delivery, OutgoingMessage};
pub use rooms::room_info;
pub(crate) use rooms::subscription;
pub use rooms::{Changes, Page, RoomInfo, Subscription};
pub use server::{Me, Permission, ServerInfo};
pub use sync::SyncPage;
