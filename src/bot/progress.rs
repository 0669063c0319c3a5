//! How far each watched room was read: in memory, and written to the store when it changes.
//!
//! All times here are Rocket.Chat's. Most rooms share one cursor, `read_until`, so a round without new messages writes
//! one row, however many rooms there are.

use std::collections::HashSet;
use std::collections::hash_map::Entry;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use rocketchat::RoomId;

use super::retry::until_stored;
use crate::health::Health;
use crate::store::{AlertId, Progress, RoomProgress, Store, StoreError};

/// The precision of the server's time: HTTP sends whole seconds.
pub(super) const SKEW: Duration = Duration::from_secs(2);
/// How far apart the clocks of a server's nodes may be, plus the time until a written message can be read. Each room
/// is read again from this long before its cursor.
pub(super) const OVERLAP: Duration = Duration::from_secs(90);

/// How far all rooms were read.
#[derive(Debug)]
pub(super) struct Cursors {
    store: Store,
    health: Health,
    progress: Mutex<Progress>,
    /// The rooms whose rows in the store differ from `progress`, because a backfill may be aborted while it writes
    /// them.
    unsaved: Mutex<HashSet<RoomId>>,
}

impl Cursors {
    /// Without any room until the state is loaded.
    pub(super) fn new(store: Store, health: Health) -> Self {
        Self { store, health, progress: Mutex::default(), unsaved: Mutex::default() }
    }

    /// Loads the state of the last run.
    pub(super) async fn load(&self) -> Result<(), StoreError> {
        *self.progress.lock() = self.store.progress().await?;
        Ok(())
    }

    /// How far a room was read; `None` if it is not watched.
    pub(super) fn of(&self, room: &RoomId) -> Option<RoomProgress> {
        effective(&self.progress.lock(), room)
    }

    /// Every watched room.
    pub(super) fn rooms(&self) -> Vec<RoomId> {
        self.progress.lock().rooms.keys().cloned().collect()
    }

    /// Up to when every watched room is known; `None` before the first round.
    pub(super) fn listed_until(&self) -> Option<Timestamp> {
        self.progress.lock().listed_until
    }

    /// When the first session of this installation began: `begun` if this is the first one.
    pub(super) async fn first_session(&self, begun: Timestamp) -> Timestamp {
        let noted = self.progress.lock().first_session;
        match noted {
            Some(at) => at,
            None => {
                self.progress.lock().first_session = Some(begun);
                self.save(vec![]).await;
                begun
            }
        }
    }

    /// Records the triggers that messages are judged by. If they differ from the previous ones, they apply from
    /// `since`. `None` if missed messages are not judged at all.
    pub(super) async fn judged_by(&self, triggers: Option<i64>, since: Timestamp) {
        if triggers.is_some() && self.progress.lock().triggers == triggers {
            return;
        }
        let read = || self.store.newest_alert();
        let newest = until_stored(&self.health, "cannot read the newest alert", read).await;
        {
            let mut progress = self.progress.lock();
            (progress.triggers, progress.judged_since) = (triggers, Some(since));
            progress.judged_after = newest;
        }
        self.save(vec![]).await;
    }

    /// The newest alert of the triggers before the current ones.
    pub(super) fn judged_after(&self) -> Option<AlertId> {
        self.progress.lock().judged_after
    }

    /// From when messages are judged by the current triggers.
    pub(super) fn judged_since(&self) -> Option<Timestamp> {
        self.progress.lock().judged_since
    }

    /// Watches a room from `since`, unless it is watched already.
    pub(super) async fn watch(&self, room: &RoomId, since: Timestamp) -> RoomProgress {
        self.watch_each([(room.clone(), since)]).await;
        self.of(room).unwrap_or_else(|| watched_from(since))
    }

    /// Watches each of these rooms from its time on, unless it is watched already.
    pub(super) async fn watch_each(&self, rooms: impl IntoIterator<Item = (RoomId, Timestamp)>) {
        let mut new = Vec::new();
        {
            let mut progress = self.progress.lock();
            for (room, since) in rooms {
                if let Entry::Vacant(vacant) = progress.rooms.entry(room) {
                    new.push(vacant.key().clone());
                    vacant.insert(watched_from(since));
                }
            }
        }
        if !new.is_empty() {
            self.save(new).await;
        }
    }

