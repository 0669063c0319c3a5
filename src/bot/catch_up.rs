//! Reads what was missed, once for every new session, in the order that loses nothing.
//!
//! The session is subscribed before this starts, so that whatever is posted meanwhile comes by the stream; both go
//! through the same intake, which takes each message once. A room's cursor moves only past what is settled. The number
//! of calls follows the number of rooms with news, not the number of rooms.
//!
//! An edit of an older message in a room where nothing else happened while the bot was away is not noticed: it does not
//! change the room.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tracing::{info, warn};

use super::{
    intake::Circumstances,
    rooms::Known,
    session::Session,
    watch::{Ears, insist, wait_after},
};
use crate::{
    alerting::RoomPattern,
    rocketchat::{
        RoomId, RoomKind,
        rest::{RestError, RoomInfo},
    },
    store::Progress,
};

/// How far behind its cursor a room is read again: messages come out of order, and several share a millisecond.
const OVERLAP: Duration = Duration::from_secs(10);
/// Channels on one page of the list.
const PAGE: usize = 100;

/// One catching up.
pub(super) struct CatchUp {
    ears: Arc<Ears>,
    session: Arc<Session>,
}

/// What one catching up found.
#[derive(Debug, Default)]
struct Tally {
    rooms: usize,
    messages: usize,
    alerts: usize,
}

impl CatchUp {
    pub(super) fn new(ears: Arc<Ears>, session: Arc<Session>) -> Self {
        Self { ears, session }
    }

    /// Reads every watched room up to now. Aborted at any point it loses nothing: the next one starts from the cursors.
    pub(super) async fn run(self) {
        let changed = self.refresh_rooms().await;
        self.find_channels().await;
        let progress = insist("the cursors cannot be read", || self.ears.store.progress()).await;
        let settled = insist("the last session cannot be read", || self.ears.store.settled_until()).await;
        let watched = self.ears.rooms.all_watched();
        self.forget_unwatched(&watched, progress.keys()).await;
        let (mut tally, mut refused) = (Tally::default(), Vec::new());
        for known in watched {
            let id = &known.room.id;
            let from = match progress.get(id) {
                Some(progress) => *progress,
                None => self.start_watching(&known, settled).await,
            };
            let news = changed.get(id).is_none_or(|at| at.is_none_or(|at| at >= from.cursor - OVERLAP));
            if news && !self.ears.catch_up.is_zero() && !self.read(&known, from, &mut tally).await {
                refused.push(id.clone());
                continue;
            }
            self.session.set_caught_up(id);
        }
        self.session.set_complete(refused);
        info!(rooms = tally.rooms, messages = tally.messages, alerts = tally.alerts, "caught up");
    }

    /// Brings the directory up to date. Returns when each room of the bot's last changed.
    async fn refresh_rooms(&self) -> HashMap<RoomId, Option<Timestamp>> {
        let rooms = patiently("the rooms cannot be listed", || self.ears.rest.rooms(None)).await;
        let rooms = rooms.map(|changes| changes.updated).unwrap_or_default();
        self.ears.rooms.keep_joined(&rooms.iter().map(|info| &info.room.id).collect());
        rooms
            .into_iter()
            .map(|info| {
                let changed = info.updated_at.max(info.last_message_at);
                let id = info.room.id.clone();
                self.ears.rooms.learn(info.room, true);
                (id, changed)
            })
            .collect()
    }

    /// Looks up the channels that triggers name and the bot is not in, and joins them where it may.
    async fn find_channels(&self) {
        let mut names = HashSet::new();
        let mut globs = false;
        for (_, pattern) in self.ears.intake.triggers.room_patterns() {
            match pattern {
                RoomPattern::Any => {}
                RoomPattern::Name(name) if self.knows_name(name) => {}
                RoomPattern::Name(name) => {
                    names.insert(name.clone());
                }
                RoomPattern::Id(id) if self.ears.rooms.contains(id) => {}
                RoomPattern::Id(id) => {
                    let found =
                        patiently("a room cannot be looked up", || self.ears.rest.room_by_id(id)).await;
                    self.meet(found, id.as_str()).await;
                }
                RoomPattern::Glob(_) => globs = true,
            }
        }
        for name in names {
            let found = patiently("a room cannot be looked up", || self.ears.rest.room_by_name(&name)).await;
            self.meet(found, &name).await;
        }
        if globs {
            self.list_channels().await;
        }
    }

