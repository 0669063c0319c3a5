//! Reads what was missed: all of it after every new session, and from then on every minute what the stream may have
//! dropped without a word.
//!
//! The session is subscribed before this starts, so that whatever is posted meanwhile comes by the stream; both go
//! through the same intake, which takes each message once. Only what was read here moves a room's cursor: a stream
//! that loses a message loses none for good. The number of calls follows the number of rooms with news, not the number
//! of rooms: whatever is posted in a room, in a thread too, changes the room (`notifyUsersOnMessage` in Rocket.Chat's
//! source), and rooms that did not change are not read.
//!
//! An edit of an older message in a room where nothing else happened while the bot was away is not noticed: it does not
//! change the room.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::sleep;
use tracing::{debug, info, warn};

use super::{
    intake::Circumstances,
    rooms::Known,
    session::{SKEW, Session},
    settings::Settings,
    watch::{Ears, insist, wait_after},
};
use crate::{
    alerting::TriggerSet,
    rocketchat::{
        Room, RoomId, RoomKind,
        rest::{RestError, RoomInfo, SyncPage},
    },
    store::Progress,
};

/// How far behind its cursor a room is read again: messages come out of order, and several share a millisecond.
const OVERLAP: Duration = Duration::from_secs(10);
/// Channels on one page of the list.
const PAGE: usize = 100;
/// Rocket.Chat's code for a room that is not there (`rooms.info` in `app/api/server/v1/rooms.ts`).
const NO_SUCH_ROOM: &str = "error-room-not-found";

/// The reading that goes with one session.
pub(super) struct CatchUp {
    ears: Arc<Ears>,
    session: Arc<Session>,
    /// Rooms that were to be read and were not, or could not even be found: their cursors stay until they are.
    unread: HashSet<RoomId>,
    /// How often the server's clock was set back before the last full round: any later one asks for another.
    set_backs: u64,
    /// What messages are judged by. Where it changes, another reading takes over.
    settings: Arc<Settings>,
}

/// Which rooms changed, and when each did last.
type Changed = HashMap<RoomId, Option<Timestamp>>;

/// What one round found.
#[derive(Debug, Default)]
struct Tally {
    rooms: usize,
    messages: usize,
    alerts: usize,
    /// Rooms where something is older than the look back.
    cut_off: usize,
}

impl CatchUp {
    pub(super) fn new(ears: Arc<Ears>, session: Arc<Session>, settings: Arc<Settings>) -> Self {
        let set_backs = ears.set_backs();
        Self { ears, session, settings, set_backs, unread: HashSet::new() }
    }

    /// Reads every watched room up to now, and then again and again what is new. Aborted at any point it loses nothing:
    /// the next one starts from the cursors.
    pub(super) async fn run(mut self) {
        let mut since = self.full_round().await;
        loop {
            sleep(self.ears.look_again).await;
            since = self.round_of_news(since).await;
        }
    }

    /// Reads every room that changed since it was last read. Returns up to when everything is settled.
    async fn full_round(&mut self) -> Timestamp {
        self.unread.clear();
        self.set_backs = self.ears.set_backs();
        let changed = self.list_rooms().await;
        // The call has measured the server's clock.
        self.ears.keep_time().await;
        let begun = self.session.arrived();
        let sure = self.find_channels().await;
        let settled = insist("the last session cannot be read", || self.ears.store.settled_until()).await;
        let progress = insist("the cursors cannot be read", || self.ears.store.progress()).await;
        let watched = self.ears.rooms.all_watched(self.triggers());
        self.forget_unwatched(&watched, progress.keys(), sure).await;
        let mut due = Vec::new();
        for known in watched {
            let id = &known.room.id;
            let from = match progress.get(id) {
                Some(progress) => *progress,
                None => self.start_watching(&known, settled).await,
            };
            let at = changed.get(id).copied().flatten();
            if at.is_none_or(|at| at >= from.cursor - OVERLAP) {
                due.push((known, from));
            }
        }
        self.session.rooms_are_listed();
        let mut tally = Tally::default();
        for (known, from) in due {
            self.read(&known, from, &mut tally).await;
        }
        info!(rooms = tally.rooms, messages = tally.messages, alerts = tally.alerts, "caught up");
        self.settle_until(begun, &tally).await
    }

