//! The rooms the bot knows of.

use std::{
    collections::{HashMap, HashSet},
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use crate::alerting::TriggerSet;
use rocketchat::{Room, RoomId, RoomKind, realtime::RoomHint};

/// A room and whether the bot is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) room: Room,
    pub(super) joined: bool,
}

impl Known {
    /// Whether some trigger watches the room whether the bot is in it or not: then joining it is no beginning.
    pub(super) fn is_watched_from_outside(&self, triggers: &TriggerSet) -> bool {
        self.room.kind == RoomKind::Channel && triggers.watches(&self.room, false)
    }

    /// Whether some trigger watches a room like this. Only of a public channel anything is heard without being in it.
    pub(super) fn is_watched(&self, triggers: &TriggerSet) -> bool {
        self.joined && triggers.watches(&self.room, true) || self.is_watched_from_outside(triggers)
    }
}

/// The directory of rooms; follows joining, leaving, renaming and deleting.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    known: RwLock<HashMap<RoomId, Known>>,
}

impl Rooms {
    /// Whether some trigger watches the room.
    pub(super) fn watched(&self, room: &RoomId, triggers: &TriggerSet) -> bool {
        self.read().get(room).is_some_and(|known| known.is_watched(triggers))
    }

    /// The room of this id.
    pub(super) fn get(&self, id: &RoomId) -> Option<Known> {
        self.read().get(id).cloned()
    }

    /// Every room, watched or not.
    pub(super) fn all(&self) -> Vec<Known> {
        self.read().values().cloned().collect()
    }

    /// Every room that is watched.
    pub(super) fn all_watched(&self, triggers: &TriggerSet) -> Vec<Known> {
        self.read().values().filter(|known| known.is_watched(triggers)).cloned().collect()
    }

    /// The rooms that the bot is in.
    pub(super) fn joined(&self) -> Vec<Room> {
        self.read().values().filter(|known| known.joined).map(|known| known.room.clone()).collect()
    }

    /// Notes a room as the server describes it.
    pub(super) fn learn(&self, room: Room, joined: bool) -> Known {
        let known = Known { room, joined };
        self.write().insert(known.room.id.clone(), known.clone());
        known
    }

    /// Notes a room as it is described by who does not tell whether the bot is in it.
    pub(super) fn describe(&self, room: Room) -> Known {
        let mut rooms = self.write();
        let joined = rooms.get(&room.id).is_some_and(|known| known.joined);
        let known = Known { room, joined };
        rooms.insert(known.room.id.clone(), known.clone());
        known
    }

    /// Completes what came along with a message by what is known of its room. `None` where a name is missing that
    /// nobody told yet: then the server has to be asked.
    pub(super) fn complete(&self, id: &RoomId, hint: &RoomHint, participant: Option<bool>) -> Option<Known> {
        let before = self.read().get(id).cloned();
        let kind = hint.kind.or(before.as_ref().map(|known| known.room.kind))?;
        let name = hint.name.clone().or_else(|| before.as_ref().and_then(|known| known.room.name.clone()));
        if name.is_none() && kind != RoomKind::Direct {
            return None;
        }
        // Servers that do not say send only what the bot may read as a member.
        let joined = participant.unwrap_or(before.as_ref().is_none_or(|known| known.joined));
        let known = Known { room: Room { id: id.clone(), name, kind }, joined };
        if before.as_ref() != Some(&known) {
            self.write().insert(id.clone(), known.clone());
        }
        Some(known)
    }

    /// Notes that the bot is in these rooms and no others.
    pub(super) fn keep_joined(&self, joined: &HashSet<&RoomId>) {
        for known in self.write().values_mut() {
            known.joined &= joined.contains(&known.room.id);
        }
    }

    /// Notes that the bot is no longer in a room.
    pub(super) fn left(&self, id: &RoomId) {
        if let Some(known) = self.write().get_mut(id) {
            known.joined = false;
        }
    }

    /// Whether the room is known at all.
    pub(super) fn contains(&self, id: &RoomId) -> bool {
        self.read().contains_key(id)
    }

    /// Forgets a deleted room.
    pub(super) fn remove(&self, id: &RoomId) {
        self.write().remove(id);
    }

    // The map holds no invariant that a panic elsewhere could have broken.
    fn read(&self) -> RwLockReadGuard<'_, HashMap<RoomId, Known>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<RoomId, Known>> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}
