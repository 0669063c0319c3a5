//! Long lists, read one document at a time.
//!
//! `rooms.get` of an account in 10,000 rooms is an answer of some 10 MB: each room carries its last message. As one tree of JSON
//! values it would take several times as much, for good. So one document is decoded at a time, and only the fields that are read.

use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::wire;

/// A list as the server answers it.
#[derive(Debug)]
pub(super) struct Listing<T> {
    /// The documents that could be read, in order.
    pub(super) items: Vec<T>,
    /// `_id`s of what is gone.
    pub(super) removed: Vec<String>,
    /// How many there are in all, where the server says so.
    pub(super) total: Option<usize>,
}

/// The fields of a room or a subscription that are read, the last message first; the others are skipped.
const FIELDS: [&str; 17] = [
    "lastMessage",
    "_id",
    "rid",
    "t",
    "name",
    "fname",
    "encrypted",
    "archived",
    "ro",
    "muted",
    "unmuted",
    "joinCodeRequired",
    "roles",
    "ts",
    "lm",
    "_updatedAt",
    "prid",
];

/// The answers of `rooms.get`, `subscriptions.get` (`update`, `remove`) and `channels.list` (`channels`, `total`).
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    update: Option<&'a RawValue>,
    #[serde(borrow, default)]
    channels: Option<&'a RawValue>,
    #[serde(default)]
    remove: Value,
    #[serde(default)]
    total: Value,
}

impl<T> Listing<T> {
    /// Reads a list with `read`. Documents that it cannot read are left out. `None` where the answer is no JSON that could hold one.
    pub(super) fn read(answer: &[u8], read: impl Fn(&Value) -> Option<T>) -> Option<Self> {
        let answer: Answer<'_> = serde_json::from_slice(answer).ok()?;
        let documents = answer.update.or(answer.channels);
        // Anything but an array is an empty list.
        let documents: Vec<&RawValue> =
            documents.and_then(|list| serde_json::from_str(list.get()).ok()).unwrap_or_default();
        let item = |document: &&RawValue| {
            let document = document.get();
            let whole = pruned(document, &FIELDS);
            // A last message that cannot be decoded is that of a room all the same.
            read(&whole.or_else(|_| pruned(document, &FIELDS[1..])).ok()?)
        };
        let removed = answer.remove.as_array().into_iter().flatten();
        Some(Self {
            items: documents.iter().filter_map(item).collect(),
            removed: removed.filter_map(|gone| wire::filled(gone, "_id").map(str::to_owned)).collect(),
            total: answer.total.as_u64().and_then(|total| usize::try_from(total).ok()),
        })
    }
}

/// A document without the fields that nobody reads. What is skipped is not even decoded.
pub(super) fn pruned(document: &str, fields: &'static [&'static str]) -> Result<Value, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_str(document);
    let read = Fields(fields).deserialize(&mut reader)?;
    Ok(Value::Object(read))
}

/// The fields to keep.
struct Fields(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Fields {
    type Value = Map<String, Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a document")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if self.0.contains(&key.as_str()) {
                fields.insert(key, map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rest::{RoomInfo, Subscription};

    fn rooms(answer: &Value) -> Vec<String> {
        let list = Listing::read(answer.to_string().as_bytes(), RoomInfo::from_document).unwrap();
        list.items.into_iter().map(|info| info.room.id.to_string()).collect()
    }

    #[test]
    fn a_pruned_document_says_the_same_as_the_whole_one() {
        let room = json!({
            "_id": "r", "t": "p", "name": "ops", "fname": "Ops", "encrypted": true, "archived": true, "ro": true,
            "muted": ["a"], "unmuted": ["b"], "joinCodeRequired": true, "ts": {"$date": 1}, "lm": {"$date": 2},
            "_updatedAt": {"$date": 3}, "lastMessage": {"_id": "m", "msg": "long"}, "usersCount": 7,
        });
        let answer = json!({"success": true, "update": [room], "remove": []}).to_string();
        let list = Listing::read(answer.as_bytes(), RoomInfo::from_document).unwrap();
        assert_eq!(list.items, [RoomInfo::from_document(&room).unwrap()]);
        let subscription = json!({
            "_id": "s", "rid": "r", "t": "c", "name": "ops", "fname": "Ops", "roles": ["owner"], "archived": false,
            "ts": "2026-01-01T00:00:00.000Z", "_updatedAt": "2026-01-01T00:00:00.000Z", "unread": 3,
        });
        let answer = json!({"update": [subscription], "remove": []}).to_string();
        let list = Listing::read(answer.as_bytes(), Subscription::from_document).unwrap();
        assert_eq!(list.items, [Subscription::from_document(&subscription).unwrap()]);
    }

    #[test]
    fn one_bad_document_costs_no_other_and_a_list_of_another_type_is_empty() {
        let good = json!({"_id": "r", "t": "c", "name": "ops"});
        assert_eq!(rooms(&json!({"update": [7, null, {"t": "c"}, good, "x", []], "remove": 7})), ["r"]);
        assert!(rooms(&json!({"update": {"_id": "r"}})).is_empty());
        for last in [r#"{"msg": "\ud83d"}"#.to_owned(), format!("{}1{}", "[".repeat(500), "]".repeat(500))] {
            let answer = format!(r#"{{"update": [{{"_id": "r", "t": "c", "lastMessage": {last}}}]}}"#);
            let list = Listing::read(answer.as_bytes(), RoomInfo::from_document).unwrap();
            assert_eq!(list.items.len(), 1, "{last}");
        }
        assert!(rooms(&json!({})).is_empty());
    }

    #[test]
    fn what_is_gone_and_how_many_there_are_is_read() {
        let answer = json!({"channels": [], "total": 250, "remove": [{"_id": "a"}, {"x": 1}]}).to_string();
        let list = Listing::read(answer.as_bytes(), RoomInfo::from_document).unwrap();
        assert_eq!((list.removed, list.total), (vec!["a".to_owned()], Some(250)));
    }
}
