//! Messages of rooms that the server has not described, even when it was asked.
//!
//! Some versions do not describe the room beside a message. If the server does not answer either, it is unknown
//! whether the room is watched. Such a message waits here, so that messages of other rooms do not have to.

use std::collections::VecDeque;
use std::time::Duration;

use rocketchat::realtime::RoomHint;
use rocketchat::{Message, RoomId};
use tokio::time::{Instant, sleep_until};

/// Maximum number of waiting messages. Further ones are left to the backfill, which reads every room that the bot is
/// in.
const CAPACITY: usize = 4_096;

/// A message from the stream.
#[derive(Debug)]
pub(super) struct StreamMessage {
    pub(super) message: Box<Message>,
    pub(super) participant: Option<bool>,
    pub(super) hint: RoomHint,
}

/// The waiting messages by room, and when the server may be asked again.
#[derive(Debug, Default)]
pub(super) struct PendingMessages {
    rooms: VecDeque<(RoomId, Vec<StreamMessage>)>,
    waiting: usize,
    ask_at: Option<Instant>,
    failures: u32,
}

impl PendingMessages {
    /// Whether the server may be asked for a room now.
    pub(super) fn may_ask(&self) -> bool {
        self.ask_at.is_none_or(|at| at <= Instant::now())
    }

    /// How often the server did not answer since its last answer.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// The server did not answer. It is not asked again for this long.
    pub(super) fn back_off(&mut self, wait: Duration) {
        self.ask_at = Some(Instant::now() + wait);
        self.failures = self.failures.saturating_add(1);
    }

    /// The server answers again.
    pub(super) fn answered(&mut self) {
        (self.ask_at, self.failures) = (None, 0);
    }

    /// Queues a message behind those of its room. `false` if too many are waiting.
    pub(super) fn push(&mut self, message: StreamMessage) -> bool {
        if self.waiting >= CAPACITY {
            return false;
        }
        self.waiting += 1;
        match self.rooms.iter_mut().find(|(room, _)| *room == message.message.room) {
            Some((_, messages)) => messages.push(message),
            None => self.rooms.push_back((message.message.room.clone(), vec![message])),
        }
        true
    }

    /// The messages of the next room. Each room has its turn, even if another one has a problem.
    pub(super) fn pop(&mut self) -> Vec<StreamMessage> {
        let messages = self.rooms.pop_front().map(|(_, messages)| messages).unwrap_or_default();
        self.waiting -= messages.len();
        messages
    }

    /// Drops all messages: the backfill of the next session reads them.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Returns when it is time to request the next room.
    pub(super) async fn due(&self) {
        match self.ask_at {
            _ if self.rooms.is_empty() => std::future::pending().await,
            Some(at) => sleep_until(at).await,
            None => {}
        }
    }
}
