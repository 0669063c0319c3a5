//! Reads a message from the JSON document that DDP and REST send.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;

use super::readable::readable_text;
use super::{Author, Message, MessageId, RoomId, RoomKind, ServerUrl, UserId, wire};

/// Why a document is not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// It lacks a required field.
    #[error("the document has no usable \"{0}\"")]
    Missing(&'static str),
    /// Reading it panicked, which is a bug of this crate. The documents beside it can still be read.
    #[error("the document made the decoder panic")]
    Panicked,
}

impl Message {
    /// Reads a message of this server from its document, from a stream's `args` or an answer of the REST API.
    ///
    /// `_id`, `rid`, `u._id` and a time must be there; everything else may be missing or of the wrong type.
    ///
    /// # Errors
    /// If one of those is missing.
    pub fn from_document(document: &Value, server: &ServerUrl) -> Result<Self, MessageError> {
        let read = AssertUnwindSafe(|| Self::read(document, server));
        catch_unwind(read).unwrap_or(Err(MessageError::Panicked))
    }

    fn read(document: &Value, server: &ServerUrl) -> Result<Self, MessageError> {
        let id = required(document, "_id", "_id")?;
        let room = required(document, "rid", "rid")?;
        let user = document.get("u").unwrap_or(&Value::Null);
        let author_id = required(user, "_id", "u._id")?;
        let written = wire::time_of(document, "ts");
        let updated = wire::time_of(document, "_updatedAt");
        let sent_at = written.or(updated).ok_or(MessageError::Missing("ts"))?;
        Ok(Self {
            id: MessageId::new(id),
            room: RoomId::new(room),
            thread: wire::filled(document, "tmid").map(MessageId::new),
            text: readable_text(document, server),
            author: Author {
                id: UserId::new(author_id),
                username: wire::filled(user, "username").unwrap_or(author_id).to_owned(),
                name: wire::filled(user, "name").map(str::to_owned),
            },
            has_type: wire::text(document, "t").is_some_and(|t| !t.is_empty()),
            // An object (`{"i": integration}`) for posts of an integration, else `null`, `false` or missing.
            from_integration: document
                .get("bot")
                .is_some_and(|bot| !matches!(bot, Value::Null | Value::Bool(false))),
            sent_at,
            edited_at: wire::time_of(document, "editedAt"),
            updated_at: updated.unwrap_or(sent_at),
        })
    }
}

impl RoomKind {
    /// From a room's `t` or `roomType`.
    pub fn from_letter(letter: &str) -> Self {
        match letter {
            "c" => Self::Channel,
            "p" => Self::Group,
            "d" => Self::Direct,
            "l" => Self::Livechat,
            _ => Self::Other,
        }
    }
}