    /// Reads the rooms that changed after `since`. Returns up to when everything is settled.
    async fn round_of_news(&mut self, since: Timestamp) -> Timestamp {
        let Ok(changed) = patiently("the rooms cannot be listed", || self.ears.rest.rooms(Some(since))).await
        else {
            return since;
        };
        self.ears.keep_time().await;
        if self.ears.set_backs() != self.set_backs {
            // What changed since then changed before `since`, so the list lacks it.
            return self.full_round().await;
        }
        let begun = self.session.arrived();
        let progress = insist("the cursors cannot be read", || self.ears.store.progress()).await;
        let mut tally = Tally::default();
        let unread = std::mem::take(&mut self.unread);
        let news: HashSet<RoomId> =
            changed.updated.into_iter().map(|info| self.ears.rooms.learn(info.room, true).room.id).collect();
        for known in self.ears.rooms.all_watched(self.triggers()) {
            if !known.joined {
                // Not in the list; it is read at the next session.
                self.unread.insert(known.room.id);
            } else if news.contains(&known.room.id) || unread.contains(&known.room.id) {
                let from = match progress.get(&known.room.id) {
                    Some(progress) => *progress,
                    None => self.start_watching(&known, Some(since)).await,
                };
                self.read(&known, from, &mut tally).await;
            }
        }
        self.unread.extend(unread.into_iter().filter(|id| !self.ears.rooms.contains(id)));
        debug!(rooms = tally.rooms, messages = tally.messages, "looked for what the stream did not bring");
        if tally.alerts > 0 {
            info!(alerts = tally.alerts, "found messages that match before the stream brought them");
        }
        self.settle_until(begun, &tally).await
    }

    fn triggers(&self) -> &TriggerSet {
        &self.settings.config.triggers
    }

    /// Notes that everything up to there is settled, but for the rooms that were not read. Should the server's clock have been set back
    /// meanwhile, it is less, for no cursor may stand in the future.
    async fn settle_until(&self, at: Timestamp, tally: &Tally) -> Timestamp {
        if tally.cut_off > 0 {
            let horizon = self.session.horizon();
            warn!(rooms = tally.cut_off, before = %horizon, "away for longer than rocketchat.catch_up: what was written in these rooms before is not looked at");
        }
        let at = at.min(self.session.arrived());
        let unread: Vec<RoomId> = self.unread.iter().cloned().collect();
        insist("the cursors cannot be moved", || self.ears.store.set_settled_until(at, &unread)).await;
        at
    }

    /// Brings the directory up to date, and returns when each room of the bot's last changed. No server refuses this to
    /// an account for good, and without it nobody knows what is to be read.
    async fn list_rooms(&self) -> Changed {
        let mut failures = 0;
        let rooms = loop {
            match self.ears.rest.rooms(None).await {
                Ok(rooms) => break rooms.updated,
                Err(error) => {
                    warn!(%error, "the rooms cannot be listed; trying again");
                    wait_after(&error, failures).await;
                    failures += 1;
                }
            }
        };
        self.ears.rooms.keep_joined(&rooms.iter().map(|info| &info.room.id).collect());
        let changed = rooms.into_iter().map(|info| {
            let changed = info.updated_at.max(info.last_message_at);
            let id = info.room.id.clone();
            self.ears.rooms.learn(info.room, true);
            (id, changed)
        });
        changed.collect()
    }

    /// Looks up the rooms that triggers mean and the bot is not in, and joins those where it may. Returns whether the
    /// server said of each what it is or that it is not: a room that it would not look up now may be watched all the same.
    async fn find_channels(&self) -> bool {
        let joined: Vec<Room> = self.ears.rooms.joined();
        let unfound = self.triggers().unfound(joined.iter());
        let mut sure = true;
        for id in unfound.ids {
            let found = patiently("a room cannot be looked up", || self.ears.rest.room_by_id(id)).await;
            sure &= self.meet(found, id.as_str()).await;
        }
        for name in unfound.names {
            let found = patiently("a room cannot be looked up", || self.ears.rest.room_by_name(name)).await;
            sure &= self.meet(found, name).await;
        }
        if unfound.channels {
            sure &= self.list_channels().await;
        }
        sure
    }

    /// Returns whether all of them were listed.
    async fn list_channels(&self) -> bool {
        let mut offset = 0;
        loop {
            let page =
                patiently("the channels cannot be listed", || self.ears.rest.channels(offset, PAGE)).await;
            let page = page.inspect_err(|error| warn!(%error, "the channels are not listed"));
            let Ok(page) = page else { return false };
            offset += page.items.len();
            let last = page.items.is_empty() || offset >= page.total;
            for info in page.items {
                if !self.ears.rooms.contains(&info.room.id)
                    && (Known { room: info.room.clone(), joined: false }).is_watched(self.triggers())
                {
                    self.meet(Ok(info), "").await;
                }
            }
            if last {
                return true;
            }
        }
    }

    /// Takes a room that triggers name into the directory, and joins it where that is wanted and possible. Returns whether
    /// the server has said what it is or that it is not.
    async fn meet(&self, found: Result<RoomInfo, RestError>, wanted: &str) -> bool {
        match found {
            Ok(info) if info.archived => warn!(room = %info.room.id, "a watched room is archived"),
            Ok(info) => {
                let known = self.ears.rooms.learn(info.room, false);
                if self.settings.config.rocketchat.auto_join && known.room.kind == RoomKind::Channel {
                    self.ears.join(&known).await;
                }
            }
            Err(error) => {
                warn!(room = wanted, %error, "a watched room cannot be found; is the bot in it?");
                return error.code() == Some(NO_SUCH_ROOM);
            }
        }
        true
    }

