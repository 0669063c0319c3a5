//! Reads changes of the account's rooms, and reports each once.
//!
//! A server sends `updated` for a room and its subscription with every message, since both hold counters. The last
//! reported form is remembered as a hash, so that only relevant changes are reported.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use jiff::Timestamp;
use serde_json::Value;

use super::RoomChange;
use crate::rest::{RoomInfo, Subscription};
use crate::{Room, RoomId, wire};

/// How many are remembered before all are forgotten, which only repeats some reports.
const MAX_REMEMBERED: usize = 50_000;

/// What was last reported of each room and each subscription.
#[derive(Debug, Default)]
pub(super) struct KnownRooms {
    /// Keyed at random at each start, so nobody can look for two forms with the same hash.
    hasher: RandomState,
    /// By `_id`: the room, since a removed subscription may come without it, and the hash of the form.
    reported: HashMap<String, (RoomId, u64)>,
}

impl KnownRooms {
    /// Reads `subscriptions-changed`: `["inserted" | "updated" | "removed", document]`.
    pub(super) fn subscription_changed(&mut self, args: &[Value]) -> Option<RoomChange> {
        let (action, document) = action(args)?;
        if action == "removed" {
            let known = wire::filled(document, "_id").and_then(|id| self.reported.remove(id));
            let room = wire::filled(document, "rid").map(RoomId::new).or(known.map(|(room, _)| room))?;
            return Some(RoomChange::Left(room));
        }
        let now = Subscription::from_document(document)?;
        let id = now.id.as_deref().unwrap_or(now.room.id.as_str());
        let change = self.changed(id, &now.room, now.archived, now.updated_at);
        if action == "inserted" { Some(RoomChange::Joined(now)) } else { change }
    }

    /// Reads `rooms-changed`: `["inserted" | "updated" | "removed", document]`.
    pub(super) fn room_changed(&mut self, args: &[Value]) -> Option<RoomChange> {
        let (action, document) = action(args)?;
        if action == "removed" {
            let room = RoomId::new(wire::filled(document, "_id")?);
            self.reported.remove(room.as_str());
            return Some(RoomChange::Deleted(room));
        }
        let now = RoomInfo::from_document(document)?;
        self.changed(now.room.id.as_str(), &now.room, now.archived, now.updated_at)
    }

    /// The change, unless this form was the last one reported under `id`.
    fn changed(
        &mut self,
        id: &str,
        room: &Room,
        archived: bool,
        updated_at: Option<Timestamp>,
    ) -> Option<RoomChange> {
        if self.reported.len() >= MAX_REMEMBERED {
            self.reported.clear();
        }
        let form = (room.id.clone(), self.hasher.hash_one((room, archived)));
        let before = self.reported.insert(id.to_owned(), form.clone());
        (before != Some(form)).then(|| RoomChange::Changed { room: room.clone(), archived, updated_at })
    }
}

/// `[action, document]`, nested or not.
fn action(args: &[Value]) -> Option<(&str, &Value)> {
    match args {
        [Value::String(action), document, ..] => Some((action, document)),
        [Value::Array(inner), ..] => self::action(inner),
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
