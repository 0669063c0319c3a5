//! A message before it is posted. `"text".into()` is a plain one.

use serde_json::{Map, Value, json};

use super::time::Millis;

/// A message to post, built up by chaining.
#[derive(Clone, Debug, Default)]
pub struct NewMessage {
    pub(super) id: Option<String>,
    pub(super) text: String,
    pub(super) thread_id: Option<String>,
    pub(super) shown_in_room: bool,
    pub(super) alias: Option<String>,
    pub(super) avatar: Option<String>,
    pub(super) emoji: Option<String>,
    pub(super) attachments: Vec<Value>,
    pub(super) ts: Option<Millis>,
    pub(super) updated_at: Option<Millis>,
    pub(super) kind: Option<String>,
    pub(super) integration: Option<Value>,
    pub(super) extra: Map<String, Value>,
}

impl NewMessage {
    /// A plain message.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// A system message of this type, such as `uj` (joined), `ru` (removed) or `room_changed_topic`.
    pub fn system(kind: impl Into<String>, text: impl Into<String>) -> Self {
        Self { kind: Some(kind.into()), ..Self::text(text) }
    }

    /// An end-to-end encrypted message: ciphertext in `msg`, `t` is `e2e`.
    pub fn encrypted(ciphertext: impl Into<String>) -> Self {
        let mut message = Self::system("e2e", ciphertext);
        message.extra.insert("e2e".into(), json!("pending"));
        message
    }

    /// With a chosen `_id`.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// In the thread of this message (`tmid`).
    pub fn in_thread(mut self, message: impl AsRef<str>) -> Self {
        self.thread_id = Some(message.as_ref().to_owned());
        self
    }

    /// A thread reply that is also shown in the room (`tshow`).
    pub fn shown_in_room(mut self) -> Self {
        self.shown_in_room = true;
        self
    }

    /// Posted under another name.
    pub fn alias(mut self, alias: impl Into<String>) -> Self {
        self.alias = Some(alias.into());
        self
    }

    /// With an attachment, given as the wire has it.
    pub fn attachment(mut self, attachment: Value) -> Self {
        self.attachments.push(attachment);
        self
    }

    /// With a quotation of another message: an attachment with `message_link`, as the server makes it of a link.
    pub fn quoting(self, message_link: impl Into<String>, author: &str, text: &str) -> Self {
        self.attachment(json!({
            "message_link": message_link.into(),
            "author_name": author,
            "author_icon": format!("/avatar/{author}"),
            "text": text,
            "attachments": [],
        }))
    }

    /// With this `ts`, in ms since the epoch, instead of the server's clock.
    pub fn at(mut self, ts: Millis) -> Self {
        self.ts = Some(ts);
        self
    }

    /// With this `_updatedAt`, in ms since the epoch, instead of the server's clock.
    pub fn updated_at(mut self, at: Millis) -> Self {
        self.updated_at = Some(at);
        self
    }

    /// As an incoming integration posts: with the `bot` field.
    pub fn by_integration(mut self, integration_id: impl Into<String>) -> Self {
        self.integration = Some(json!({ "i": integration_id.into() }));
        self
    }

    /// With any further field of the document.
    pub fn field(mut self, key: impl Into<String>, value: Value) -> Self {
        self.extra.insert(key.into(), value);
        self
    }
}

impl From<&str> for NewMessage {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for NewMessage {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}
