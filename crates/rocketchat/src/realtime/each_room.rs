//! The subscriptions of a session where the server refuses the one to all rooms, so that each room needs its own.
//!
//! They are made at a pace the server's limits allow, and each is asked for under a fresh id: a monolith drops a
//! repeated live id silently.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::Scope;
use crate::RoomId;

/// Which rooms are to be heard, asked for, heard, refused.
#[derive(Debug)]
pub(super) struct EachRoom {
    every: Duration,
    next_at: Instant,
    begun: bool,
    wanted: VecDeque<RoomId>,
    asked: HashMap<String, RoomId>,
    heard: HashMap<RoomId, String>,
    refused: BTreeSet<RoomId>,
}

impl EachRoom {
    pub(super) fn new(every: Duration, now: Instant) -> Self {
        Self {
            every,
            next_at: now,
            begun: false,
            wanted: VecDeque::new(),
            asked: HashMap::new(),
            heard: HashMap::new(),
            refused: BTreeSet::new(),
        }
    }

    /// Takes in the rooms to begin with. Those joined while they were being listed may be heard already.
    pub(super) fn begin(&mut self, rooms: impl Iterator<Item = RoomId>) {
        self.begun = true;
        for room in rooms {
            if !self.heard.contains_key(&room) {
                self.want(room);
            }
        }
    }

    /// Puts a room in line. One that was heard is asked for anew: a kick ends a subscription without a word.
    pub(super) fn want(&mut self, room: RoomId) {
        self.heard.remove(&room);
        self.refused.remove(&room);
        if !self.wanted.contains(&room) && !self.asked.values().any(|asked| *asked == room) {
            self.wanted.push_back(room);
        }
    }

    /// Forgets a room, and tells the id of its subscription if there is one.
    pub(super) fn forget(&mut self, room: &RoomId) -> Option<String> {
        self.wanted.retain(|wanted| wanted != room);
        self.refused.remove(room);
        let asked = self.asked.iter().find(|(_, asked)| *asked == room).map(|(id, _)| id.clone());
        asked.inspect(|id| drop(self.asked.remove(id))).or_else(|| self.heard.remove(room))
    }

    /// When the next room may be asked for, if one is in line.
    pub(super) fn next_at(&self) -> Option<Instant> {
        (!self.wanted.is_empty()).then_some(self.next_at)
    }

    /// The room to ask for now, under `id`.
    pub(super) fn ask(&mut self, id: &str, now: Instant) -> Option<RoomId> {
        if now < self.next_at {
            return None;
        }
        let room = self.wanted.pop_front()?;
        self.next_at = now + self.every;
        self.asked.insert(id.to_owned(), room.clone());
        Some(room)
    }

    /// A subscription stands: tells whose.
    pub(super) fn stands(&mut self, id: &str) -> Option<RoomId> {
        let room = self.asked.remove(id)?;
        self.heard.insert(room.clone(), id.to_owned());
        Some(room)
    }

    /// A subscription is refused, or has ended: tells whose.
    pub(super) fn ended(&mut self, id: &str) -> Option<RoomId> {
        let heard = self.heard.iter().find(|(_, heard)| *heard == id).map(|(room, _)| room.clone());
        let room = self.asked.remove(id).or(heard)?;
        self.heard.remove(&room);
        self.refused.insert(room.clone());
        Some(room)
    }

    /// The server wants fewer subscriptions: this one is asked for again, and none before `wait` is over.
    pub(super) fn postpone(&mut self, id: &str, now: Instant, wait: Duration) {
        if let Some(room) = self.asked.remove(id) {
            self.wanted.push_front(room);
        }
        self.next_at = self.next_at.max(now + wait);
    }

    /// Whether this subscription is one of a room.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.asked.contains_key(id) || self.heard.values().any(|heard| heard == id)
    }

    /// Whether an answer is awaited.
    pub(super) fn is_waiting(&self) -> bool {
        !self.asked.is_empty()
    }

    /// Whether the rooms are known, and each was asked for and answered.
    pub(super) fn is_settled(&self) -> bool {
        self.begun && self.wanted.is_empty() && self.asked.is_empty()
    }

    /// What is heard.
    pub(super) fn scope(&self) -> Scope {
        Scope::EachRoom { heard: self.heard.len(), refused: self.refused.iter().cloned().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_millis(300);

    fn rooms(names: &[&str]) -> (EachRoom, Instant) {
        let now = Instant::now();
        let mut rooms = EachRoom::new(EVERY, now);
        assert!(!rooms.is_settled(), "the rooms are not known yet");
        rooms.begin(names.iter().map(|name| RoomId::new(*name)));
        (rooms, now)
    }

    #[test]
    fn rooms_are_asked_for_one_by_one_at_their_pace() {
        let (mut rooms, now) = rooms(&["a", "b", "a"]);
        assert_eq!(rooms.ask("1", now), Some(RoomId::new("a")));
        assert_eq!(rooms.ask("2", now), None, "too early");
        assert_eq!(rooms.next_at(), Some(now + EVERY));
        assert_eq!(rooms.ask("2", now + EVERY), Some(RoomId::new("b")));
        assert_eq!(rooms.next_at(), None, "a was wanted once");
        assert!(rooms.is_waiting() && !rooms.is_settled());
        rooms.stands("1");
        rooms.ended("2");
        assert!(rooms.is_settled());
        assert_eq!(rooms.scope(), Scope::EachRoom { heard: 1, refused: vec![RoomId::new("b")] });
    }

    #[test]
    fn a_room_left_and_joined_again_is_asked_for_again() {
        let (mut rooms, now) = rooms(&["a"]);
        rooms.ask("1", now);
        rooms.stands("1");
        assert_eq!(rooms.forget(&RoomId::new("a")), Some("1".into()));
        assert!(!rooms.knows("1"));
        rooms.want(RoomId::new("a"));
        assert_eq!(rooms.ask("2", now + EVERY), Some(RoomId::new("a")));
    }

    #[test]
    fn a_room_refused_for_haste_is_asked_for_again_after_the_wait() {
        let (mut rooms, now) = rooms(&["a", "b"]);
        rooms.ask("1", now);
        rooms.postpone("1", now, Duration::from_secs(7));
        assert_eq!(rooms.ask("2", now + Duration::from_secs(6)), None);
        assert_eq!(rooms.ask("2", now + Duration::from_secs(7)), Some(RoomId::new("a")));
        assert_eq!(rooms.stands("1"), None, "the old id means nothing any more");
    }
}
