//! Reads the messages that the stream did not deliver: at the start of a session everything that was missed, and then
//! every minute whatever the stream may have dropped.
//!
//! The session subscribes before this starts, so the stream delivers everything that is posted meanwhile. Both use the
//! same [`Session::settle`], which accepts each message once. Only messages that are read here move a cursor, so a
//! message that the stream drops is not lost.
//!
//! [`Backfill::round`] is the only algorithm: list the rooms that changed, [`plan`] which of them to read, read them,
//! and move the cursors. The number of calls is proportional to the number of rooms with new messages. [`poll`] runs
//! every few seconds between the rounds. The first round of a session, and one every few minutes, also looks for rooms
//! that triggers name and that the bot is not in ([`channels`]).
//!
//! Not covered: an edit of an older message in a room where nothing else happened while the bot was disconnected. Such
//! an edit does not change the room.

mod channels;
mod plan;
mod poll;
mod reader;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use rocketchat::RoomId;
use rocketchat::rest::{RestError, RoomList};
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

pub(super) use self::channels::NO_SUCH_ROOM;
use self::channels::Searched;
use self::plan::{Changes, Last, Rounds, Step, plan};
use self::poll::poll;
use super::progress::{OVERLAP, SKEW};
use super::rooms::{Known, is_watched_from_outside};
use super::session::Session;
use crate::count;
use crate::health::Condition;

/// How often a round tries one room before it continues with the others. The waits in between add up to 14 s.
const TRIES: u32 = 4;

/// The backfill of one session.
pub(super) struct Backfill {
    /// If the settings change, another backfill takes over.
    session: Arc<Session>,
    rounds: Rounds,
    /// Whether the server answered the last search for rooms.
    is_search_complete: bool,
}

/// The result of one round.
#[derive(Debug, Default)]
struct Tally {
    rooms: usize,
    messages: usize,
    alerts: usize,
    /// Rooms with changes before the horizon.
    too_old: usize,
    /// Rooms that could not be read, and why.
    unread: HashMap<RoomId, RestError>,
}

impl Backfill {
    pub(super) fn new(session: Arc<Session>) -> Self {
        Self { session, rounds: Rounds::default(), is_search_complete: true }
    }

    /// Runs forever. It can be aborted at any point without losing anything, because the next one starts from the
    /// cursors.
    pub(super) async fn run(self) {
        let session = self.session.clone();
        tokio::join!(self.run_rounds(), poll(&session));
    }

    async fn run_rounds(mut self) {
        let (mut since, mut searched) = (None, Instant::now());
        loop {
            let search = since.is_none()
                || !self.is_search_complete
                || searched.elapsed() >= self.session.context.tempo.search_again;
            if search {
                searched = Instant::now();
            }
            since = Some(self.round(since, search).await);
            sleep(self.session.context.tempo.look_again).await;
        }
    }

    /// Reads every watched room that may have new messages. `since` is when the last round began; `None` reads every
    /// room. Returns when this round began.
    async fn round(&mut self, since: Option<Timestamp>, search: bool) -> Timestamp {
        let (mut changes, mut list) = self.list_rooms(since).await;
        // The call has measured the server's clock.
        let mut begun = self.session.server_now();
        let session = self.session.clone();
        let context = &session.context;
        let moved = context.cursors.leave_future(begun, session.horizon()).await;
        if moved > 0 {
            warn!(
                rooms = moved,
                "the server's clock was set back: reading everything within rocketchat.catch_up again"
            );
            // Later changes have an earlier time than the last round, so the list does not contain them.
            self.rounds.retain(|_, last| !matches!(last, Last::Read(_)));
            (changes, list) = self.list_rooms(None).await;
            begun = session.server_now();
        }
        context.cursors.first_session(session.begun()).await;
        let mut tally = Tally::default();
        let mut was_read = HashSet::new();
        // Messages missed in the bot's own rooms must not wait for a long list of channels.
        let own = context.rooms.select(|known| known.watched && known.joined);
        self.watch_new(&own).await;
        // In a room that is behind, older messages are found when it is read.
        let known_until = context.cursors.listed_until().unwrap_or_else(|| session.begun());
        let unread = list.with_last_messages(known_until.max(session.horizon()) - OVERLAP);
        tally.alerts += self.session.settle_last(unread.filter_map(|info| info.last_message)).await;
        drop(list);
        self.read_all(&own, &changes, &mut was_read, &mut tally).await;
        let mut all_listed = false;
        if search || changes.is_full {
            let Searched { found, is_complete, is_answered } = self.search().await;
            all_listed = is_answered;
            self.is_search_complete = is_complete;
            changes.rooms.extend(found);
            context.note_named_rooms().await;
            context.forget_unwatched(self.is_search_complete).await;
        }
        let others = context.rooms.select(|known| known.watched && !was_read.contains(&known.room.id));
        self.watch_new(&others).await;
        session.rooms_are_listed();
        self.read_all(&others, &changes, &mut was_read, &mut tally).await;
        context.cursors.finish_round(begun, all_listed, |room| was_read.contains(room)).await;
        // The cursors show that older messages were read.
        self.rounds.retain(|_, last| !matches!(last, Last::Read(until) if *until < begun - OVERLAP));
        self.rounds.shrink_to_fit();
        self.report(&changes, was_read.len(), &tally);
        match tally.unread.values().next() {
            Some(error) => {
                let rooms = count(tally.unread.len() as u64, "room");
                let what = format!("Missed messages are not found: {rooms} cannot be read: {error}");
                context.health.raise_after(context.tempo.stalled_after, Condition::UnreadRooms, what);
            }
            None => context.health.clear(&Condition::UnreadRooms),
        }
        begun
    }

