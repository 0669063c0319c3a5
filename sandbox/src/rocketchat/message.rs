//! The message document: its state, and the JSON made of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::time::{Millis, date};

/// A message, as a snapshot of the server's state.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// `_id`.
    pub id: String,
    /// `rid`.
    pub room_id: String,
    /// `msg`.
    pub text: String,
    /// `ts`, in ms since the epoch.
    pub ts: Millis,
    /// `_updatedAt`, in ms since the epoch.
    pub updated_at: Millis,
    /// `u._id`.
    pub user_id: String,
    /// `u.username`.
    pub username: String,
    /// `u.name`.
    pub user_name: String,
    /// `t`: set on system messages (`uj`, `rm`, …) and on encrypted ones (`e2e`).
    pub kind: Option<String>,
    /// `tmid`: the message whose thread this one belongs to.
    pub thread_id: Option<String>,
    /// `tshow`: a reply that is also shown in the room.
    pub shown_in_room: bool,
    /// `tcount`: the number of replies, on a thread's first message.
    pub reply_count: u64,
    /// `tlm`: when the last reply came.
    pub last_reply_at: Option<Millis>,
    /// `replies`: the ids of the users who follow the thread.
    pub followers: Vec<String>,
    /// The name it was posted under.
    pub alias: Option<String>,
    /// The avatar it was posted with.
    pub avatar: Option<String>,
    /// The emoji shown instead of an avatar.
    pub emoji: Option<String>,
    /// `mentions`: whom it notifies.
    pub mentions: Vec<Value>,
    /// `attachments`.
    pub attachments: Vec<Value>,
    /// The usernames behind each reaction, by emoji with its colons.
    pub reactions: BTreeMap<String, BTreeSet<String>>,
    /// The ids of the users who starred it.
    pub starred_by: BTreeSet<String>,
    /// Pinned to the room.
    pub pinned: bool,
    /// `editedAt` and the id and username of `editedBy`.
    pub edited: Option<Edit>,
    /// `bot`: set on messages of integrations.
    pub integration: Option<Value>,
    /// `urls`: links and, once fetched, their previews.
    pub urls: Vec<Value>,
    /// All other fields that a client sent or a test added.
    pub extra: Map<String, Value>,
}

/// The last edit of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// `editedAt`, in ms since the epoch.
    pub at: Millis,
    /// `editedBy._id`.
    pub user_id: String,
    /// `editedBy.username`.
    pub username: String,
}

impl AsRef<str> for Message {
    /// The message's `_id`, so that a `&Message` is accepted as an id.
    fn as_ref(&self) -> &str {
        &self.id
    }
}

impl Message {
    /// The id of the thread it belongs to or would start.
    pub fn thread(&self) -> &str {
        self.thread_id.as_deref().unwrap_or(&self.id)
    }

    /// The usernames that reacted with `emoji` (with or without its colons).
    pub fn reacted_with(&self, emoji: &str) -> BTreeSet<String> {
        self.reactions.get(&with_colons(emoji)).cloned().unwrap_or_default()
    }

    /// The usernames it notifies, `all` and `here` among them.
    pub fn mentioned(&self) -> Vec<&str> {
        self.mentions.iter().filter_map(|mention| mention["username"].as_str()).collect()
    }

    /// The document as `viewer` sees it, with EJSON dates: stars of other users are left out.
    pub(super) fn document(&self, viewer: Option<&str>) -> Value {
        let mut document = json!({
            "_id": self.id,
            "rid": self.room_id,
            "msg": self.text,
            "ts": date(self.ts),
            "u": { "_id": self.user_id, "username": self.username, "name": self.user_name },
            "_updatedAt": date(self.updated_at),
            "urls": self.urls,
            "mentions": self.mentions,
            "channels": [],
        });
        if let Value::Object(fields) = &mut document {
            self.put_optional(fields);
            self.put_thread(fields);
            self.put_marks(fields, viewer);
            for (key, value) in &self.extra {
                fields.entry(key).or_insert_with(|| value.clone());
            }
        }
        document
    }

    fn put_optional(&self, fields: &mut Map<String, Value>) {
        for (key, value) in
            [("t", &self.kind), ("alias", &self.alias), ("avatar", &self.avatar), ("emoji", &self.emoji)]
        {
            if let Some(value) = value {
                fields.insert(key.into(), json!(value));
            }
        }
        if !self.attachments.is_empty() {
            fields.insert("attachments".into(), json!(self.attachments));
        }
        if let Some(integration) = &self.integration {
            fields.insert("bot".into(), integration.clone());
        }
    }

    fn put_thread(&self, fields: &mut Map<String, Value>) {
        if let Some(thread) = &self.thread_id {
            fields.insert("tmid".into(), json!(thread));
        }
        if self.shown_in_room {
            fields.insert("tshow".into(), json!(true));
        }
        if self.reply_count > 0 {
            fields.insert("tcount".into(), json!(self.reply_count));
            fields.insert("replies".into(), json!(self.followers));
        }
        if let Some(at) = self.last_reply_at {
            fields.insert("tlm".into(), date(at));
        }
    }

    fn put_marks(&self, fields: &mut Map<String, Value>, viewer: Option<&str>) {
        if !self.reactions.is_empty() {
            let reactions: Map<String, Value> = self
                .reactions
                .iter()
                .map(|(emoji, usernames)| (emoji.clone(), json!({ "usernames": usernames })))
                .collect();
            fields.insert("reactions".into(), Value::Object(reactions));
        }
        let stars: Vec<Value> = self
            .starred_by
            .iter()
            .filter(|user| viewer.is_none_or(|viewer| viewer == *user))
            .map(|user| json!({ "_id": user }))
            .collect();
        if !stars.is_empty() {
            fields.insert("starred".into(), json!(stars));
        }
        if self.pinned {
            fields.insert("pinned".into(), json!(true));
            fields.insert("pinnedAt".into(), date(self.updated_at));
        }
        if let Some(edit) = &self.edited {
            fields.insert("editedAt".into(), date(edit.at));
            fields.insert("editedBy".into(), json!({ "_id": edit.user_id, "username": edit.username }));
        }
    }
}

/// `fire` and `:fire:` both become `:fire:`, as the server stores reactions.
pub(super) fn with_colons(emoji: &str) -> String {
    format!(":{}:", emoji.replace(':', ""))
}
