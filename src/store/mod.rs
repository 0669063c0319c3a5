//! What must survive a crash: alerts, the outbox, the inbox, and how far each room was read.
//!
//! Everything the program promises rests on one rule: a fact is committed here before anybody outside is told of it.
//! This part knows rows and transactions. It does not know why a message alerts or what a reply says, and it talks to
//! no server but PostgreSQL's, where that keeps the rows: `engine`, `sqlite` and `postgres` hold all that differs.

mod copy;
mod database;
mod engine;
mod error;
mod inbox;
mod inspect;
mod intake;
mod login;
mod outbox;
mod postgres;
mod replica;
mod rooms;
mod rows;
mod sqlite;
mod status;
#[cfg(test)]
mod tests;
mod url;

pub use copy::CopyError;
pub use database::{BUSY_TIMEOUT, Store};
pub use error::StoreError;
pub use inbox::{Candidates, EventOutcome, MOST_FORMER, Raised, StoredEvent};
pub use inspect::Condition;
pub use intake::Intake;
pub use outbox::{Head, Settlement};
pub use replica::Role;
pub use rooms::{Progress, RoomProgress};
pub use rows::{
    Alert, AlertId, AlertState, Delivery, DeliveryId, DeliveryKind, NewAlert, NewDelivery, Queue,
};
pub use status::{
    AlertTrail, Callbacks, DeliveryState, DeliveryTrail, EventTrail, InboxDepth, LastAlert, QueueDepth,
};
pub use url::{PostgresUrl, StoreUrl, StoreUrlError};
