//! What the list of public channels told, and up to when: only what changed since then is asked for again. A server may have
//! thousands of channels, and an account without `api-bypass-rate-limit` ten pages a minute.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use tokio::time::Instant;

use rocketchat::{RoomId, rest::RoomInfo};

/// Kept from one session to the next.
#[derive(Debug, Default)]
pub(in crate::bot) struct Listing {
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    up_to: Option<(Timestamp, Terms)>,
    listed: HashSet<RoomId>,
    changed: HashMap<RoomId, Timestamp>,
}

/// Under what the list was read. Under others it has to be read as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    /// How often the server's clock had been set back.
    pub(super) set_backs: u64,
    /// Since when the settings held that say which channels are meant.
    pub(super) settings: Instant,
}

impl Listing {
    /// Up to when the list was read to its end under these terms; `None` where it never was.
    pub(super) fn up_to(&self, terms: Terms) -> Option<Timestamp> {
        self.told().up_to.filter(|(_, under)| *under == terms).map(|(at, _)| at)
    }

    /// Notes that everything that changed before `at` was told.
    pub(super) fn is_read_up_to(&self, at: Timestamp, terms: Terms) {
        self.told().up_to = Some((at, terms));
    }

    /// Notes what a page of the list says of a channel.
    pub(super) fn note_listed(&self, info: &RoomInfo) {
        self.note(info);
        self.told().listed.insert(info.room.id.clone());
    }

    /// Notes when a room changed last that the bot is not in.
    pub(super) fn note(&self, info: &RoomInfo) {
        let mut told = self.told();
        match info.changed_at() {
            Some(at) => told.changed.insert(info.room.id.clone(), at),
            None => told.changed.remove(&info.room.id),
        };
    }

    /// Whether the list tells when this room changes. Channels of a team that the bot is not in are not in it.
    pub(super) fn tells_of(&self, room: &RoomId) -> bool {
        self.told().listed.contains(room)
    }

    /// When a room changed last, as far as it was told.
    pub(super) fn changed_at(&self, room: &RoomId) -> Option<Timestamp> {
        self.told().changed.get(room).copied()
    }

    // Nothing in it could have been broken by a panic elsewhere.
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
