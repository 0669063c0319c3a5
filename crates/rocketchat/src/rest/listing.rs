//! Long lists, read one document at a time.
//!
//! `rooms.get` for an account in 10,000 rooms returns some 10 MB, because each room contains its last message. As one
//! tree of JSON values it would take several times as much memory. So one document is decoded at a time, without
//! long fields that are not read.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// A list from the server.
#[derive(Clone)]
pub(super) struct Listing(Vec<u8>);

/// The answers of `rooms.get`, `subscriptions.get` (`update`) and `channels.list` (`channels`, `total`).
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, alias = "channels")]
    update: Vec<&'a RawValue>,
    #[serde(default)]
    total: Value,
}

impl Listing {
    /// `None` without a list. An answer of a gateway must not pass for an empty one.
    pub(super) fn new(answer: Vec<u8>) -> Option<Self> {
        let listing = Self(answer);
        listing.answer().is_some().then_some(listing)
    }

    /// How many there are in total, if the server says so.
    pub(super) fn total(&self) -> Option<usize> {
        usize::try_from(self.answer()?.total.as_u64()?).ok()
    }

    /// Reads each document with `read`, without `lastMessage`. Unreadable ones are omitted.
    pub(super) fn items<T>(&self, read: impl Fn(&Value) -> Option<T>) -> impl Iterator<Item = T> {
        self.documents().filter_map(move |document| read(&quiet(document).ok()?))
    }

    /// The documents.
    pub(super) fn documents(&self) -> impl Iterator<Item = &str> {
        self.answer().into_iter().flat_map(|answer| answer.update).map(RawValue::get)
    }

    fn answer(&self) -> Option<Answer<'_>> {
        serde_json::from_slice(&self.0).ok()
    }
}

/// The document of a room without its last message, and without custom fields, which may be nested too deeply to be decoded.
pub(super) fn quiet(document: &str) -> Result<Value, serde_json::Error> {
    pruned(document, &["lastMessage", "customFields"])
}

/// A document without these fields, which are not even decoded. Half of a surrogate pair, which is only found when a text is
/// decoded, is repaired.
pub(super) fn pruned(document: &str, without: &[&str]) -> Result<Value, serde_json::Error> {
    let mut whole: HashMap<String, &RawValue> = serde_json::from_str(document)?;
    whole.retain(|key, _| !without.contains(&key.as_str()));
    let decoded = |value: &str| {
        serde_json::from_str(value).or_else(|_| serde_json::from_str(&lenient_json::repair(value.as_bytes())))
    };
    let kept = whole.into_iter().map(|(key, value)| Ok((key, decoded(value.get())?)));
    kept.collect::<Result<_, _>>().map(Value::Object)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rest::{RoomInfo, RoomList, Subscription};

    fn rooms(answer: &Value) -> Vec<String> {
        list(answer.to_string()).items(RoomInfo::from_document).map(|info| info.room.id.to_string()).collect()
    }

    fn list(answer: String) -> Listing {
        Listing::new(answer.into_bytes()).unwrap()
    }

    #[test]
    fn a_pruned_document_says_the_same_as_the_whole_one() {
        let room = json!({
            "_id": "r", "t": "p", "name": "ops", "fname": "Ops", "encrypted": true, "archived": true, "ro": true,
            "muted": ["a"], "unmuted": ["b"], "joinCodeRequired": true, "ts": {"$date": 1}, "lm": {"$date": 2},
            "_updatedAt": {"$date": 3}, "lastMessage": {"_id": "m", "msg": "long"}, "usersCount": 7,
        });
        let answer = json!({"success": true, "update": [room], "remove": []}).to_string();
        let read: Vec<_> = list(answer).items(RoomInfo::from_document).collect();
        assert_eq!(read, [RoomInfo::from_document(&room).unwrap()]);
        let subscription = json!({
            "_id": "s", "rid": "r", "t": "c", "name": "ops", "fname": "Ops", "roles": ["owner"], "archived": false,
            "ts": "2026-01-01T00:00:00.000Z", "_updatedAt": "2026-01-01T00:00:00.000Z", "unread": 3,
        });
        let answer = json!({"update": [subscription], "remove": []}).to_string();
        let read: Vec<_> = list(answer).items(Subscription::from_document).collect();
        assert_eq!(read, [Subscription::from_document(&subscription).unwrap()]);
    }

    #[test]
    fn one_bad_document_costs_no_other() {
        let good = json!({"_id": "r", "t": "c", "name": "ops"});
        assert_eq!(rooms(&json!({"update": [7, null, {"t": "c"}, good, "x", []], "remove": 7})), ["r"]);
        for last in [r#"{"msg": "\ud83d"}"#.to_owned(), format!("{}1{}", "[".repeat(500), "]".repeat(500))] {
            let answer = format!(r#"{{"update": [{{"_id": "r", "t": "c", "lastMessage": {last}}}]}}"#);
            let (listing, server) = (list(answer), "https://chat.example.com".parse().unwrap());
            let rooms = RoomList { listing, server };
            assert_eq!(rooms.with_last_messages(jiff::Timestamp::UNIX_EPOCH).count(), 1, "{last}");
        }
    }

    #[test]
    fn an_answer_without_a_list_is_not_an_empty_list() {
        for answer in [
            json!({}),
            json!({"status": "maintenance"}),
            json!({"update": {"_id": "r"}}),
            json!({"update": null}),
        ] {
            assert!(Listing::new(answer.to_string().into_bytes()).is_none(), "{answer}");
        }
        assert!(rooms(&json!({"update": []})).is_empty());
    }

    #[test]
    fn how_many_there_are_in_all_is_read() {
        assert_eq!(list(json!({"channels": [], "total": 250}).to_string()).total(), Some(250));
        assert_eq!(list(json!({"channels": []}).to_string()).total(), None);
    }
}