    /// Forgets rooms that are no longer watched.
    pub(super) async fn forget_each(&self, rooms: impl IntoIterator<Item = RoomId>) {
        let gone: Vec<RoomId> = {
            let mut progress = self.progress.lock();
            rooms.into_iter().filter(|room| progress.rooms.remove(room).is_some()).collect()
        };
        if !gone.is_empty() {
            self.save(gone).await;
        }
    }

    /// Records that a room was read from `from` up to `to`, while it is still being read.
    pub(super) async fn advance(&self, room: &RoomId, from: RoomProgress, to: Timestamp) {
        if self.reached(room, from, to) {
            self.save(vec![room.clone()]).await;
        }
    }

    /// The same, but only in memory: a later session need not read the room again, and a round writes one row for all rooms.
    /// Returns whether the cursor moved. It does not if it went back meanwhile, because the server's clock was set back.
    pub(super) fn reached(&self, room: &RoomId, from: RoomProgress, to: Timestamp) -> bool {
        let mut progress = self.progress.lock();
        let known =
            effective(&progress, room).filter(|known| from.cursor <= known.cursor && known.cursor < to);
        let Some(known) = known else { return false };
        progress.rooms.insert(room.clone(), RoomProgress { cursor: to, ..known });
        true
    }

    /// Records that a round has read everything up to `to`, except the rooms for which `was_read` returns false.
    pub(super) async fn finish_round(
        &self,
        to: Timestamp,
        all_listed: bool,
        was_read: impl Fn(&RoomId) -> bool,
    ) {
        {
            let mut progress = self.progress.lock();
            let changed = finish_round(&mut progress, to, all_listed, was_read);
            // Under the same lock: another task may save meanwhile, and must not save the round's time without these rooms.
            self.unsaved.lock().extend(changed);
        }
        self.save(vec![]).await;
    }

    /// The one rule that repairs every jump of the server's clock; see [`leave_future`]. Returns how many rooms it
    /// moved.
    pub(super) async fn leave_future(&self, now: Timestamp, horizon: Timestamp) -> usize {
        let changed = leave_future(&mut self.progress.lock(), now, horizon);
        let Some(changed) = changed else { return 0 };
        let rooms = changed.len();
        self.save(changed).await;
        rooms.max(1)
    }

    async fn save(&self, changed: Vec<RoomId>) {
        let (rooms, facts) = {
            let (progress, mut unsaved) = (self.progress.lock(), self.unsaved.lock());
            unsaved.extend(changed);
            let row = |room: &RoomId| (room.clone(), progress.rooms.get(room).copied());
            let rows: Vec<_> = unsaved.iter().map(row).collect();
            (rows, Progress { rooms: Default::default(), ..*progress })
        };
        let save = || self.store.save_progress(&rooms, &facts);
        until_stored(&self.health, "cannot store the cursors", save).await;
        let (progress, mut unsaved) = (self.progress.lock(), self.unsaved.lock());
        for (room, saved) in rooms {
            // Another task may have saved a newer row, and this one may have replaced it.
            if progress.rooms.get(&room) == saved.as_ref() {
                unsaved.remove(&room);
            } else {
                unsaved.insert(room);
            }
        }
        unsaved.shrink_to_fit();
    }
}

/// A room watched from now on. It is behind until it is read, because `read_until` does not apply to it yet.
pub(super) fn watched_from(since: Timestamp) -> RoomProgress {
    RoomProgress { since, cursor: since, is_behind: true }
}

fn effective(progress: &Progress, room: &RoomId) -> Option<RoomProgress> {
    let known = *progress.rooms.get(room)?;
    Some(match progress.read_until {
        Some(read_until) if !known.is_behind => {
            RoomProgress { cursor: known.cursor.max(read_until), ..known }
        }
        _ => known,
    })
}

fn finish_round(
    progress: &mut Progress,
    to: Timestamp,
    all_listed: bool,
    was_read: impl Fn(&RoomId) -> bool,
) -> Vec<RoomId> {
    let mut changed = Vec::new();
    let before = progress.read_until;
    for (room, known) in &mut progress.rooms {
        match (was_read(room), known.is_behind) {
            (true, true) => {
                *known = RoomProgress { cursor: known.cursor.max(to), is_behind: false, ..*known }
            }
            (false, false) => {
                let cursor = known.cursor.max(before.unwrap_or(known.cursor));
                *known = RoomProgress { cursor, is_behind: true, ..*known };
            }
            _ => continue,
        }
        changed.push(room.clone());
    }
    progress.read_until = Some(to);
    if all_listed {
        progress.listed_until = Some(to);
    }
    changed
}

