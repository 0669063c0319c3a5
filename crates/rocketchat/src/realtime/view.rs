//! A message borrowed from its frame, with what a filter needs.
//!
//! Most messages are of no interest, and there may be a thousand a second. A [`MessageFilter`] sees each one before it is
//! decoded in full and copied. This decoder is strict on purpose: a frame in any other form than the usual one (nested
//! arguments, attachments, blocks, files, fields of another type, repeated keys) has no view, is decoded in full, and is never dropped.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::stream::ROOM_MESSAGES;
use crate::RoomKind;
use crate::readable::typed_text;

/// Decides whether a message of the stream is decoded and emitted.
///
/// Called once for each message on the session's task, so it must be fast and must not block. It is an optimization:
/// messages in an unusual form are emitted without a call.
pub trait MessageFilter: Send + Sync {
    /// `false` drops the message: no [`RealtimeEvent`](super::RealtimeEvent) follows.
    fn wants(&self, message: &MessageView<'_>) -> bool;
}

/// A message and what its event says about the room, borrowed from the frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageView<'a> {
    /// `_id`.
    pub id: Cow<'a, str>,
    /// `rid`.
    pub room: Cow<'a, str>,
    /// `u._id`.
    pub author: Cow<'a, str>,
    /// Whether it has a `t`: a system message or ciphertext.
    pub has_type: bool,
    /// Whether the account is a member of the room, if the server says so.
    pub participant: Option<bool>,
    /// The room's type, if the server says so.
    pub room_kind: Option<RoomKind>,
    /// The room's name, if the server says so.
    pub room_name: Option<&'a str>,
    msg: Cow<'a, str>,
}

impl MessageView<'_> {
    /// The readable text, the same as [`Message::text`](crate::Message::text).
    pub fn text(&self) -> &str {
        typed_text(&self.msg)
    }
}

impl<'a> MessageView<'a> {
    /// The message in a frame; `None` if the frame is anything else, or a message in an unusual form.
    pub(super) fn of_frame(frame: &'a str) -> Option<Self> {
        let frame: Frame<'a> = serde_json::from_str(frame).ok()?;
        if frame.msg != "changed" || frame.collection != ROOM_MESSAGES {
            return None;
        }
        let Args(document, about) = frame.fields.args;
        if about.id.is_some() || is_blank(&document.id) || is_blank(&document.rid) || is_blank(&document.u.id)
        {
            return None;
        }
        Some(Self {
            id: document.id,
            room: document.rid,
            author: document.u.id,
            has_type: document.t.is_some_and(|t| !t.is_empty()),
            participant: about.room_participant,
            room_kind: about.room_type.filter(|t| !is_blank(t)).map(RoomKind::from_letter),
            room_name: about.room_name.filter(|name| !is_blank(name)),
            msg: document.msg,
        })
    }
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// `{"msg":"changed","collection":"stream-room-messages","fields":{"args":[message, about]}}`
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow)]
    msg: Cow<'a, str>,
    #[serde(borrow)]
    collection: Cow<'a, str>,
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

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(rename = "_id", borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    rid: Cow<'a, str>,
    #[serde(borrow)]
    msg: Cow<'a, str>,
    #[serde(borrow)]
    u: User<'a>,
    #[serde(default)]
    t: Option<&'a str>,
    /// Attachments, blocks and files have text too, which needs the full decoder. `[]` and `null` are none.
    #[serde(default, rename = "attachments")]
    _attachments: Option<[IgnoredAny; 0]>,
    #[serde(default, rename = "blocks")]
    _blocks: Option<[IgnoredAny; 0]>,
    #[serde(default, rename = "files")]
    _files: Option<[IgnoredAny; 0]>,
    #[serde(default, rename = "file")]
    _file: Option<()>,
}

#[derive(Deserialize)]
struct User<'a> {
    #[serde(rename = "_id", borrow)]
    id: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
