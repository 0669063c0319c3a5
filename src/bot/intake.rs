//! What ingest and backfill share: the server, the store, the rooms, and the settling of messages.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use rocketchat::{RestClient, RoomId, UserId};
use tokio::sync::Notify;
use tracing::{info, warn};

use super::ingest::{Item, Known, Rooms, Settler};
use super::progress::Cursors;
use super::retry::{Retry, until_stored};
use super::run::Tempo;
use crate::config::Config;
use crate::health::{Condition, Health};

/// What ingest and backfill share.
#[derive(Debug)]
pub(super) struct Intake {
    pub(super) rest: RestClient,
    pub(super) health: Health,
    pub(super) settler: Settler,
    pub(super) rooms: Arc<Rooms>,
    pub(super) cursors: Cursors,
    /// How to repeat calls.
    pub(super) retry: Retry,
    pub(super) tempo: Tempo,
    /// The current conditions that were logged, so that each is logged once and not at every round.
    pub(super) warned: Mutex<HashSet<String>>,
    /// The last logged problems of rooms that triggers name.
    pub(super) troubles: Mutex<BTreeMap<RoomId, String>>,
    /// Tells the backfill that the server's clock may have been set back, so that the next round starts early.
    pub(super) doubt: Notify,
}

impl Intake {
    /// Settles messages in one transaction, and retries until that succeeds. Returns how many alerts they raised.
    pub(super) async fn settle(&self, items: &[Item<'_>], config: &Config, me: &UserId) -> usize {
        until_stored("cannot store the alerts of messages", || self.settler.settle(items, config, me)).await
    }

    /// Reports the problems of rooms that triggers name if they have changed, and saves which rooms are named.
    pub(super) async fn note_named_rooms(&self) {
        if let Some(named) = self.rooms.unsaved_names() {
            let store = &self.settler.store;
            until_stored("cannot store which rooms are named", || store.save_named_rooms(&named)).await;
        }
        let now = self.rooms.troubles();
        let before = {
            let mut said = self.troubles.lock();
            std::mem::replace(&mut *said, now.clone())
        };
        for (room, what) in &now {
            if before.get(room) != Some(what) {
                warn!(%room, "{what}");
                self.health.raise(Condition::Room(room.clone()), what);
            }
        }
        for room in before.keys().filter(|room| !now.contains_key(*room)) {
            self.health.clear(&Condition::Room(room.clone()));
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