/// A time in the server's future was stamped before the server's clock was set back. Every cursor in the future returns to the
/// horizon, so that every message that may raise an alert is read again. The pairs of message and trigger make that harmless.
/// `None` if no cursor is in the future.
fn leave_future(progress: &mut Progress, now: Timestamp, horizon: Timestamp) -> Option<Vec<RoomId>> {
    let is_future = |at: Timestamp| at > now + OVERLAP;
    let facts = [progress.read_until, progress.listed_until, progress.first_session];
    let shared = facts.into_iter().flatten().any(is_future);
    let mut changed = Vec::new();
    let read_until = progress.read_until.filter(|at| is_future(*at));
    for (room, known) in &mut progress.rooms {
        let follows = read_until.is_some() && !known.is_behind;
        let is_jump = follows || is_future(known.cursor);
        // Exact to the second, unlike a cursor. Messages written until then would count as older than the start of
        // watching.
        let is_since_future = known.since > now + SKEW;
        if !is_jump && !is_since_future {
            continue;
        }
        if is_since_future {
            known.since = now - OVERLAP;
        }
        if is_jump {
            (known.cursor, known.is_behind) = (horizon.max(known.since), true);
        }
        changed.push(room.clone());
    }
    if !shared && changed.is_empty() {
        return None;
    }
    progress.read_until = progress.read_until.map(|at| if is_future(at) { horizon } else { at });
    progress.listed_until = progress.listed_until.map(|at| if is_future(at) { horizon } else { at });
    progress.first_session = progress.first_session.map(|at| at.min(now - OVERLAP));
    Some(changed)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn room(id: &str) -> RoomId {
        RoomId::new(id)
    }

    fn progress(rooms: &[(&str, i64, i64, bool)], read_until: i64) -> Progress {
        let row = |&(id, since, cursor, is_behind): &(&str, i64, i64, bool)| {
            (room(id), RoomProgress { since: at(since), cursor: at(cursor), is_behind })
        };
        Progress {
            rooms: rooms.iter().map(row).collect(),
            read_until: Some(at(read_until)),
            listed_until: Some(at(read_until)),
            first_session: Some(at(0)),
            ..Progress::default()
        }
    }

    fn cursor(progress: &Progress, id: &str) -> Timestamp {
        effective(progress, &room(id)).unwrap().cursor
    }

    async fn loaded(store: Store) -> Cursors {
        let cursors = Cursors::new(store, Health::default());
        cursors.load().await.unwrap();
        cursors
    }

    #[tokio::test]
    async fn the_progress_of_an_aborted_backfill_is_written_with_the_next_one() {
        let directory = tempfile::TempDir::new().unwrap();
        let store =
            Store::open(&crate::store::StoreUrl::sqlite(directory.path().join("bot.db"))).await.unwrap();
        let cursors = loaded(store.clone()).await;
        let lock = store.intake().await.unwrap();
        let new = room("r");
        assert!(cursors.watch(&new, at(5)).now_or_never().is_none(), "the store is busy");
        drop(lock);
        cursors.finish_round(at(100), true, |_| false).await;
        let loaded = loaded(store).await;
        assert_eq!(loaded.of(&new), cursors.of(&new));
        assert!(loaded.of(&new).is_some() && cursors.unsaved.lock().is_empty());
    }

    #[tokio::test]
    async fn a_forgotten_room_is_deleted_although_that_was_aborted() {
        let directory = tempfile::TempDir::new().unwrap();
        let store =
            Store::open(&crate::store::StoreUrl::sqlite(directory.path().join("bot.db"))).await.unwrap();
        let cursors = loaded(store.clone()).await;
        let gone = room("r");
        cursors.watch(&gone, at(5)).await;
        let lock = store.intake().await.unwrap();
        assert!(cursors.forget_each([gone.clone()]).now_or_never().is_none(), "the store is busy");
        drop(lock);
        cursors.finish_round(at(100), true, |_| true).await;
        assert_eq!(loaded(store).await.of(&gone), None);
    }

    #[tokio::test]
    async fn rooms_are_watched_together_and_one_that_is_watched_already_keeps_its_time() {
        let directory = tempfile::TempDir::new().unwrap();
        let store =
            Store::open(&crate::store::StoreUrl::sqlite(directory.path().join("bot.db"))).await.unwrap();
        let cursors = loaded(store.clone()).await;
        cursors.watch(&room("a"), at(5)).await;
        cursors.watch_each([(room("a"), at(9)), (room("b"), at(9))]).await;
        for cursors in [&cursors, &loaded(store).await] {
            let since = |id| cursors.of(&room(id)).unwrap().since;
            assert_eq!((since("a"), since("b")), (at(5), at(9)));
        }
    }

    #[tokio::test]
    async fn a_room_that_was_read_while_the_clock_was_set_back_is_read_again() {
        let directory = tempfile::TempDir::new().unwrap();
        let store =
            Store::open(&crate::store::StoreUrl::sqlite(directory.path().join("bot.db"))).await.unwrap();
        let (cursors, r) = (loaded(store).await, room("r"));
        let from = cursors.watch(&r, at(0)).await;
        assert!(cursors.reached(&r, from, at(3_600)));
        let from = cursors.of(&r).unwrap();
        assert_eq!(cursors.leave_future(at(100), at(20)).await, 1);
        for to in [at(3_700), at(100)] {
            cursors.advance(&r, from, to).await;
            assert_eq!(cursors.of(&r).unwrap().cursor, at(20));
        }
    }

    #[test]
    fn a_round_without_new_messages_moves_every_cursor_and_writes_no_room() {
        let mut progress = progress(&[("a", 0, 0, false), ("b", 5, 5, false)], 100);
        assert!(finish_round(&mut progress, at(160), true, |_| true).is_empty());
        assert_eq!((cursor(&progress, "a"), cursor(&progress, "b")), (at(160), at(160)));
        assert_eq!(progress.listed_until, Some(at(160)));
    }

    #[test]
    fn a_room_that_was_not_read_keeps_its_cursor_until_it_is() {
        let mut progress = progress(&[("a", 0, 0, false), ("b", 0, 0, false)], 100);
        let written = finish_round(&mut progress, at(160), false, |id| *id == room("a"));
        assert_eq!(written.len(), 1);
        assert_eq!((cursor(&progress, "a"), cursor(&progress, "b")), (at(160), at(100)));
        assert_eq!(progress.listed_until, Some(at(100)), "a room may be unknown still");
        assert!(finish_round(&mut progress, at(220), true, |id| *id == room("a")).is_empty());
        assert_eq!(cursor(&progress, "b"), at(100));
        assert_eq!(finish_round(&mut progress, at(280), true, |_| true).len(), 1);
        assert_eq!(cursor(&progress, "b"), at(280));
    }

    #[test]
    fn a_cursor_in_the_servers_future_goes_back_to_the_horizon() {
        let mut jumped = progress(&[("a", 10, 0, false), ("b", 10, 3_700, true), ("c", 10, 50, true)], 3_600);
        let moved = leave_future(&mut jumped, at(100), at(20)).unwrap();
        assert_eq!(moved.len(), 2, "c was behind all the time");
        assert_eq!(
            [cursor(&jumped, "a"), cursor(&jumped, "b"), cursor(&jumped, "c")],
            [at(20), at(20), at(50)]
        );
        assert_eq!((jumped.read_until, jumped.listed_until), (Some(at(20)), Some(at(20))));
        assert_eq!(leave_future(&mut jumped, at(100), at(20)), None, "once is enough");
    }

    #[test]
    fn a_room_watched_since_a_time_in_the_future_is_watched_from_now_on() {
        let mut jumped = progress(&[("a", 3_600, 3_600, true)], 50);
        leave_future(&mut jumped, at(100), at(20)).unwrap();
        let now = effective(&jumped, &room("a")).unwrap();
        assert_eq!(
            (now.since, now.cursor),
            (at(10), at(20)),
            "and a little before: it may have taken that long to notice"
        );
    }

    #[test]
    fn a_small_step_back_moves_what_is_watched_and_no_cursor() {
        let mut stepped = progress(&[("a", 100, 150, false)], 150);
        assert_eq!(leave_future(&mut stepped, at(70), at(0)).unwrap().len(), 1);
        let now = effective(&stepped, &room("a")).unwrap();
        assert_eq!((now.since, now.cursor, now.is_behind), (at(-20), at(150), false));
        assert_eq!(leave_future(&mut stepped, at(70), at(0)), None);
    }

    #[test]
    fn two_nodes_a_minute_apart_are_no_jump() {
        let mut steady = progress(&[("a", 0, 0, false)], 160);
        assert_eq!(leave_future(&mut steady, at(100), at(0)), None);
    }
}
