//! What holds for any answer.

use serde_json::Value;

use super::listing::Listing;
use super::{RoomInfo, RoomList, Subscription, sync};
use crate::{Message, ServerUrl};

/// A message between which anything may stand.
const GOOD: &str = r#"{"_id":"good","rid":"r","msg":"x","u":{"_id":"u"},"ts":{"$date":1}}"#;

/// The body of a successful answer of any call that lists something.
pub(crate) fn body(text: &str, server: &ServerUrl) {
    page(text, server);
    if let Some(listing) = Listing::new(text.as_bytes().to_vec()) {
        let _ = listing.total();
        let rooms = listing.items(RoomInfo::from_document).inspect(|info| is_named(info.room.id.as_str()));
        let list = RoomList { listing: listing.clone(), server: server.clone() };
        let last = list.with_last_messages(jiff::Timestamp::UNIX_EPOCH);
        // One more field neither hides nor invents a room.
        assert_eq!(rooms.count(), last.inspect(|info| is_named(info.room.id.as_str())).count());
        listing
            .items(Subscription::from_document)
            .for_each(|subscription| is_named(subscription.room.id.as_str()));
    }
}

fn page(text: &str, server: &ServerUrl) {
    if let Ok(page) = sync::read(text.as_bytes(), server) {
        page.messages.iter().for_each(crate::fuzzing::is_bounded);
        assert!(page.messages.is_sorted_by_key(|message| message.updated_at));
        // An array in place of an object is read by its order, which no server relies on.
        let result =
            serde_json::from_str::<Value>(text).ok().and_then(|whole| Some(whole.get("result")?.clone()));
        if let Some(result) = result.filter(Value::is_object) {
            let updated = result.get("updated").and_then(Value::as_array);
            let read = page.messages.len() + page.unreadable.len();
            assert_eq!(read, updated.map_or(0, Vec::len));
        }
    }
    // Whatever one document is, the others are read.
    if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
        let page =
            sync::read(format!(r#"{{"result":{{"updated":[{GOOD},{text},{GOOD}]}}}}"#).as_bytes(), server);
        assert!(page.is_ok_and(|page| {
            page.messages.iter().filter(|message| message.id.as_str() == "good").count() >= 2
                && page.messages.len() + page.unreadable.len() == 3
        }));
    }
}

/// As a list's reader reads it.
pub(crate) fn read_message(document: &str, server: &ServerUrl) -> Option<Message> {
    sync::read_message(document, server).ok()
}

fn is_named(id: &str) {
    assert!(!id.trim().is_empty());
}
