//! Reads changes of the account's rooms, and reports each once.
//!
//! A server sends `updated` for a room and its subscription with every message, since both hold counters. The last
//! reported form is remembered as a hash, so that only relevant changes are reported.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};

use serde_json::Value;

use super::RoomChange;
use crate::rest::{RoomInfo, Subscription};
use crate::{RoomId, wire};

/// How many rooms are remembered before all are forgotten, which only repeats some reports.
const MAX_REMEMBERED: usize = 50_000;

/// What was last reported of each room.
#[derive(Debug, Default)]
pub(super) struct KnownRooms {
    hasher: RandomState,
    rooms: HashMap<RoomId, u64>,
    subscriptions: HashMap<RoomId, u64>,
    /// The room of each subscription: a removed one may come without it.
    by_subscription: HashMap<String, RoomId>,
}

impl KnownRooms {
    /// Reads `subscriptions-changed`: `["inserted" | "updated" | "removed", document]`.
    pub(super) fn subscription_changed(&mut self, args: &[Value]) -> Option<RoomChange> {
        let (action, document) = action(args)?;
        if action == "removed" {
            return self.subscription_removed(document);
        }
        let now = Subscription::from_document(document)?;
        self.bound();
        let room = now.room.id.clone();
        if let Some(id) = &now.id {
            self.by_subscription.insert(id.clone(), room.clone());
        }
        let hash = self.hash(&Subscription { updated_at: None, ..now.clone() });
        let before = self.subscriptions.insert(room, hash);
        if action == "inserted" {
            return Some(RoomChange::Joined(now));
        }
        let Subscription { room, archived, updated_at, .. } = now;
        (before != Some(hash)).then_some(RoomChange::Changed { room, archived, updated_at })
    }

    fn subscription_removed(&mut self, document: &Value) -> Option<RoomChange> {
        let by_id = wire::filled(document, "_id").and_then(|id| self.by_subscription.remove(id));
        let room = wire::filled(document, "rid").map(RoomId::new).or(by_id)?;
        self.subscriptions.remove(&room);
        Some(RoomChange::Left(room))
    }

    /// Reads `rooms-changed`: `["inserted" | "updated" | "removed", document]`.
    pub(super) fn room_changed(&mut self, args: &[Value]) -> Option<RoomChange> {
        let (action, document) = action(args)?;
        if action == "removed" {
            let room = RoomId::new(wire::filled(document, "_id")?);
            self.rooms.remove(&room);
            return Some(RoomChange::Deleted(room));
        }
        let now = RoomInfo::from_document(document)?;
        self.bound();
        let hash = self.hash(&RoomInfo { updated_at: None, last_message_at: None, ..now.clone() });
        let before = self.rooms.insert(now.room.id.clone(), hash);
        let RoomInfo { room, archived, updated_at, .. } = now;
        (before != Some(hash)).then_some(RoomChange::Changed { room, archived, updated_at })
    }

    /// Keyed at random at each start, so nobody can look for two forms with the same one.
    fn hash(&self, form: &impl Hash) -> u64 {
        self.hasher.hash_one(form)
    }

    fn bound(&mut self) {
        if self.rooms.len() + self.by_subscription.len() >= MAX_REMEMBERED {
            *self = Self::default();
        }
    }
}

/// `[action, document]`, nested once or not.
fn action(args: &[Value]) -> Option<(&str, &Value)> {
    match args {
        [Value::String(action), document, ..] => Some((action, document)),
        [Value::Array(inner), ..] => match inner.as_slice() {
            [Value::String(action), document, ..] => Some((action, document)),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn subscribed(known: &mut KnownRooms, args: Value) -> Option<RoomChange> {
        known.subscription_changed(args.as_array().unwrap())
    }

    fn room(known: &mut KnownRooms, args: Value) -> Option<RoomChange> {
        known.room_changed(args.as_array().unwrap())
    }

    #[test]
    fn a_join_and_a_leave_are_reported_with_their_room() {
        let mut known = KnownRooms::default();
        let joined =
            subscribed(&mut known, json!(["inserted", {"_id": "s1", "rid": "r1", "t": "c", "name": "ops"}]));
        assert!(matches!(joined, Some(RoomChange::Joined(joined)) if joined.room.id == RoomId::new("r1")));
        let left = Some(RoomChange::Left(RoomId::new("r1")));
        assert_eq!(
            subscribed(&mut known, json!(["removed", {"_id": "s1"}])),
            left,
            "by the subscription alone"
        );
        assert_eq!(subscribed(&mut known, json!(["removed", {"_id": "s2", "rid": "r1"}])), left);
        assert_eq!(subscribed(&mut known, json!(["removed", {"_id": "s3"}])), None, "of an unknown room");
    }

    #[test]
    fn a_message_in_a_room_does_not_change_the_room() {
        let mut known = KnownRooms::default();
        let at = |ms: i64, name: &str| {
            json!(["updated", {"_id": "r1", "rid": "r1", "t": "p", "name": name, "lm": {"$date": ms},
                               "_updatedAt": {"$date": ms}, "unread": ms, "msgs": ms}])
        };
        assert!(room(&mut known, at(1, "ops")).is_some(), "reported the first time");
        assert_eq!(room(&mut known, at(2, "ops")), None);
        assert!(room(&mut known, at(3, "ops2")).is_some(), "renamed");
        assert!(subscribed(&mut known, at(1, "ops")).is_some());
        assert_eq!(subscribed(&mut known, at(2, "ops")), None);
        assert!(subscribed(&mut known, at(3, "ops2")).is_some());
    }

    #[test]
    fn unreadable_arguments_change_nothing() {
        let mut known = KnownRooms::default();
        for args in [
            json!([]),
            json!([1]),
            json!(["updated"]),
            json!(["updated", 7]),
            json!([["removed"]]),
            json!([{}]),
        ] {
            assert_eq!((subscribed(&mut known, args.clone()), room(&mut known, args)), (None, None));
        }
        let nested = room(&mut known, json!([["removed", {"_id": "r1"}]]));
        assert_eq!(nested, Some(RoomChange::Deleted(RoomId::new("r1"))));
    }
}
