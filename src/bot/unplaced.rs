//! Messages of rooms that nobody has described yet, and that the server would not describe when it was asked.
//!
//! Versions differ in whether they name the room beside a message. Where they do not, and the server does not answer either,
//! nobody can say whether the room is watched. Such a message waits here, so that those of all other rooms need not.

use std::{collections::VecDeque, time::Duration};

use tokio::time::{Instant, sleep_until};

use rocketchat::{Message, RoomId, realtime::RoomHint};

/// Messages that may wait. Further ones are left to the catch-up, which reads every room that the bot is in.
const MOST: usize = 4_096;

/// A message as the stream brought it.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) message: Box<Message>,
    pub(super) participant: Option<bool>,
    pub(super) hint: RoomHint,
}

/// The messages that wait, room by room, and when the server may be asked again.
#[derive(Debug, Default)]
pub(super) struct Unplaced {
    rooms: VecDeque<(RoomId, Vec<Heard>)>,
    waiting: usize,
    ask_at: Option<Instant>,
    failures: u32,
}

impl Unplaced {
    /// Whether the server may be asked for a room now.
    pub(super) fn may_ask(&self) -> bool {
        self.ask_at.is_none_or(|at| at <= Instant::now())
    }

    /// How often the server was asked in vain since it last answered.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// The server did not answer, and is not asked before this time is over.
    pub(super) fn not_before(&mut self, wait: Duration) {
        self.ask_at = Some(Instant::now() + wait);
        self.failures = self.failures.saturating_add(1);
    }

    /// The server answers.
    pub(super) fn answered(&mut self) {
        (self.ask_at, self.failures) = (None, 0);
    }

    /// Lets a message wait behind those of its room. `false` where too many wait.
    pub(super) fn put(&mut self, heard: Heard) -> bool {
        if self.waiting >= MOST {
            return false;
        }
        self.waiting += 1;
        match self.rooms.iter_mut().find(|(room, _)| *room == heard.message.room) {
            Some((_, messages)) => messages.push(heard),
            None => self.rooms.push_back((heard.message.room.clone(), vec![heard])),
        }
        true
    }

    /// The messages of the room whose turn it is. Each room has its turn, whatever is wrong with another one.
    pub(super) fn take(&mut self) -> Vec<Heard> {
        let messages = self.rooms.pop_front().map(|(_, messages)| messages).unwrap_or_default();
        self.waiting -= messages.len();
        messages
    }

    /// Forgets them all: the session that follows reads what was missed.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Ends when it is time to ask for the next room.
    pub(super) async fn due(&self) {
        match self.ask_at {
            _ if self.rooms.is_empty() => std::future::pending().await,
            Some(at) => sleep_until(at).await,
            None => {}
        }
    }
}
