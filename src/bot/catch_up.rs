//! Reads what was missed: all of it after every new session, and from then on every minute what the stream may have
//! dropped without a word.
//!
//! The session is subscribed before this starts, so that whatever is posted meanwhile comes by the stream; both go
//! through the same intake, which takes each message once. Only what was read here moves a room's cursor: a stream
//! that loses a message loses none for good. The number of calls follows the number of rooms with news, not the number
//! of rooms: whatever is posted in a room, in a thread too, changes the room (`notifyUsersOnMessage` in Rocket.Chat's
//! source), and rooms that did not change are not read. Channels that the bot is not in are told of by the list of
//! channels, where a trigger has a glob; otherwise they are looked up once a session.
//!
//! An edit of an older message in a room where nothing else happened while the bot was away is not noticed: it does not
//! change the room.

mod beginning;
mod finding;
mod listing;
mod news;
mod older;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::sleep;
use tracing::{info, warn};

pub(super) use self::listing::Listing;
use self::older::PassedOver;
use super::{
    ears::Ears,
    intake::Circumstances,
    patience::{at_most, insist, wait_after},
    rooms::Known,
    session::Session,
    settings::Settings,
};
use crate::{alerting::TriggerSet, store::Progress};
use rocketchat::{RoomId, rest::SyncPage};

/// How far behind its cursor a room is read again: messages come out of order, and several share a millisecond.
const OVERLAP: Duration = Duration::from_secs(10);
/// How often it is asked for one room in a round before the others have their turn. The waits between add up to 14 s.
const TRIES: u32 = 4;

/// The reading that goes with one session.
pub(super) struct CatchUp {
    ears: Arc<Ears>,
    session: Arc<Session>,
    /// Rooms that were to be read and were not, or could not even be found: their cursors stay until they are.
    unread: HashSet<RoomId>,
    /// Those of them that the next round reads in any case: the server did not answer for them.
    failed: HashSet<RoomId>,
    /// Those of them that the server would not let us read. Where the bot is not in one, that is tried once a session.
    refused: HashSet<RoomId>,
    /// Whether the list of channels tells of rooms that triggers mean.
    lists_channels: bool,
    /// Whether this round has read that list.
    listed: bool,
    /// The rooms that this round looked up or found in that list for the first time.
    met: HashSet<RoomId>,
    /// Whether this round is a full one.
    is_full: bool,
    /// Whether the server did not answer for some room that triggers name: the next round is a full one.
    unanswered: bool,
    /// Up to when everything was settled when the round began.
    settled: Option<Timestamp>,
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
    /// What was older than the look back.
    older: PassedOver,
}

impl CatchUp {
    pub(super) fn new(ears: Arc<Ears>, session: Arc<Session>, settings: Arc<Settings>) -> Self {
        let set_backs = ears.set_backs();
        Self {
            ears,
            session,
            settings,
            set_backs,
            unread: HashSet::new(),
            failed: HashSet::new(),
            refused: HashSet::new(),
            lists_channels: false,
            listed: false,
            met: HashSet::new(),
            is_full: true,
            unanswered: false,
            settled: None,
        }
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
        self.failed.clear();
        self.refused.clear();
        self.met.clear();
        self.unanswered = false;
        self.is_full = true;
        let changed = self.list_rooms().await;
        // The call has measured the server's clock. Whatever is read from here on is judged by that.
        self.ears.keep_time().await;
        self.set_backs = self.ears.set_backs();
        let begun = self.session.arrived();
        self.settled = insist("the last session cannot be read", || self.ears.store.settled_until()).await;
        let mut tally = Tally::default();
        // What was missed in the bot's own rooms waits for no long list of channels.
        let joined: Vec<Known> =
            self.ears.rooms.all_watched(self.triggers()).into_iter().filter(|known| known.joined).collect();
        let due = self.due(&joined, &self.progress().await, &changed).await;
        self.read_all(due, &mut tally).await;
        let sure = self.find_channels().await;
        let progress = self.progress().await;
        let watched = self.ears.rooms.all_watched(self.triggers());
        self.forget_unwatched(&watched, progress.keys(), sure).await;
        let read: HashSet<&RoomId> = joined.iter().map(|known| &known.room.id).collect();
        let others: Vec<Known> = watched.into_iter().filter(|known| !read.contains(&known.room.id)).collect();
        let due = self.due(&others, &progress, &changed).await;
        self.session.rooms_are_listed();
        self.read_all(due, &mut tally).await;
        let settled = self.settle_until(begun).await;
        info!(rooms = tally.rooms, messages = tally.messages, alerts = tally.alerts, "caught up");
        self.tell_of_older(tally.older).await;
        settled
    }

