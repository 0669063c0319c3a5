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
use serde_json::Value;

use super::{Call, RestClient, RestError};
use crate::{Message, MessageId, RoomId, wire};

/// Messages per page.
const PAGE: usize = 100;
/// Messages per page if that many changed within one millisecond.
const LARGEST_PAGE: usize = 6_400;
/// `_updatedAt` has whole milliseconds, and the server compares strictly.
const OVERLAP: SignedDuration = SignedDuration::from_millis(1);

/// One page of a room's changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncPage {
    /// New and changed messages, oldest change first. Those at the end of one page come again on the next.
    pub messages: Vec<Message>,
    /// Deleted messages. Only servers that do not page list them.
    pub deleted: Vec<MessageId>,
    /// The number of documents that could not be read as a message.
    pub unreadable: usize,
    /// The `since` of the next page; `None` on the last one. Always later than the `since` of this page.
    pub next: Option<Timestamp>,
}

impl RestClient {
    /// What changed in a room after `since`, exclusive, in pages.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn sync_messages(&self, room: &RoomId, since: Timestamp) -> Result<SyncPage, RestError> {
        let mut count = PAGE;
        while !self.sync_is_unpaged.load(Ordering::Relaxed) && count <= LARGEST_PAGE {
            match self.sync_page(room, since, count).await {
                // The whole page is of one millisecond, so only a larger page makes progress.
                Ok(page) if page.next.is_some_and(|next| next <= since) => count *= 8,
                Ok(page) => return Ok(page),
                Err(error) if refuses_paging(&error) => self.sync_is_unpaged.store(true, Ordering::Relaxed),
                Err(error) => return Err(error),
            }
        }
        self.sync_whole(room, since).await
    }

    async fn sync_page(&self, room: &RoomId, since: Timestamp, count: usize) -> Result<SyncPage, RestError> {
        let query = [
            ("roomId", room.to_string()),
            ("type", "UPDATED".to_owned()),
            ("next", since.as_millisecond().to_string()),
            ("count", count.to_string()),
        ];
        let answer = self.call(Call::get("chat.syncMessages", &query).listing()).await?;
        let mut page = read(&answer)?;
        page.next = answer
            .pointer("/result/cursor/next")
            .and_then(wire::code)
            .and_then(|ms| Timestamp::from_millisecond(ms.parse().ok()?).ok())
            .and_then(|last| last.checked_sub(OVERLAP).ok());
        Ok(page)
    }

    async fn sync_whole(&self, room: &RoomId, since: Timestamp) -> Result<SyncPage, RestError> {
        let query = [("roomId", room.to_string()), ("lastUpdate", iso(since))];
        read(&self.call(Call::get("chat.syncMessages", &query).listing()).await?)
    }
}

fn read(answer: &Value) -> Result<SyncPage, RestError> {
    let result = answer.get("result").ok_or_else(|| RestError::unclear("an answer without a result"))?;
    let list = |key| result.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut page = SyncPage::default();
    for document in list("updated") {
        match Message::from_document(document) {
            Ok(message) => page.messages.push(message),
            Err(_) => page.unreadable += 1,
        }
    }
    page.messages.sort_by_key(|message| message.updated_at);
    page.deleted =
        list("deleted").iter().filter_map(|gone| wire::filled(gone, "_id").map(MessageId::new)).collect();
    Ok(page)
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
    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_is_read_oldest_first_and_unreadable_documents_are_counted() {
        let document = |id: &str, ms: i64| {
            json!({"_id": id, "rid": "r", "msg": "x", "u": {"_id": "u"}, "ts": "2023-10-04T11:05:05.309Z",
                   "_updatedAt": Timestamp::from_millisecond(ms).unwrap().to_string()})
        };
        let answer = json!({"result": {
            "updated": [document("b", 2), document("a", 1), {"_id": "no room"}, null],
            "deleted": [{"_id": "gone"}, 7],
        }});
        let page = read(&answer).unwrap();
        let ids: Vec<_> = page.messages.iter().map(|message| message.id.as_str()).collect();
        assert_eq!(ids, ["a", "b"]);
        assert_eq!((page.deleted, page.unreadable, page.next), (vec![MessageId::new("gone")], 2, None));
        assert!(read(&json!({"success": true})).unwrap_err().is_retryable());
    }

    #[test]
    fn times_are_written_with_milliseconds() {
        let time = Timestamp::from_millisecond(1_696_417_505_300).unwrap();
        assert_eq!(iso(time), "2023-10-04T11:05:05.300Z");
    }

    #[test]
    fn refusals_of_paging_are_told_from_refusals_of_the_room() {
        let rejected = |code: &str, reason: &str| RestError::Rejected {
            status: 400,
            code: code.into(),
            reason: reason.into(),
        };
        assert!(refuses_paging(&rejected("error-lastUpdate-param-not-provided", "")));
        assert!(refuses_paging(&rejected("invalid-params", "must NOT have additional properties")));
        assert!(!refuses_paging(&rejected("error-not-allowed", "Not allowed")));
        assert!(!refuses_paging(&RestError::unclear("HTTP 502")));
    }
}
