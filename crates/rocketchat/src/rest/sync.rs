//! What changed in a room since a given time, to catch up on missed messages.
//!
//! `chat.syncMessages` has two forms. The paged one (`type=UPDATED&next=<ms>&count=`) is newer; servers that do not
//! know it refuse its parameters, and are then called with `lastUpdate` for everything at once.
//!
//! The server's cursor is the last message's `_updatedAt` in milliseconds, and the next page starts strictly after it.
//! If a page ends between messages of the same millisecond, the rest of them would be lost. So each page starts one
//! millisecond before the cursor, and the caller drops what comes twice by its `_id`.

use std::sync::atomic::Ordering;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::listing::pruned;
use super::{RestClient, RestError};
use crate::{Message, MessageId, RoomId, ServerUrl, wire};

/// Messages per page.
const PAGE: usize = 100;
/// Messages per page if that many changed within one millisecond.
const LARGEST_PAGE: usize = 6_400;
/// `_updatedAt` has whole milliseconds, and the server compares strictly.
const OVERLAP: SignedDuration = SignedDuration::from_millis(1);

/// The fields of a message that are not read, and are the larger part of a page: the parsed text, link previews, mentions. An
/// integration may nest its custom fields so deeply that they cannot be decoded.
const UNREAD: [&str; 6] = ["md", "urls", "mentions", "channels", "reactions", "customFields"];

/// One page of a room's changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncPage {
    /// New and changed messages, oldest change first. Those at the end of one page come again on the next.
    pub messages: Vec<Message>,
    /// Documents that could not be read as a message.
    pub unreadable: Vec<Unreadable>,
    /// The `since` of the next page; `None` on the last one. Always later than the `since` of this page.
    pub next: Option<Timestamp>,
}

/// A document that is no message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its `_id`, if it has one.
    pub id: Option<MessageId>,
    /// What is wrong with it.
    pub reason: String,
}

/// The answer of `chat.syncMessages`, its documents not decoded.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    result: Changes<'a>,
}

#[derive(Deserialize)]
struct Changes<'a> {
    #[serde(borrow)]
    updated: Vec<&'a RawValue>,
    #[serde(default)]
    cursor: Value,
}

impl RestClient {
    /// What changed in a room after `since`, exclusive, in pages.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn sync_messages(&self, room: &RoomId, since: Timestamp) -> Result<SyncPage, RestError> {
        let mut count = PAGE;
        loop {
            let is_paged = count <= LARGEST_PAGE && !self.sync_is_unpaged.load(Ordering::Relaxed);
            let mut query = vec![("roomId", room.to_string())];
            if is_paged {
                query.push(("type", "UPDATED".to_owned()));
                query.push(("next", since.as_millisecond().to_string()));
                query.push(("count", count.to_string()));
            } else {
                query.push(("lastUpdate", iso(since)));
            }
            let answer = self.get_raw("chat.syncMessages", &query).await;
            match answer.and_then(|answer| read(&answer, self.account.server())) {
                Ok(page) if !is_paged => return Ok(SyncPage { next: None, ..page }),
                // The whole page is of one millisecond, so only a larger page makes progress.
                Ok(page) if page.next.is_some_and(|next| next <= since) => count *= 8,
                Err(error) if is_paged && refuses_paging(&error) => {
                    self.sync_is_unpaged.store(true, Ordering::Relaxed);
                }
                outcome => return outcome,
            }
        }
    }
}

/// Reads a page document by document, so that an unreadable one does not affect the others.
pub(super) fn read(answer: &[u8], server: &ServerUrl) -> Result<SyncPage, RestError> {
    let Answer { result } =
        serde_json::from_slice(answer).map_err(|_| RestError::unavailable("an answer without messages"))?;
    let mut page = SyncPage::default();
    for document in result.updated {
        match read_message(document.get(), server) {
            Ok(message) => page.messages.push(message),
            Err(unreadable) => page.unreadable.push(unreadable),
        }
    }
    page.messages.sort_by_key(|message| message.updated_at);
    page.next = result
        .cursor
        .get("next")
        .and_then(wire::code)
        .and_then(|ms| Timestamp::from_millisecond(ms.parse().ok()?).ok())
        .and_then(|last| last.checked_sub(OVERLAP).ok());
    Ok(page)
}

pub(super) fn read_message(document: &str, server: &ServerUrl) -> Result<Message, Unreadable> {
    let whole = pruned(document, &UNREAD).map_err(|error| error.to_string());
    let message =
        whole.and_then(|whole| Message::from_document(&whole, server).map_err(|error| error.to_string()));
    message.map_err(|reason| Unreadable { id: id_in(document), reason })
}

fn id_in(document: &str) -> Option<MessageId> {
    #[derive(Deserialize)]
    struct Named {
        _id: MessageId,
    }
    serde_json::from_str::<Named>(document).ok().map(|named| named._id)
}

/// Whether a server without paging refused the call: its schema has no such parameters, or wants `lastUpdate`.
fn refuses_paging(error: &RestError) -> bool {
    let RestError::Rejected { status: 400, code, reason } = error else {
        return false;
    };
    matches!(code.as_str(), "invalid-params" | "error-invalid-params" | "error-lastUpdate-param-not-provided")
        || code == "error-param-required"
        || reason.contains("lastUpdate")
        || reason.contains("additional properties")
}

