//! A subscription for each room, if the server refuses the one to all rooms.
//!
//! They are requested within the server's rate limits, each with a new id: a monolith silently ignores a repeated id.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::Scope;
use crate::RoomId;

/// The subscription of each room: queued, pending, active or refused.
#[derive(Debug)]
pub(super) struct RoomSubscriptions {
    every: Duration,
    next_at: Instant,
    listed: bool,
    queued: VecDeque<RoomId>,
    pending: HashMap<String, RoomId>,
    active: HashMap<RoomId, String>,
    refused: BTreeSet<RoomId>,
}

impl RoomSubscriptions {
    pub(super) fn new(every: Duration, now: Instant) -> Self {
        Self {
            every,
            next_at: now,
            listed: false,
            queued: VecDeque::new(),
            pending: HashMap::new(),
            active: HashMap::new(),
            refused: BTreeSet::new(),
        }
    }

    /// Takes the list of rooms. Those joined while the list was fetched may be active already.
    pub(super) fn start(&mut self, rooms: impl Iterator<Item = RoomId>) {
        self.listed = true;
        for room in rooms {
            if !self.active.contains_key(&room) {
                self.add(room);
            }
        }
    }

    /// Queues a room, even if it is active: being removed from a room ends its subscription without a frame.
    pub(super) fn add(&mut self, room: RoomId) {
        self.active.remove(&room);
        self.refused.remove(&room);
        if !self.queued.contains(&room) && !self.pending.values().any(|pending| *pending == room) {
            self.queued.push_back(room);
        }
    }

    /// Removes a room, and returns the id of its subscription if it has one.
    pub(super) fn remove(&mut self, room: &RoomId) -> Option<String> {
        self.queued.retain(|queued| queued != room);
        self.refused.remove(room);
        let id = self.pending.iter().find(|(_, pending)| *pending == room).map(|(id, _)| id.clone());
        id.inspect(|id| drop(self.pending.remove(id))).or_else(|| self.active.remove(room))
    }

    /// When the next subscription may be requested, if one is queued.
    pub(super) fn next_at(&self) -> Option<Instant> {
        (!self.queued.is_empty()).then_some(self.next_at)
    }

    /// The room to subscribe to now, with `id`.
    pub(super) fn request(&mut self, id: &str, now: Instant) -> Option<RoomId> {
        if now < self.next_at {
            return None;
        }
        let room = self.queued.pop_front()?;
        self.next_at = now + self.every;
        self.pending.insert(id.to_owned(), room.clone());
        Some(room)
    }

    /// The server confirmed a subscription; returns its room.
    pub(super) fn confirm(&mut self, id: &str) -> Option<RoomId> {
        let room = self.pending.remove(id)?;
        self.active.insert(room.clone(), id.to_owned());
        Some(room)
    }

    /// The server refused or ended a subscription; returns its room.
    pub(super) fn ended(&mut self, id: &str) -> Option<RoomId> {
        let active = self.active.iter().find(|(_, active)| *active == id).map(|(room, _)| room.clone());
        let room = self.pending.remove(id).or(active)?;
        self.active.remove(&room);
        self.refused.insert(room.clone());
        Some(room)
    }

    /// Requests a rate limited subscription again, and none before `wait` is over.
    pub(super) fn postpone(&mut self, id: &str, now: Instant, wait: Duration) {
        if let Some(room) = self.pending.remove(id) {
            self.queued.push_front(room);
        }
        self.next_at = self.next_at.max(now + wait);
    }

    /// Whether the id is that of a room's subscription.
    pub(super) fn contains(&self, id: &str) -> bool {
        self.pending.contains_key(id) || self.active.values().any(|active| active == id)
    }

    /// Whether a request is not answered yet.
    pub(super) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether the rooms are listed, and each request is answered.
    pub(super) fn is_complete(&self) -> bool {
        self.listed && self.queued.is_empty() && self.pending.is_empty()
    }

    /// What the session is subscribed to.
    pub(super) fn scope(&self) -> Scope {
        Scope::EachRoom { subscribed: self.active.len(), refused: self.refused.iter().cloned().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_millis(300);

    fn rooms(names: &[&str]) -> (RoomSubscriptions, Instant) {
        let now = Instant::now();
        let mut rooms = RoomSubscriptions::new(EVERY, now);
        assert!(!rooms.is_complete(), "the rooms are not listed yet");
        rooms.start(names.iter().map(|name| RoomId::new(*name)));
        (rooms, now)
    }

    #[test]
    fn rooms_are_requested_one_by_one_with_a_pause() {
        let (mut rooms, now) = rooms(&["a", "b", "a"]);
        assert_eq!(rooms.request("1", now), Some(RoomId::new("a")));
        assert_eq!(rooms.request("2", now), None, "too early");
        assert_eq!(rooms.next_at(), Some(now + EVERY));
        assert_eq!(rooms.request("2", now + EVERY), Some(RoomId::new("b")));
        assert_eq!(rooms.next_at(), None, "a was queued once");
        assert!(rooms.has_pending() && !rooms.is_complete());
        rooms.confirm("1");
        rooms.ended("2");
        assert!(rooms.is_complete());
        assert_eq!(rooms.scope(), Scope::EachRoom { subscribed: 1, refused: vec![RoomId::new("b")] });
    }

    #[test]
    fn a_room_left_and_joined_again_is_requested_again() {
        let (mut rooms, now) = rooms(&["a"]);
        rooms.request("1", now);
        rooms.confirm("1");
        assert_eq!(rooms.remove(&RoomId::new("a")), Some("1".into()));
        assert!(!rooms.contains("1"));
        rooms.add(RoomId::new("a"));
        assert_eq!(rooms.request("2", now + EVERY), Some(RoomId::new("a")));
    }

    #[test]
    fn a_rate_limited_room_is_requested_again_after_the_wait() {
        let (mut rooms, now) = rooms(&["a", "b"]);
        rooms.request("1", now);
        rooms.postpone("1", now, Duration::from_secs(7));
        assert_eq!(rooms.request("2", now + Duration::from_secs(6)), None);
        assert_eq!(rooms.request("2", now + Duration::from_secs(7)), Some(RoomId::new("a")));
        assert_eq!(rooms.confirm("1"), None, "the old id is unknown");
    }
}
