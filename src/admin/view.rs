//! What the listener sees of the bot.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::{
    logging::Recent,
    store::{Queue, Store},
    telemetry::Exposition,
};
use rocketchat::{
    Account, Room, RoomId,
    realtime::{ConnectionState, FrameCounts},
};

/// The parts of a running bot that may be looked at. Cheap to clone.
#[derive(Clone, Debug)]
pub struct BotView {
    /// The account, and with it the server.
    pub account: Arc<Account>,
    /// Where the connection to Rocket.Chat stands.
    pub connection: watch::Receiver<ConnectionState>,
    /// What came over it.
    pub frames: Arc<FrameCounts>,
    /// What things are called.
    pub directory: Arc<dyn Directory>,
    /// The store.
    pub store: Store,
    /// The last warnings and errors.
    pub log: Recent,
    /// What was counted.
    pub metrics: Exposition,
    /// When the bot started.
    pub started_at: Timestamp,
}

/// What things are called, by the configuration that holds at the moment.
pub trait Directory: std::fmt::Debug + Send + Sync {
    /// A room by its id; `None` for one that the bot does not know.
    fn room(&self, id: &RoomId) -> Option<Room>;

    /// What each trigger watches, in the order of the configuration.
    fn watched(&self) -> Vec<WatchedBy>;

    /// Every queue of the outbox, in the order in which they are shown.
    fn queues(&self) -> Vec<QueueLabel>;
}

/// What one trigger watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedBy {
    /// The trigger.
    pub trigger: String,
    /// Whom it pages.
    pub team: String,
    /// The rooms it watches, by name.
    pub rooms: Vec<Seat>,
    /// The entries of its `rooms` for which no room is known.
    pub unfound: Vec<String>,
}

/// A watched room, and whether the bot is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// The room.
    pub room: Room,
    /// Whether the bot is a member: it cannot reply where it is not.
    pub joined: bool,
}

/// What a queue of the outbox is for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueLabel {
    /// The queue.
    pub queue: Queue,
    /// What it is for a person.
    pub name: String,
    /// What goes there.
    pub carries: Carries,
}

/// What a queue carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carries {
    /// Alerts, to a SIGNL4 team.
    Alerts,
    /// Replies, to Rocket.Chat.
    Replies,
    /// Reactions, to Rocket.Chat.
    Reactions,
}