/// A time as the REST API expects it: ISO 8601 with milliseconds.
pub(super) fn iso(time: Timestamp) -> String {
    format!("{time:.3}")
}

#[cfg(test)]
mod tests {
    use arbitrary_json::{any_json, mutated, repeatable};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn page(answer: &str) -> SyncPage {
        read(answer.as_bytes(), &"https://chat.example.com".parse().unwrap()).unwrap()
    }

    fn document(id: &str, ms: i64) -> Value {
        json!({"_id": id, "rid": "r", "msg": "x", "u": {"_id": "u"}, "ts": "2023-10-04T11:05:05.309Z",
               "_updatedAt": Timestamp::from_millisecond(ms).unwrap().to_string()})
    }

    fn ids(page: &SyncPage) -> Vec<&str> {
        page.messages.iter().map(|message| message.id.as_str()).collect()
    }

    #[test]
    fn a_page_is_read_oldest_first_and_what_cannot_be_read_is_named() {
        let answer = json!({"result": {
            "updated": [document("b", 2), document("a", 1), {"_id": "no room"}, null, "text"],
        }});
        let page = page(&answer.to_string());
        assert_eq!(ids(&page), ["a", "b"]);
        let unreadable: Vec<_> =
            page.unreadable.iter().map(|one| one.id.as_ref().map(MessageId::as_str)).collect();
        assert_eq!(unreadable, [Some("no room"), None, None]);
        assert_eq!(page.unreadable[0].reason, "the document has no usable \"rid\"");
        assert_eq!(page.next, None);
        let server = "https://chat.example.com".parse().unwrap();
        for nothing in [r#"{"success": true}"#, r#"{"result": 7}"#, r#"{"result": {}}"#, "<html>", ""] {
            assert!(read(nothing.as_bytes(), &server).unwrap_err().is_retryable(), "{nothing}");
        }
    }

    #[test]
    fn a_damaged_document_costs_no_other() {
        let (good, bad) = (document("good", 1).to_string(), document("bad", 2).to_string());
        let answer = |bad: &str| format!(r#"{{"result": {{"updated": [{bad}, {good}]}}}}"#);
        for text in [r"SIGNL4 \ud83d", r"\udc00 SIGNL4"] {
            let page = page(&answer(&bad.replace("\"x\"", &format!("\"{text}\""))));
            assert_eq!((ids(&page), page.unreadable.len()), (vec!["good", "bad"], 0));
            assert!(page.messages[1].text.contains("SIGNL4"));
        }
        // Deeper than `serde_json` follows, where nothing is read and where something is.
        let deep = format!("{}1{}", "[".repeat(500), "]".repeat(500));
        let md = page(&answer(&bad.replacen('{', &format!("{{\"md\": {deep}, "), 1)));
        assert_eq!((ids(&md), md.unreadable.len()), (vec!["good", "bad"], 0));
        let blocks = page(&answer(&bad.replacen('{', &format!("{{\"blocks\": {deep}, "), 1)));
        assert_eq!((ids(&blocks), &blocks.unreadable[0].id), (vec!["good"], &Some(MessageId::new("bad"))));
    }

    #[test]
    fn a_pruned_document_says_the_same_as_the_whole_one() {
        let whole = json!({
            "_id": "m", "rid": "r", "msg": "a", "u": {"_id": "u", "username": "anna", "name": "Anna"}, "tmid": "parent", "t": "uj",
            "ts": {"$date": 1}, "_updatedAt": {"$date": 2}, "editedAt": {"$date": 3}, "bot": {"i": "x"}, "md": [1],
            "attachments": [{"text": "b"}], "blocks": [{"text": "c"}], "file": {"name": "d"}, "files": [{"name": "e"}],
        });
        let server = "https://chat.example.com".parse().unwrap();
        assert_eq!(
            read_message(&whole.to_string(), &server),
            Ok(Message::from_document(&whole, &server).unwrap())
        );
    }

    proptest! {
        #![proptest_config(repeatable(2_000))]

        #[test]
        fn an_unreadable_document_does_not_affect_the_others(at in any::<usize>(), with in any_json()) {
            let bad = mutated(document("bad", 2), at, &with);
            let page = page(&json!({"result": {"updated": [document("a", 1), bad, document("b", 3)]}}).to_string());
            prop_assert!(ids(&page).contains(&"a") && ids(&page).contains(&"b"));
            prop_assert_eq!(page.messages.len() + page.unreadable.len(), 3);
        }
    }

    #[test]
    fn times_are_written_with_milliseconds() {
        let time = Timestamp::from_millisecond(1_696_417_505_300).unwrap();
        assert_eq!(iso(time), "2023-10-04T11:05:05.300Z");
    }

    #[test]
    fn refusals_of_paging_are_distinguished_from_refusals_of_the_room() {
        let rejected = |code: &str, reason: &str| RestError::Rejected {
            status: 400,
            code: code.into(),
            reason: reason.into(),
        };
        assert!(refuses_paging(&rejected("error-lastUpdate-param-not-provided", "")));
        assert!(refuses_paging(&rejected("invalid-params", "must NOT have additional properties")));
        assert!(!refuses_paging(&rejected("error-not-allowed", "Not allowed")));
        assert!(!refuses_paging(&RestError::unavailable("HTTP 502")));
    }
}
