//! A message borrowed from its frame, with what a filter needs.
//!
//! Most messages are of no interest, and there may be a thousand a second. A [`MessageFilter`] sees each one before it is
//! decoded in full and copied. This decoder is strict on purpose: a frame in any other form than the usual one (nested
//! arguments, fields of another type, repeated keys) has no view, is decoded in full, and is never dropped.

use std::borrow::Cow;
use std::fmt::Debug;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::stream::ROOM_MESSAGES;
use crate::readable::{readable_text, typed_text};
use crate::{RoomKind, ServerUrl};

/// Decides whether a message of the stream is decoded and emitted.
///
/// Called once for each message on the session's task, so it must be fast and must not block. It is an optimization:
/// messages in an unusual form are emitted without a call.
pub trait MessageFilter: Debug + Send + Sync {
    /// `false` drops the message: no [`RealtimeEvent`](super::RealtimeEvent) follows.
    fn wants(&self, message: &MessageView<'_>) -> bool;
}

/// A message and what its event says about the room, borrowed from the frame.
#[derive(Clone, Debug)]
pub struct MessageView<'a> {
    /// `_id`.
    pub id: &'a str,
    /// `rid`.
    pub room: &'a str,
    /// `u._id`.
    pub author: &'a str,
    /// Whether it has a `t`: a system message or ciphertext.
    pub has_type: bool,
    /// Whether the account is a member of the room, if the server says so.
    pub participant: Option<bool>,
    /// The room's type, if the server says so.
    pub room_kind: Option<RoomKind>,
    /// The room's name, if the server says so.
    pub room_name: Option<&'a str>,
    document: Document<'a>,
    server: &'a ServerUrl,
}

impl<'a> MessageView<'a> {
    /// The message in a frame; `None` if the frame is anything else, or a message in an unusual form.
    pub(super) fn of_frame(frame: &'a str, server: &'a ServerUrl) -> Option<Self> {
        let frame: Frame<'a> = serde_json::from_str(frame).ok()?;
        if frame.msg != "changed" || frame.collection != ROOM_MESSAGES {
            return None;
        }
        let Args(document, about) = frame.fields.args;
        let ids = [document.id, document.rid, document.u.id];
        if about.id.is_some() || ids.iter().any(|id| id.trim().is_empty()) {
            return None;
        }
        Some(Self {
            id: document.id,
            room: document.rid,
            author: document.u.id,
            has_type: document.t.is_some_and(|t| !t.is_empty()),
            participant: about.room_participant,
            room_kind: about.room_type.filter(|t| !t.trim().is_empty()).map(RoomKind::from_letter),
            room_name: about.room_name.filter(|name| !name.trim().is_empty()),
            document,
            server,
        })
    }

    /// The readable text, the same as [`Message::text`](crate::Message::text); `None` if a part of it is nested too deeply to be
    /// read. Decoded only now, because messages of most rooms are dropped without a look at their texts.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        let Document { msg, attachments, blocks, files, file, .. } = &self.document;
        let parts = [("attachments", attachments), ("blocks", blocks), ("files", files), ("file", file)];
        let mut document = Map::new();
        for (key, part) in parts {
            if let Some(part) = part.filter(|part| part.get() != "[]") {
                document.insert(key.to_owned(), serde_json::from_str(part.get()).ok()?);
            }
        }
        if document.is_empty() {
            return Some(typed_text(msg).into());
        }
        document.insert("msg".to_owned(), Value::from(msg.as_ref()));
        Some(readable_text(&Value::Object(document), self.server).into())
    }
}

/// `{"msg":"changed","collection":"stream-room-messages","fields":{"args":[message, about]}}`
#[derive(Deserialize)]
struct Frame<'a> {
    msg: &'a str,
    collection: &'a str,
    #[serde(borrow)]
    fields: Fields<'a>,
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    args: Args<'a>,
}

#[derive(Deserialize)]
struct Args<'a>(#[serde(borrow)] Document<'a>, #[serde(borrow, default)] About<'a>);

#[derive(Clone, Debug, Deserialize)]
struct Document<'a> {
    #[serde(rename = "_id")]
    id: &'a str,
    rid: &'a str,
    #[serde(borrow)]
    msg: Cow<'a, str>,
    #[serde(borrow)]
    u: User<'a>,
    t: Option<&'a str>,
    /// These have text too. Most messages have none of them.
    #[serde(borrow)]
    attachments: Option<&'a RawValue>,
    #[serde(borrow)]
    blocks: Option<&'a RawValue>,
    #[serde(borrow)]
    files: Option<&'a RawValue>,
    #[serde(borrow)]
    file: Option<&'a RawValue>,
}