    /// Updates the directory of rooms, starts to watch those that became watched because of a change since the last round, and
    /// returns which rooms changed. The server does not permanently refuse this call to any account, and without it the bot does
    /// not know what to read.
    async fn list_rooms(&self, since: Option<Timestamp>) -> (Changes, RoomList) {
        let context = &self.session.context;
        let mut failures = 0;
        let list = loop {
            let error = match self.session.list_rooms(since).await {
                Ok(list) => break list,
                Err(error) => error,
            };
            let what = format!("Missed messages are not found: the rooms cannot be listed: {error}");
            context.health.raise_after(context.tempo.stalled_after, Condition::UnlistedRooms, what);
            if context.warns("unlisted rooms") {
                warn!(%error, "the rooms cannot be listed; trying again");
            }
            sleep(context.tempo.wait_after(&error, failures)).await;
            failures += 1;
        };
        context.clear_warning("unlisted rooms");
        context.health.clear(&Condition::UnlistedRooms);
        let is_full = since.is_none();
        let mut changes = Changes { is_full, rooms: HashMap::new() };
        let last_round = match since {
            Some(last) => last - SKEW,
            None => self.watched_since(None).await,
        };
        let mut renamed = Vec::new();
        for info in list.rooms() {
            let (id, changed) = (info.room.id.clone(), info.changed_at());
            let (archived, encrypted) = (info.archived, info.encrypted);
            let before = context.rooms.get(&id);
            let was_unwatched = before.is_some_and(|it| it.joined && it.described && !it.watched);
            if context.rooms.learn(info.room, Some(true)).watched && was_unwatched {
                renamed.push((id.clone(), last_round));
            }
            context.rooms.set_state(&id, archived, Some(encrypted));
            changes.rooms.insert(id, changed);
        }
        if is_full {
            context.rooms.keep_joined(|room| changes.rooms.contains_key(room));
        }
        context.cursors.watch_each(renamed).await;
        context.note_named_rooms().await;
        (changes, list)
    }

    /// Starts to watch those of the bot's rooms that were not watched before.
    async fn watch_new(&self, rooms: &[Arc<Known>]) {
        let new: Vec<&Arc<Known>> =
            rooms.iter().filter(|known| self.session.context.cursors.of(&known.room.id).is_none()).collect();
        if new.is_empty() {
            return;
        }
        let listed = self.session.context.cursors.listed_until();
        let joined = match listed {
            Some(listed) if new.iter().any(|known| known.joined) => self.joined_since(listed).await,
            _ => HashMap::new(),
        };
        let mut noted = Vec::with_capacity(new.len());
        for known in new {
            let appeared = match listed {
                Some(listed)
                    if is_watched_from_outside(&known.room, &self.session.settings.config.triggers) =>
                {
                    self.created_after(known, listed).await
                }
                _ => joined.get(&known.room.id).copied(),
            };
            noted.push((known.room.id.clone(), self.watched_since(appeared).await));
        }
        self.session.context.cursors.watch_each(noted).await;
    }

    /// From when a newly watched room counts. That may be before the session, whose start may be late.
    async fn watched_since(&self, appeared: Option<Timestamp>) -> Timestamp {
        let (session, cursors) = (&self.session, &self.session.context.cursors);
        let Some(listed) = cursors.listed_until() else {
            return cursors.first_session(session.begun()).await;
        };
        watched_since(listed, appeared, session.settings_since(), session.server_now())
    }

    /// When the bot joined rooms after `listed`. If the server does not say, `listed`, because too early is better
    /// than too late.
    async fn joined_since(&self, listed: Timestamp) -> HashMap<RoomId, Timestamp> {
        let reading = || self.session.context.rest.subscriptions(Some(listed - OVERLAP));
        match self.session.context.tempo.retry(TRIES, "the subscriptions cannot be read", reading).await {
            Ok(subscriptions) => {
                let joined = subscriptions.into_iter();
                joined.filter_map(|one| Some((one.room.id, one.joined_at?))).collect()
            }
            Err(error) => {
                warn!(%error, "the server does not say when the bot joined its new rooms");
                let own = self.session.context.rooms.select(|known| known.joined).into_iter();
                own.map(|known| (known.room.id.clone(), listed + SKEW)).collect()
            }
        }
    }

