//! What the parts of the bot share.

use std::{collections::HashSet, sync::Arc};

use jiff::Timestamp;
use parking_lot::Mutex;
use rocketchat::RestClient;
use tokio::time::Instant;
use tracing::{info, warn};

use super::progress::{Cursors, SKEW};
use super::retry::until_stored;
use super::rooms::{Known, Rooms};
use super::seen::SeenTexts;
use super::settings::Current;
use super::tempo::Tempo;
use crate::health::{Condition, Health};
use crate::store::Store;

/// What the parts share. Clones share it too.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) store: Store,
    pub(super) current: Current,
    pub(super) rooms: Arc<Rooms>,
    pub(super) seen: Arc<SeenTexts>,
    pub(super) cursors: Arc<Cursors>,
    /// The server, and the bot's account there.
    pub(super) rest: RestClient,
    pub(super) health: Health,
    pub(super) tempo: Tempo,
    /// The current conditions that were logged, so that each is logged once and not at every round.
    pub(super) warned: Arc<Mutex<HashSet<String>>>,
}

impl Context {
    /// The current time by the server's clock: the `Date` of its last answer plus the monotonic time since then.
    /// Before the first answer, this machine's clock.
    pub(super) fn server_now(&self) -> Timestamp {
        self.rest.account().server_now().unwrap_or_else(Timestamp::now)
    }

    /// A moment by the server's current clock; a little too early rather than too late.
    pub(super) fn time_of(&self, moment: Instant) -> Timestamp {
        self.server_now() - moment.elapsed() - SKEW
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
        let is_watched = |room: &_| self.rooms.get(room).map_or(!all_are_known, |known| known.watched);
        let rooms = self.cursors.rooms().into_iter();
        self.cursors.forget_each(rooms.filter(|room| !is_watched(room))).await;
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
                self.rooms.joined(room);
            }
            Err(error) => warn!(%room, %error, "cannot join a watched channel; invite the bot"),
        }
    }
}