    async fn progress(&self) -> HashMap<RoomId, Progress> {
        insist("the cursors cannot be read", || self.ears.store.progress()).await
    }

    /// Those of the rooms that may have news, each with how far it was read. All of them are noted as watched.
    async fn due(
        &self,
        rooms: &[Known],
        progress: &HashMap<RoomId, Progress>,
        changed: &Changed,
    ) -> Vec<(Known, Progress)> {
        let mut due = Vec::new();
        for known in rooms {
            let id = &known.room.id;
            let from = match progress.get(id) {
                Some(progress) => *progress,
                None => self.start_watching(known, self.settled).await,
            };
            let has_news = match known.joined {
                true => changed.get(id).copied().flatten().is_none_or(|at| may_be_new(at, from)),
                false => !self.is_told_of(id) || self.changed_since(id, Some(from)),
            };
            if has_news {
                due.push((known.clone(), from));
            }
        }
        due
    }

    /// Whether the server told in this round when a room changed last that the bot is not in. What it told in another says
    /// nothing of what was written since.
    fn is_told_of(&self, id: &RoomId) -> bool {
        self.met.contains(id) || self.listed && self.ears.listing.tells_of(id)
    }

    /// Whether a room that the bot is not in may have news, as far as it was told.
    fn changed_since(&self, id: &RoomId, from: Option<Progress>) -> bool {
        let changed = self.ears.listing.changed_at(id);
        changed.zip(from).is_none_or(|(at, from)| may_be_new(at, from))
    }

    async fn read_all(&mut self, due: Vec<(Known, Progress)>, tally: &mut Tally) {
        for (known, from) in due {
            self.read(&known, from, tally).await;
        }
    }

    fn triggers(&self) -> &TriggerSet {
        &self.settings.config.triggers
    }

    /// Notes that everything up to there is settled, but for the rooms that were not read. Should the server's clock have
    /// been set back meanwhile, it is less, for no cursor may stand in the future.
    async fn settle_until(&self, at: Timestamp) -> Timestamp {
        let at = at.min(self.session.arrived());
        let unread: Vec<RoomId> = self.unread.iter().cloned().collect();
        insist("the cursors cannot be moved", async || match self.unanswered {
            // A room that was not told of yet may have been made since then.
            true => self.ears.store.advance_cursors(at, &unread).await,
            false => self.ears.store.set_settled_until(at, &unread).await,
        })
        .await;
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
            let changed = info.changed_at();
            let id = info.room.id.clone();
            self.ears.rooms.learn(info.room, true);
            (id, changed)
        });
        changed.collect()
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

    /// Reads one room, page by page, and notes it where the server refuses.
    async fn read(&mut self, known: &Known, from: Progress, tally: &mut Tally) {
        if self.settings.config.rocketchat.catch_up.is_zero() {
            return;
        }
        let id = &known.room.id;
        let horizon = self.session.horizon();
        let mut cut_off = from.cursor < horizon;
        tally.rooms += 1;
        let mut next = Some(from.cursor.max(horizon) - OVERLAP);
        while let Some(since) = next {
            let reading = || self.ears.rest.sync_messages(id, since);
            // Once for each, where another one was asked for in vain: the sound ones answer at once.
            let tries = if self.failed.is_empty() { TRIES } else { 1 };
            match at_most(tries, "a room cannot be read", reading).await {
                Ok(page) => {
                    next = self.take(known, from, page, tally).await;
                    if std::mem::take(&mut cut_off) {
                        tally.older.add_room(known, from.cursor);
                    }
                }
                Err(error) => {
                    warn!(room = %id, %error, "a room was not read");
                    self.unread.insert(id.clone());
                    let again = if error.is_retryable() { &mut self.failed } else { &mut self.refused };
                    again.insert(id.clone());
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
            self.count_older(message, known, from.cursor, &mut tally.older).await;
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

/// Whether what changed a room then may not have been read yet.
fn may_be_new(changed: Timestamp, from: Progress) -> bool {
    changed >= from.cursor - OVERLAP
}