    /// When a channel was created that is watched even if the bot is not in it. Joining it does not matter.
    async fn created_after(&self, known: &Known, listed: Timestamp) -> Option<Timestamp> {
        let reading = || self.session.context.rest.room_by_id(&known.room.id);
        match self.session.context.tempo.retry(TRIES, "a room cannot be looked up", reading).await {
            Ok(info) => info.created_at,
            Err(error) => error.is_retryable().then_some(listed + SKEW),
        }
    }

    /// Reads the rooms that are due, and marks the others as read up to now.
    async fn read_all(
        &mut self,
        rooms: &[Arc<Known>],
        changes: &Changes,
        was_read: &mut HashSet<RoomId>,
        tally: &mut Tally,
    ) {
        let mut due = Vec::with_capacity(rooms.len());
        for known in rooms {
            let id = &known.room.id;
            let Some(progress) = self.session.context.cursors.of(id) else { continue };
            match plan(known, progress, changes, &self.rounds) {
                Step::Read if self.session.looks_back() => {
                    tally.too_old += usize::from(progress.cursor < self.session.horizon());
                    due.push((known.clone(), progress));
                }
                Step::Read | Step::Unchanged => {
                    was_read.insert(id.clone());
                }
                Step::Unknown => {}
            }
        }
        // If sessions end before all rooms are read, each room has its turn.
        due.sort_by_key(|(_, progress)| progress.cursor);
        // A room that the server does not answer for must not delay the others. So each room gets one try before any
        // gets a second one.
        let readings = self.session.read_each(due, Some(1)).await;
        let (failed, mut readings): (Vec<_>, Vec<_>) = readings.into_iter().partition(|(known, reading)| {
            let has_failed = reading.as_ref().is_err_and(RestError::is_retryable);
            has_failed && self.rounds.get(&known.room.id) != Some(&Last::Failed)
        });
        let again = failed.iter().filter_map(|(known, _)| self.session.watched(&known.room.id));
        readings.extend(self.session.read_each(again.collect(), Some(TRIES - 1)).await);
        for (known, reading) in readings {
            let id = &known.room.id;
            self.rounds.remove(id);
            match reading {
                Ok((messages, alerts)) => {
                    tally.rooms += 1;
                    tally.messages += messages;
                    tally.alerts += alerts;
                    tally.unread.remove(id);
                    if !self.session.judges(&known) {
                        continue;
                    }
                    was_read.insert(id.clone());
                    if let Some(Some(changed)) = changes.rooms.get(id) {
                        self.rounds.insert(id.clone(), Last::Read(*changed));
                    }
                }
                Err(error) => {
                    let last = if error.code().is_some() { Last::Refused } else { Last::Failed };
                    // Not every channel can be read from outside.
                    let may_be_refused = last == Last::Refused && !known.joined;
                    self.rounds.insert(id.clone(), last);
                    if !may_be_refused {
                        tally.unread.insert(id.clone(), error);
                    }
                }
            }
        }
    }

    fn report(&self, changes: &Changes, watched: usize, tally: &Tally) {
        let Tally { rooms, messages, alerts, too_old, .. } = *tally;
        match (changes.is_full, alerts) {
            (true, _) => info!(rooms, messages, alerts, watched, "caught up"),
            (false, 0) => debug!(rooms, messages, "looked for messages that the stream dropped"),
            (false, _) => info!(alerts, "found matching messages that the stream had not delivered"),
        }
        if changes.is_full && too_old > 0 {
            let before = self.session.horizon();
            warn!(rooms = too_old, %before, "away for longer than rocketchat.catch_up: older messages in these rooms do not raise alerts");
        }
    }
}

/// From when a room is watched. `listed` is when all existing rooms were known. `appeared` is when this room was
/// created or the bot was invited. `settings_since` is when the settings took effect.
fn watched_since(
    listed: Timestamp,
    appeared: Option<Timestamp>,
    settings_since: Timestamp,
    now: Timestamp,
) -> Timestamp {
    match appeared {
        // Stamped before the server's clock was set back; it is unknown how long ago.
        Some(appeared) if appeared > now + OVERLAP => listed,
        // A room that appeared just before the last list may be missing from it.
        Some(appeared) if appeared > listed - OVERLAP => (appeared - SKEW).min(now),
        // It existed and was not watched, or it would be recorded. So the settings or its name changed since then.
        _ => settings_since.max(listed - SKEW),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    #[test]
    fn a_new_room_is_watched_since_it_appeared_and_an_old_one_since_the_settings_or_its_name_changed() {
        let since =
            |listed, appeared: Option<i64>| watched_since(at(listed), appeared.map(at), at(500), at(505));
        assert_eq!(since(100, Some(300)), at(298), "it appeared while the bot was down");
        assert_eq!(since(300, Some(50)), at(500), "only the new settings watch it");
        assert_eq!(since(100, None), at(500));
        assert_eq!(since(502, Some(50)), at(500), "it was renamed into a pattern");
        assert_eq!(since(504, None), at(502));
        assert_eq!(since(100, Some(4_000)), at(100), "the server's clock was set back since");
    }
}