    fn knows_name(&self, name: &str) -> bool {
        let wanted = name.to_lowercase();
        self.ears.rooms.all_watched().iter().any(|known| {
            known.joined && known.room.name.as_ref().is_some_and(|name| name.to_lowercase() == wanted)
        })
    }

    async fn list_channels(&self) {
        let mut offset = 0;
        loop {
            let page =
                patiently("the channels cannot be listed", || self.ears.rest.channels(offset, PAGE)).await;
            let Ok(page) = page else { return };
            offset += page.items.len();
            let last = page.items.is_empty() || offset >= page.total;
            for info in page.items {
                if !self.ears.rooms.contains(&info.room.id)
                    && self.ears.rooms.watches(&Known { room: info.room.clone(), joined: false })
                {
                    self.meet(Ok(info), "").await;
                }
            }
            if last {
                return;
            }
        }
    }

    /// Takes a room that triggers name into the directory, and joins it where that is wanted and possible.
    async fn meet(&self, found: Result<RoomInfo, RestError>, wanted: &str) {
        match found {
            Ok(info) if info.archived => warn!(room = %info.room.id, "a watched room is archived"),
            Ok(info) => {
                let known = self.ears.rooms.learn(info.room, false);
                if self.ears.auto_join && known.room.kind == RoomKind::Channel {
                    self.ears.join(&known).await;
                }
            }
            Err(error) => warn!(room = wanted, %error, "a watched room cannot be found; is the bot in it?"),
        }
    }

    /// Rooms that are no longer watched lose their cursor: what was said there meanwhile must not alert later.
    async fn forget_unwatched(&self, watched: &[Known], stored: impl Iterator<Item = &RoomId>) {
        let watched: HashSet<&RoomId> = watched.iter().map(|known| &known.room.id).collect();
        for room in stored.filter(|room| !watched.contains(room)) {
            insist("a room cannot be forgotten", || self.ears.store.forget_room(room)).await;
        }
    }

    /// Watches a room from now on; from the moment the bot was invited where that was while it was away.
    async fn start_watching(&self, known: &Known, settled: Option<Timestamp>) -> Progress {
        let id = &known.room.id;
        let mut since = self.session.ready_at;
        if let (Some(settled), true) = (settled, known.joined) {
            let subscription =
                patiently("a subscription cannot be read", || self.ears.rest.subscription(id)).await;
            let joined = subscription.ok().flatten().and_then(|subscription| subscription.joined_at);
            since = joined.filter(|joined| *joined > settled).unwrap_or(since);
        }
        let since = insist("a room cannot be noted", || self.ears.store.watch_room(id, since)).await;
        Progress { since, cursor: since }
    }

    /// Reads one room, page by page. `false` where the server refuses it.
    async fn read(&self, known: &Known, from: Progress, tally: &mut Tally) -> bool {
        let id = &known.room.id;
        let horizon = self.session.horizon(self.ears.catch_up);
        if from.cursor < horizon {
            warn!(room = %id, missed_from = %from.cursor, to = %horizon, "away for longer than rocketchat.catch_up: what was written before is not looked at");
        }
        tally.rooms += 1;
        let mut next = Some(from.cursor.max(horizon) - OVERLAP);
        while let Some(since) = next {
            let page = patiently("a room cannot be read", || self.ears.rest.sync_messages(id, since)).await;
            let Ok(page) = page.inspect_err(|error| warn!(room = %id, %error, "a room was not caught up"))
            else {
                return false;
            };
            let mut reached = page.next;
            for message in &page.messages {
                let oldest = from.since.max(self.session.horizon(self.ears.catch_up));
                let around = Circumstances { me: &self.session.me, known, oldest, cursor: None };
                tally.alerts += self.ears.settle(message, around).await;
                reached = reached.max(Some(message.updated_at));
            }
            tally.messages += page.messages.len();
            if let Some(reached) = reached {
                insist("a cursor cannot be moved", || self.ears.store.advance_cursor(id, reached)).await;
            }
            next = page.next;
        }
        true
    }
}

/// Repeats a call until the server answers it, with yes or no. A new session aborts the wait.
async fn patiently<T, F: Future<Output = Result<T, RestError>>>(
    what: &str,
    mut call: impl FnMut() -> F,
) -> Result<T, RestError> {
    loop {
        match call().await {
            Err(error) if error.is_retryable() => {
                warn!(%error, "{what}; trying again");
                wait_after(&error).await;
            }
            done => return done,
        }
    }
}
