//! Reads the messages of a stream.

use serde_json::Value;

use super::StreamedMessage;
use crate::{Message, MessageError, RoomKind, ServerUrl, wire};

/// The stream of messages. Its events are room IDs, or `__my_messages__` for all rooms.
/// Source: <https://developer.rocket.chat/apidocs/stream-room-messages-realtime>.
pub(super) const ROOM_MESSAGES: &str = "stream-room-messages";
/// The event of [`ROOM_MESSAGES`] that covers all rooms.
pub(super) const MY_MESSAGES: &str = "__my_messages__";
/// The stream about one account. Its events are `<uid>/<topic>`.
/// Source: <https://developer.rocket.chat/apidocs/notify-user-realtime>.
pub(super) const NOTIFY_USER: &str = "stream-notify-user";

/// Reads the messages in a stream's `args`: `[message, about]` or `[message]`, or nested as some versions do:
/// `[[message], about]`, `[[message, about]]`.
pub(super) fn messages(args: &[Value], server: &ServerUrl) -> Vec<Result<StreamedMessage, MessageError>> {
    let flat: Vec<&Value> = args.iter().flat_map(unnested).collect();
    let about = flat.iter().find(|value| is_about(value)).copied().unwrap_or(&Value::Null);
    let read = |document: &&Value| {
        Ok(StreamedMessage {
            message: Box::new(Message::from_document(document, server)?),
            participant: about.get("roomParticipant").and_then(Value::as_bool),
            room_kind: wire::filled(about, "roomType").map(RoomKind::from_letter),
            room_name: wire::filled(about, "roomName").map(str::to_owned),
        })
    };
    flat.iter().filter(|value| !is_about(value)).map(read).collect()
}

fn unnested(value: &Value) -> &[Value] {
    match value {
        Value::Array(inner) => inner,
        other => std::slice::from_ref(other),
    }
}

/// Whether this is the object about the room: it has no `_id`, and at least one of these keys, depending on version and room.
fn is_about(value: &Value) -> bool {
    value.is_object()
        && value.get("_id").is_none()
        && ["roomParticipant", "roomType", "roomName"].iter().any(|key| value.get(key).is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(id: &str) -> Value {
        json!({"_id": id, "rid": "r", "msg": "hello", "ts": {"$date": 1}, "u": {"_id": "u", "username": "rene"}})
    }

    fn about() -> Value {
        json!({"roomParticipant": true, "roomType": "c", "roomName": "general"})
    }

    fn read(args: Value) -> Vec<Result<StreamedMessage, MessageError>> {
        messages(args.as_array().unwrap(), &"https://chat.example.com".parse().unwrap())
    }

    #[test]
    fn a_message_is_found_in_every_nesting() {
        let plain = read(json!([document("m"), about()]));
        let streamed = plain[0].as_ref().unwrap();
        assert_eq!(streamed.message.id.as_str(), "m");
        assert_eq!(streamed.participant, Some(true));
        assert_eq!(
            (streamed.room_kind, streamed.room_name.as_deref()),
            (Some(RoomKind::Channel), Some("general"))
        );
        assert_eq!(read(json!([[document("m")], about()])), plain);
        assert_eq!(read(json!([[document("m"), about()]])), plain);
    }

    #[test]
    fn without_an_object_about_the_room_nothing_is_known() {
        let bare = read(json!([document("m")]));
        assert_eq!((bare[0].as_ref().unwrap().participant, bare.len()), (None, 1));
        let unnamed = read(json!([document("m"), {"roomParticipant": false, "roomType": "d"}]));
        let unnamed = unnamed[0].as_ref().unwrap();
        assert_eq!(unnamed.participant, Some(false));
        assert_eq!((unnamed.room_kind, &unnamed.room_name), (Some(RoomKind::Direct), &None));
    }

    #[test]
    fn several_messages_at_once_are_all_read_and_each_unreadable_one_is_an_error() {
        let read = read(json!([[document("a"), document("b"), 7, null], about()]));
        let ids: Vec<_> = read.iter().flatten().map(|streamed| streamed.message.id.as_str()).collect();
        assert_eq!(ids, ["a", "b"]);
        assert_eq!(read.iter().filter(|message| message.is_err()).count(), 2);
        assert!(self::read(json!([])).is_empty());
    }
}
