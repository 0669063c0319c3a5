//! What ingest and backfill share: the server, the store, the rooms, and the settling of messages.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;
use rocketchat::RestClient;
use tracing::{info, warn};

use super::context::Context;
use super::ingest::{Known, Rooms, SeenTexts};
use super::progress::Cursors;
use super::retry::until_stored;
use super::run::Tempo;
use crate::health::{Condition, Health};
use crate::store::Store;

/// What ingest and backfill share.
#[derive(Debug)]
pub(super) struct Intake {
    pub(super) store: Store,
    pub(super) rest: RestClient,
    pub(super) health: Health,
    pub(super) rooms: Arc<Rooms>,
    pub(super) tempo: Tempo,
    pub(super) seen: Arc<SeenTexts>,
    pub(super) cursors: Cursors,
    /// The current conditions that were logged, so that each is logged once and not at every round.
    warned: Mutex<HashSet<String>>,
}

impl Intake {
    pub(super) fn new(context: Context, cursors: Cursors) -> Self {
        let Context { store, rest, health, rooms, seen, tempo, .. } = context;
        Self { store, rest, health, rooms, tempo, seen, cursors, warned: Mutex::default() }
    }

    /// Reports the problems of rooms that triggers name if they have changed, and saves which rooms are named.
    pub(super) async fn note_named_rooms(&self) {
        if let Some(named) = self.rooms.unsaved_names() {
            let save = || self.store.save_named_rooms(&named);
            until_stored(&self.health, "cannot store which rooms are named", save).await;
            self.rooms.names_are_saved(named);
        }
        let troubles = self.rooms.troubles();
        for (room, what) in &troubles {
            if self.health.raise(Condition::Room(room.clone()), what) {
                warn!(%room, "{what}");
            }
        }
        self.health.keep_rooms(|room| troubles.contains_key(room));
    }

    /// Rooms that are no longer watched lose their cursor, because messages written meanwhile must not raise alerts later. An
    /// unknown room keeps its cursor unless all rooms are known.
    pub(super) async fn forget_unwatched(&self, all_are_known: bool) {
        for room in self.cursors.rooms() {
            let is_watched = self.rooms.get(&room).map_or(!all_are_known, |known| known.watched);
            if !is_watched {
                self.cursors.forget(&room).await;
            }
        }
    }

    /// Whether to log a lasting condition now: once, until [`clear_warning`](Self::clear_warning).
    pub(super) fn warns(&self, condition: &str) -> bool {
        self.warned.lock().insert(condition.to_owned())
    }

    /// Records that a condition has ended.
    pub(super) fn clear_warning(&self, condition: &str) {
        self.warned.lock().remove(condition);
    }

    /// Joins a watched public channel, so that the bot can reply there. If that fails, the alert is raised anyway.
    pub(super) async fn join(&self, known: &Known) {
        let room = &known.room.id;
        match self.rest.join_channel(room).await {
            Ok(()) => {
                info!(%room, "joined a watched channel");
                self.rooms.learn(known.room.clone(), Some(true));
            }
            Err(error) => warn!(%room, %error, "cannot join a watched channel; invite the bot"),
        }
    }
}