fn required<'a>(document: &'a Value, key: &str, name: &'static str) -> Result<&'a str, MessageError> {
    wire::filled(document, key).ok_or(MessageError::Missing(name))
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use arbitrary_json::{any_json, mutated, repeatable};

    fn read(document: &Value) -> Result<Message, MessageError> {
        Message::from_document(document, &"https://chat.example.com".parse().unwrap())
    }

    fn over_ddp() -> Value {
        json!({
            "_id": "m1", "rid": "GENERAL", "msg": "SIGNL4 pump 3 is down",
            "ts": {"$date": 1_696_417_505_309_i64},
            "u": {"_id": "u1", "username": "rene", "name": "René"},
            "_updatedAt": {"$date": 1_696_417_505_400_i64},
        })
    }

    #[test]
    fn a_document_of_the_stream_is_read_whole() {
        assert_eq!(
            read(&over_ddp()).unwrap(),
            Message {
                id: MessageId::new("m1"),
                room: RoomId::new("GENERAL"),
                thread: None,
                text: "SIGNL4 pump 3 is down".into(),
                author: Author { id: UserId::new("u1"), username: "rene".into(), name: Some("René".into()) },
                has_type: false,
                from_integration: false,
                sent_at: Timestamp::from_millisecond(1_696_417_505_309).unwrap(),
                edited_at: None,
                updated_at: Timestamp::from_millisecond(1_696_417_505_400).unwrap(),
            }
        );
    }

    #[test]
    fn the_same_document_over_rest_is_the_same_message() {
        let mut rest = over_ddp();
        rest["ts"] = json!("2023-10-04T11:05:05.309Z");
        rest["_updatedAt"] = json!("2023-10-04T11:05:05.400Z");
        assert_eq!(read(&rest), read(&over_ddp()));
    }

    #[test]
    fn threads_edits_integrations_and_kinds_are_recognized() {
        let mut document = over_ddp();
        document["tmid"] = json!("parent");
        document["editedAt"] = json!({"$date": 1_696_417_506_000_i64});
        document["bot"] = json!({"i": "integration"});
        document["t"] = json!("uj");
        let message = read(&document).unwrap();
        assert_eq!(message.thread, Some(MessageId::new("parent")));
        assert_eq!(message.edited_at, Timestamp::from_millisecond(1_696_417_506_000).ok());
        assert!(message.from_integration);
        assert!(message.has_type);

        document["t"] = json!("e2e");
        document["bot"] = json!(null);
        let message = read(&document).unwrap();
        assert!(message.has_type);
        assert!(!message.from_integration);
    }

    #[test]
    fn a_document_without_a_required_field_is_an_error() {
        for (path, name) in [("/_id", "_id"), ("/rid", "rid"), ("/u/_id", "u._id"), ("/u", "u._id")] {
            for broken in [json!(null), json!(""), json!(7), json!({}), json!([])] {
                let mut document = over_ddp();
                *document.pointer_mut(path).unwrap() = broken.clone();
                let error = read(&document).unwrap_err();
                assert_eq!(error, MessageError::Missing(name), "{path} = {broken}");
            }
        }
        assert_eq!(read(&json!([])), Err(MessageError::Missing("_id")));
    }

    #[test]
    fn a_missing_time_is_replaced_by_the_other_one_and_without_both_it_is_an_error() {
        let mut document = over_ddp();
        document["ts"] = json!("yesterday");
        let message = read(&document).unwrap();
        assert_eq!(message.sent_at, message.updated_at);
        document["_updatedAt"] = json!(null);
        assert_eq!(read(&document), Err(MessageError::Missing("ts")));
    }

    #[test]
    fn fields_of_a_wrong_type_count_as_missing() {
        let mut document = over_ddp();
        for key in ["msg", "tmid", "t", "editedAt", "attachments", "blocks", "file", "files"] {
            document[key] = json!({"a": [1, null]});
        }
        document["u"]["username"] = json!(12);
        let message = read(&document).unwrap();
        assert_eq!((message.text.as_str(), message.author.username.as_str()), ("", "u1"));
    }

    fn with_everything() -> Value {
        let mut document = over_ddp();
        document["tmid"] = json!("parent");
        document["editedAt"] = json!({"$date": 1_696_417_506_000_i64});
        document["attachments"] = json!([
            {"title": "PROBLEM", "text": "pressure", "fields": [{"title": "Severity", "value": 3}],
             "attachments": [{"text": "deeper"}]},
            {"message_link": "https://chat.example.com/channel/general?msg=abc", "text": "quoted"},
        ]);
        document["blocks"] = json!([{"type": "section", "text": {"type": "mrkdwn", "text": "pump 3"}}]);
        document["files"] = json!([{"name": "graph.png"}]);
        document["reactions"] = json!({":eyes:": {"usernames": ["rene"]}});
        document
    }

    proptest! {
        #![proptest_config(repeatable(10_000))]

        #[test]
        fn a_mutated_document_is_a_valid_message_or_an_error(
            at in any::<usize>(), with in any_json(), also_at in any::<usize>(), also_with in any_json(),
        ) {
            let document = mutated(mutated(with_everything(), at, &with), also_at, &also_with);
            if let Ok(message) = read(&document) {
                prop_assert!(!message.id.as_str().is_empty() && !message.author.id.as_str().is_empty());
                for time in [Some(message.sent_at), Some(message.updated_at), message.edited_at] {
                    let year = SignedDuration::from_hours(24 * 366);
                    let time = time.unwrap_or_default();
                    prop_assert!(time.checked_add(year).is_ok() && time.checked_sub(year).is_ok());
                }
            }
        }
    }
}
