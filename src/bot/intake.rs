//! What ingest and backfill share: the server, the store, the rooms, and how a message is settled.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rocketchat::{RestClient, RoomId, UserId};
use tokio::sync::Notify;
use tracing::{info, warn};

use super::ingest::{Item, Known, Rooms, Settler};
use super::progress::Cursors;
use super::retry::{Retry, until_stored};
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
    /// How calls are repeated.
    pub(super) retry: Retry,
    /// How often a round looks for what the stream may have dropped.
    pub(super) look_again: Duration,
    /// How often the rooms that changed are listed between the rounds.
    pub(super) poll_every: Duration,
    /// How long there is no realtime session before the rooms are polled without one.
    pub(super) poll_after: Duration,
    /// How often rooms are looked for that triggers name and the bot is not in.
    pub(super) search_again: Duration,
    /// What was warned of and still holds: said once, not at every round.
    pub(super) warned: Mutex<HashSet<String>>,
    /// What is wrong with rooms that triggers name, as it was said last.
    pub(super) troubles: Mutex<BTreeMap<RoomId, String>>,
    /// Tells the backfill that the server's clock may have been set back, so that the next round should not wait.
    pub(super) doubt: Notify,
}

impl Intake {
    /// Settles messages in one transaction, as often as it takes. Returns how many alerts they raised.
    pub(super) async fn settle(&self, items: &[Item<'_>], config: &Config, me: &UserId) -> usize {
        until_stored("messages cannot be settled", || self.settler.settle(items, config, me)).await
    }

    /// Says what is wrong with the rooms that triggers name, where that has changed, and saves which ones they are.
    pub(super) async fn note_named_rooms(&self) {
        if let Some(named) = self.rooms.unsaved_names() {
            let store = &self.settler.store;
            until_stored("the rooms that are named cannot be written", || store.save_named_rooms(&named))
                .await;
        }
        let now = self.rooms.troubles();
        let before = {
            let mut said = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// Whether a lasting condition is to be warned of now: once, until [`clear_warning`](Self::clear_warning).
    pub(super) fn warns(&self, condition: &str) -> bool {
        self.warned.lock().unwrap_or_else(PoisonError::into_inner).insert(condition.to_owned())
    }

    /// Notes that a condition holds no longer.
    pub(super) fn clear_warning(&self, condition: &str) {
        self.warned.lock().unwrap_or_else(PoisonError::into_inner).remove(condition);
    }

    /// Joins a watched public channel, so that the bot may reply there. Failing is no reason not to alert.
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
