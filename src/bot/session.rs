//! What holds for one realtime session: who the bot is, the server's clock, and which rooms are caught up.

use std::{
    collections::HashSet,
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use crate::rocketchat::{RoomId, UserId};

/// How far the two clocks may be apart beyond what was measured, and how long a message may travel.
const TOLERANCE: Duration = Duration::from_secs(60);

/// A dead connection is noticed within 45 s; twice that and more is the margin.
const DEAF: Duration = Duration::from_secs(120);

/// One session, from `Ready` until the connection is lost.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) me: UserId,
    /// When it began, by the server's clock.
    pub(super) ready_at: Timestamp,
    offset: SignedDuration,
    /// Rooms whose past was read, so that the stream may move their cursors.
    caught_up: Mutex<HashSet<RoomId>>,
    /// Set once every watched room was read; holds those that the server would not let us read.
    refused: OnceLock<Vec<RoomId>>,
}

impl Session {
    /// `offset` is the server's clock minus ours.
    pub(super) fn new(me: UserId, offset: Option<SignedDuration>) -> Self {
        let offset = offset.unwrap_or_default();
        Self {
            me,
            ready_at: Timestamp::now() + offset,
            offset,
            caught_up: Mutex::default(),
            refused: OnceLock::new(),
        }
    }

    /// Now, by the server's clock.
    pub(super) fn server_now(&self) -> Timestamp {
        Timestamp::now() + self.offset
    }

    /// A moment ago, by the server's clock: what is written from then on counts as written now.
    pub(super) fn just_now(&self) -> Timestamp {
        self.server_now() - TOLERANCE
    }

    /// The time before which nothing alerts, however long a room is watched: `catch_up` ago, or the start of the
    /// session where the past is never looked at.
    pub(super) fn horizon(&self, catch_up: Duration) -> Timestamp {
        match catch_up {
            Duration::ZERO => self.ready_at - TOLERANCE,
            _ => self.server_now() - catch_up,
        }
    }

    pub(super) fn is_caught_up(&self, room: &RoomId) -> bool {
        self.caught_up.lock().unwrap_or_else(PoisonError::into_inner).contains(room)
    }

    pub(super) fn set_caught_up(&self, room: &RoomId) {
        self.caught_up.lock().unwrap_or_else(PoisonError::into_inner).insert(room.clone());
    }

    /// Up to when everything is settled, by the server's clock, given that nothing that was heard still waits: the
    /// connection may have been dead for a while without anybody noticing. With it the rooms it does not hold for;
    /// `None` before all is caught up.
    pub(super) fn settled_until(&self) -> Option<(Timestamp, &[RoomId])> {
        self.refused.get().map(|refused| (self.server_now() - DEAF, &refused[..]))
    }

    /// Notes that every watched room was read but these.
    pub(super) fn set_complete(&self, refused: Vec<RoomId>) {
        // Said once a session, by its only catching up.
        let _ = self.refused.set(refused);
    }
}