struct About<'a> {
    /// Only a second message has an `_id`.
    #[serde(rename = "_id")]
    id: Option<IgnoredAny>,
    #[serde(rename = "roomParticipant")]
    room_participant: Option<bool>,
    #[serde(rename = "roomType")]
    room_type: Option<&'a str>,
    #[serde(rename = "roomName")]
    room_name: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use arbitrary_json::{any_json, mutated, repeatable};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::realtime::frames::ServerFrame;
    use crate::realtime::stream;

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

    /// What the full decoder reads in the same frame.
    fn in_full(frame: &str) -> Vec<stream::StreamedMessage> {
        match ServerFrame::decode(frame) {
            Ok(ServerFrame::Changed { stream, args, .. }) if stream == ROOM_MESSAGES => {
                stream::messages(&args, &"https://c".parse().unwrap()).into_iter().flatten().collect()
            }
            _ => vec![],
        }
    }

    #[test]
    fn a_view_borrows_what_the_full_decoder_reads() {
        let text = frame(json!([document(), about()])).to_string();
        let view = MessageView::of_frame(&text).unwrap();
        assert!(matches!((&view.id, &view.room), (Cow::Borrowed("m1"), Cow::Borrowed("r1"))));
        assert_eq!((view.author.as_ref(), view.has_type, view.participant), ("u1", false, Some(true)));
        assert_eq!((view.room_kind, view.room_name), (Some(RoomKind::Group), Some("ops")));
        assert_eq!(view.text(), in_full(&text)[0].message.text);
        let bare = frame(json!([document()])).to_string();
        assert_eq!(MessageView::of_frame(&bare).unwrap().participant, None);
    }

    #[test]
    fn an_unusual_form_has_no_view() {
        let with = |key: &str, value: Value| {
            let mut document = document();
            document[key] = value;
            json!([document, about()])
        };
        for args in [
            with("attachments", json!([{"text": "SIGNL4 pump 3"}])),
            with("blocks", json!([{"text": {"text": "SIGNL4 pump 3"}}])),
            with("file", json!({"name": "SIGNL4.png"})),
            with("files", json!([{"name": "SIGNL4.png"}])),
            json!([[document()], about()]),
            json!([[document(), about()]]),
            json!([document(), document()]),
            json!([document(), about(), document()]),
            json!([]),
        ] {
            assert_eq!(MessageView::of_frame(&frame(args.clone()).to_string()), None, "{args}");
        }
        assert_eq!(MessageView::of_frame(r#"{"msg":"ping"}"#), None);
        let twice =
            frame(json!([document(), about()])).to_string().replacen("\"_id\"", "\"_id\":\"m0\",\"_id\"", 1);
        assert_eq!(MessageView::of_frame(&twice), None);
    }

    proptest! {
        #![proptest_config(repeatable(512))]

        /// A view has the same content as the full decoder, or there is none.
        #[test]
        fn a_view_never_disagrees(at in 0_usize..5_000, with in any_json(), encrypted: bool) {
            let mut document = document();
            if encrypted { document["t"] = json!("e2e"); }
            let text = mutated(frame(json!([document, about()])), at, &with).to_string();
            if let Some(view) = MessageView::of_frame(&text) {
                // A document without a usable time is no message to the full decoder; a filter may drop it unseen.
                if let [read] = &in_full(&text)[..] {
                    prop_assert_eq!(view.id.as_ref(), read.message.id.as_str());
                    prop_assert_eq!(view.room.as_ref(), read.message.room.as_str());
                    prop_assert_eq!(view.author.as_ref(), read.message.author.id.as_str());
                    prop_assert_eq!(view.has_type, read.message.kind != crate::MessageKind::Plain);
                    prop_assert_eq!(view.text(), read.message.text.as_str());
                    prop_assert_eq!(view.participant, read.participant);
                    prop_assert_eq!(view.room_kind, read.room.kind);
                    prop_assert_eq!(view.room_name, read.room.name.as_deref());
                }
                prop_assert!(in_full(&text).len() <= 1);
            }
        }
    }
}
