//! What the admin listener can read of the bot.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::{
    health::{Health, WatchedBy},
    store::{DeliveryKind, Queue, Store},
};
use rocketchat::{
    Account, Room, RoomId,
    realtime::{ConnectionState, FrameCounts},
};

/// The parts of a running bot that the listener reads. Cheap to clone.
#[derive(Clone, Debug)]
pub struct BotView {
    /// The account, which also knows the server.
    pub account: Arc<Account>,
    /// The state of the connection to Rocket.Chat.
    pub connection: watch::Receiver<ConnectionState>,
    /// Counts of the frames received over it.
    pub frames: Arc<FrameCounts>,
    /// Names of rooms, triggers and queues.
    pub directory: Arc<dyn Directory>,
    /// The store.
    pub store: Store,
    /// The conditions that the parts reported.
    pub(crate) health: Health,
    /// When the bot started.
    pub started_at: Timestamp,
}

/// Names of rooms, triggers and queues, by the current configuration.
pub trait Directory: std::fmt::Debug + Send + Sync {
    /// A room by its ID; `None` for an unknown one.
    fn room(&self, id: &RoomId) -> Option<Room>;

    /// The rooms that each trigger watches, in the order of the configuration.
    fn watched(&self) -> Vec<WatchedBy>;

    /// Every queue of the outbox, in display order.
    fn queues(&self) -> Vec<QueueLabel>;
}

/// A queue of the outbox, with its display name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueLabel {
    /// The queue.
    pub queue: Queue,
    /// Its display name.
    pub name: String,
    /// What it contains.
    pub carries: DeliveryKind,
}