#[derive(Clone, Debug, Deserialize)]
struct User<'a> {
    #[serde(rename = "_id")]
    id: &'a str,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct About<'a> {
    /// Only a second message has an `_id`.
    #[serde(rename = "_id")]
    id: Option<IgnoredAny>,
    room_participant: Option<bool>,
    room_type: Option<&'a str>,
    room_name: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use arbitrary_json::{any_json, mutated, repeatable};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::realtime::frames::ServerFrame;
    use crate::realtime::{StreamedMessage, stream};

    fn document() -> Value {
        json!({
            "_id": "m1", "rid": "r1", "msg": "[ ](https://c/?msg=x) hällo \"you\"\n", "ts": {"$date": 1},
            "u": {"_id": "u1", "username": "anna", "name": "Anna"}, "_updatedAt": {"$date": 2},
            "mentions": [], "channels": [], "urls": [{"url": "https://x"}], "md": [{"type": "PARAGRAPH", "value": []}],
            "attachments": [], "blocks": [], "files": [], "file": null,
        })
    }

    fn about() -> Value {
        json!({"roomParticipant": true, "roomType": "p", "roomName": "ops"})
    }

    fn frame(args: Value) -> Value {
        json!({
            "msg": "changed", "collection": "stream-room-messages", "id": "id",
            "fields": {"eventName": "__my_messages__", "args": args},
        })
    }

    static SERVER: LazyLock<ServerUrl> = LazyLock::new(|| "https://c".parse().unwrap());

    fn of_frame(frame: &str) -> Option<MessageView<'_>> {
        MessageView::of_frame(frame, &SERVER)
    }

    /// What the full decoder reads in the same frame.
    fn in_full(frame: &str) -> Vec<StreamedMessage> {
        match ServerFrame::decode(frame) {
            Ok(ServerFrame::Changed { stream, args, .. }) if stream == ROOM_MESSAGES => {
                stream::messages(&args, &SERVER).into_iter().flatten().collect()
            }
            _ => vec![],
        }
    }

    #[test]
    fn a_view_borrows_what_the_full_decoder_reads() {
        let text = frame(json!([document(), about()])).to_string();
        let view = of_frame(&text).unwrap();
        assert_eq!((view.id, view.room), ("m1", "r1"));
        assert_eq!((view.author, view.has_type, view.participant), ("u1", false, Some(true)));
        assert_eq!((view.room_kind, view.room_name), (Some(RoomKind::Group), Some("ops")));
        assert_eq!(view.text().unwrap(), in_full(&text)[0].message.text);
        let bare = frame(json!([document()])).to_string();
        assert_eq!(of_frame(&bare).unwrap().participant, None);
    }

    #[test]
    fn a_view_has_the_text_of_attachments_blocks_and_files() {
        for (key, value) in [
            ("attachments", json!([{"text": "SIGNL4 pump 3"}])),
            ("blocks", json!([{"type": "section", "text": {"text": "SIGNL4 pump 3"}}])),
            ("file", json!({"name": "SIGNL4.png"})),
            ("files", json!([{"name": "SIGNL4.png"}])),
        ] {
            let mut document = document();
            document[key] = value;
            let text = frame(json!([document, about()])).to_string();
            let view = of_frame(&text).unwrap();
            assert_eq!(view.text().unwrap(), in_full(&text)[0].message.text);
            assert!(view.text().unwrap().contains("SIGNL4"), "{key}");
        }
    }

    #[test]
    fn an_unusual_form_has_no_view() {
        for args in [
            json!([[document()], about()]),
            json!([[document(), about()]]),
            json!([document(), document()]),
            json!([document(), about(), document()]),
            json!([]),
        ] {
            assert!(of_frame(&frame(args.clone()).to_string()).is_none(), "{args}");
        }
        assert!(of_frame(r#"{"msg":"ping"}"#).is_none());
        let twice =
            frame(json!([document(), about()])).to_string().replacen("\"_id\"", "\"_id\":\"m0\",\"_id\"", 1);
        assert!(of_frame(&twice).is_none());
    }

    proptest! {
        #![proptest_config(repeatable(512))]

        /// A view has the same content as the full decoder, or there is none.
        #[test]
        fn a_view_never_disagrees(at in 0_usize..5_000, with in any_json(), encrypted: bool) {
            let mut document = document();
            if encrypted { document["t"] = json!("e2e"); }
            let text = mutated(frame(json!([document, about()])), at, &with).to_string();
            if let Some(view) = of_frame(&text) {
                // A document without a usable time is no message to the full decoder; a filter may drop it unseen.
                if let [read] = &in_full(&text)[..] {
                    prop_assert_eq!(view.id, read.message.id.as_str());
                    prop_assert_eq!(view.room, read.message.room.as_str());
                    prop_assert_eq!(view.author, read.message.author.id.as_str());
                    prop_assert_eq!(view.has_type, read.message.has_type);
                    prop_assert_eq!(view.text().unwrap(), read.message.text.as_str());
                    prop_assert_eq!(view.participant, read.participant);
                    prop_assert_eq!(view.room_kind, read.room_kind);
                    prop_assert_eq!(view.room_name, read.room_name.as_deref());
                }
                prop_assert!(in_full(&text).len() <= 1);
            }
        }
    }
}
