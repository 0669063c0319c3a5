//! What must survive a crash: alerts, the outbox, the inbox, and how far each room was read.
//!
//! The program's promises rest on one rule: a fact is committed here before any other system is informed of it.
//! This module knows rows and transactions, not why a message raises an alert or what a reply says. It connects to no server
//! except PostgreSQL, if that is the database. The code for only one of the databases is in `sqlite`, `postgres` and `replica`.

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

pub use crate::store_url::{PostgresUrl, StoreUrl};
pub use database::{BUSY_TIMEOUT, Store};
pub use error::StoreError;
pub use inbox::{Candidates, EventOutcome, MOST_EXPIRED, Raised, StoredEvent, Unanswered};
pub use inspect::Condition;
pub use intake::Intake;
pub use outbox::{Head, Settlement};
pub use rooms::{Progress, RoomProgress};
pub use rows::{
    Alert, AlertId, AlertState, Delivery, DeliveryId, DeliveryKind, NewAlert, NewDelivery, Queue,
};
pub use status::{
    Callbacks, DeliveryState, DeliveryTrail, EventTrail, InboxDepth, LastAlert, LastAlerts, QueueDepth,
};