    /// Rooms that are no longer watched lose their cursor: what was said there meanwhile must not alert later. One that
    /// nobody knows keeps it, unless it is `sure` that it is not to be found.
    async fn forget_unwatched(
        &mut self,
        watched: &[Known],
        stored: impl Iterator<Item = &RoomId>,
        sure: bool,
    ) {
        let watched: HashSet<&RoomId> = watched.iter().map(|known| &known.room.id).collect();
        for room in stored.filter(|room| !watched.contains(room)) {
            if sure || self.ears.rooms.contains(room) {
                insist("a room cannot be forgotten", || self.ears.store.forget_room(room)).await;
            } else {
                self.unread.insert(room.clone());
            }
        }
    }

    /// Watches a room from now on; from the moment the bot was invited where that was after `settled`, and at the very
    /// beginning since the first session, whatever has become of that.
    async fn start_watching(&self, known: &Known, settled: Option<Timestamp>) -> Progress {
        let id = &known.room.id;
        let since = match settled {
            // These are looked for since the settings name them.
            _ if !known.joined && self.session.is_older_than(&self.settings) => {
                self.ears.time_of(self.settings.since)
            }
            None => {
                let begun = self.session.begun();
                insist("the first session cannot be noted", || self.ears.store.first_session(begun)).await
            }
            Some(settled) => self.joined_after(known, settled).await.unwrap_or(self.session.begun()),
        };
        let since = self.ears.watch_room(id, since).await;
        Progress { since, cursor: since }
    }

    /// When the bot came into the room, where that was after `settled`; rather too early, where the server's clock was set
    /// back since then and nobody knows by which one it was stamped.
    async fn joined_after(&self, known: &Known, settled: Timestamp) -> Option<Timestamp> {
        if !known.joined {
            return None;
        }
        let id = &known.room.id;
        let subscription =
            patiently("a subscription cannot be read", || self.ears.rest.subscription(id)).await;
        let joined = subscription.ok()??.joined_at.filter(|joined| *joined > settled)?;
        let back = insist("the clock cannot be read", || self.ears.store.set_back_since_settled()).await;
        Some(if back.is_zero() { joined } else { settled.max(joined - back - SKEW) })
    }

    /// Reads one room, page by page, and notes it where the server refuses.
    async fn read(&mut self, known: &Known, from: Progress, tally: &mut Tally) {
        if self.settings.config.rocketchat.catch_up.is_zero() {
            return;
        }
        let id = &known.room.id;
        let horizon = self.session.horizon();
        tally.cut_off += usize::from(from.cursor < horizon);
        tally.rooms += 1;
        let mut next = Some(from.cursor.max(horizon) - OVERLAP);
        while let Some(since) = next {
            let page = patiently("a room cannot be read", || self.ears.rest.sync_messages(id, since)).await;
            match page {
                Ok(page) => next = self.take(known, from, page, tally).await,
                Err(error) => {
                    warn!(room = %id, %error, "a room was not read");
                    self.unread.insert(id.clone());
                    return;
                }
            }
        }
    }

    /// Settles the messages of a page, then moves the cursor. Returns where the next page begins.
    async fn take(
        &self,
        known: &Known,
        from: Progress,
        page: SyncPage,
        tally: &mut Tally,
    ) -> Option<Timestamp> {
        let oldest = self.session.oldest(from.since);
        let around = Circumstances { config: &self.settings.config, me: &self.session.me, known, oldest };
        for message in &page.messages {
            tally.alerts += self.ears.settle(message, around).await;
        }
        tally.messages += page.messages.len();
        let last = page.messages.iter().map(|message| message.updated_at).max();
        if let Some(reached) = page.next.max(last) {
            // What was written while the server's clock was ahead must not take the cursor there.
            let reached = reached.min(self.session.server_now());
            insist("a cursor cannot be moved", || self.ears.store.advance_cursor(&known.room.id, reached))
                .await;
        }
        page.next
    }
}

/// Repeats a call until the server answers it, with yes or no. A new session aborts the wait.
async fn patiently<T, F: Future<Output = Result<T, RestError>>>(
    what: &str,
    mut call: impl FnMut() -> F,
) -> Result<T, RestError> {
    let mut failures = 0;
    loop {
        match call().await {
            Err(error) if error.is_retryable() => {
                warn!(%error, "{what}; trying again");
                wait_after(&error, failures).await;
                failures += 1;
            }
            done => return done,
        }
    }
}
