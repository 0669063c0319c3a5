//! Changes of messages, without a check of permissions: the routes and methods check first (`rights`), a test does not.

use serde_json::Value;

use super::change::Change;
use super::draft::NewMessage;
use super::mentions::links;
use super::message::{Edit, Message, with_colons};
use super::refusal::Refusal;
use super::time::Millis;
use super::world::{Deleted, World};

impl World {
    pub(super) fn post(&mut self, room_id: &str, user_id: &str, new: NewMessage) -> Result<Message, Refusal> {
        self.room(room_id)?;
        let author = self.account(user_id)?.user.clone();
        let now = self.now();
        let id = new.id.clone().unwrap_or_else(|| self.ids.document());
        if self.messages.contains_key(&id) {
            return Err(Refusal::plain(format!("a message with the id {id} exists")));
        }
        let message = Message {
            id: id.clone(),
            room_id: room_id.to_owned(),
            urls: urls(&new.text),
            mentions: self.mentions(&new.text),
            text: new.text,
            ts: new.ts.unwrap_or(now),
            updated_at: new.updated_at.unwrap_or(now),
            user_id: author.id.clone(),
            username: author.username,
            user_name: author.name,
            kind: new.kind,
            thread_id: new.thread_id,
            shown_in_room: new.shown_in_room,
            reply_count: 0,
            last_reply_at: None,
            followers: Vec::new(),
            alias: new.alias,
            avatar: new.avatar,
            emoji: new.emoji,
            attachments: new.attachments,
            reactions: Default::default(),
            starred_by: Default::default(),
            pinned: false,
            edited: None,
            integration: new.integration,
            extra: new.extra,
        };
        self.insert(message.clone());
        self.after_save(&message, now);
        Ok(message)
    }

    fn insert(&mut self, message: Message) {
        self.order.entry(message.room_id.clone()).or_default().push(message.id.clone());
        self.messages.insert(message.id.clone(), message.clone());
        self.note(Change::Message { message: Box::new(message), new: true });
    }

    /// The effects of a new message: the thread's counter, the room's last message, the members' unread counters.
    fn after_save(&mut self, message: &Message, now: Millis) {
        if let Some(parent) = message.thread_id.clone() {
            self.count_reply(&parent, message);
        }
        if let Some(room) = self.rooms.get_mut(&message.room_id) {
            room.message_count += 1;
            // A reply that only its thread shows leaves `lm` alone (`notifyUsersOnMessage`).
            if message.thread_id.is_none() || message.shown_in_room {
                room.last_message_at = Some(message.ts);
            }
        }
        self.count_unread(&message.room_id, &message.user_id, now);
        self.touch_room(&message.room_id);
    }

    /// Increments the parent's counter and emits the whole parent again.
    fn count_reply(&mut self, parent: &str, reply: &Message) {
        let Some(first) = self.messages.get_mut(parent) else {
            return;
        };
        let author = first.user_id.clone();
        for follower in [&author, &reply.user_id] {
            if !first.followers.contains(follower) {
                first.followers.push(follower.clone());
            }
        }
        first.reply_count += 1;
        first.last_reply_at = Some(reply.ts);
        self.emit_again(parent, true);
    }

    /// Emits the whole document again, with a new `_updatedAt` if the document really changed.
    pub(super) fn emit_again(&mut self, message_id: &str, changed: bool) {
        let now = self.now();
        if let Some(message) = self.messages.get_mut(message_id) {
            if changed {
                message.updated_at = now;
            }
            let message = Box::new(message.clone());
            self.note(Change::Message { message, new: false });
        }
    }

    /// Changes a message and emits it again.
    pub(super) fn change_message(
        &mut self,
        message_id: &str,
        change: impl FnOnce(&mut Message),
    ) -> Result<Message, Refusal> {
        change(self.message_mut(message_id)?);
        self.emit_again(message_id, true);
        Ok(self.message(message_id)?.clone())
    }

    pub(super) fn edit(&mut self, message_id: &str, user_id: &str, text: String) -> Result<Message, Refusal> {
        let editor = self.account(user_id)?.user.clone();
        let at = self.now();
        self.change_message(message_id, |message| {
            message.urls = urls(&text);
            message.text = text;
            message.edited = Some(Edit { at, user_id: editor.id, username: editor.username });
        })
    }

    /// Deletes a message; the first one of a thread stays as `t: "rm"` without a text.
    pub(super) fn delete(&mut self, message_id: &str, user_id: &str) -> Result<(), Refusal> {
        let message = self.message(message_id)?.clone();
        if message.reply_count > 0 {
            self.edit(message_id, user_id, String::new())?;
            self.change_message(message_id, |message| {
                message.kind = Some("rm".to_owned());
                message.attachments.clear();
                message.reactions.clear();
            })?;
            return Ok(());
        }
        self.forget(&message);
        if let Some(parent) = &message.thread_id
            && let Some(first) = self.messages.get_mut(parent)
        {
            first.reply_count = first.reply_count.saturating_sub(1);
            self.emit_again(parent, true);
        }
        Ok(())
    }

    fn forget(&mut self, message: &Message) {
        let at = self.now();
        self.messages.remove(&message.id);
        if let Some(order) = self.order.get_mut(&message.room_id) {
            order.retain(|id| *id != message.id);
        }
        self.deleted.push(Deleted { message_id: message.id.clone(), room_id: message.room_id.clone(), at });
        self.note(Change::MessageDeleted {
            message_id: message.id.clone(),
            room_id: message.room_id.clone(),
        });
    }

    /// Adds or removes a reaction; without `wanted` it toggles. Returns whether anything changed.
    pub(super) fn react(
        &mut self,
        message_id: &str,
        user_id: &str,
        emoji: &str,
        wanted: Option<bool>,
    ) -> Result<bool, Refusal> {
        let emoji = with_colons(emoji);
        let username = self.account(user_id)?.user.username.clone();
        let message = self.message_mut(message_id)?;
        let has = message.reactions.get(&emoji).is_some_and(|users| users.contains(&username));
        if wanted == Some(has) {
            return Ok(false);
        }
        if has {
            if let Some(users) = message.reactions.get_mut(&emoji) {
                users.remove(&username);
            }
            message.reactions.retain(|_, users| !users.is_empty());
        } else {
            message.reactions.entry(emoji).or_default().insert(username);
        }
        self.emit_again(message_id, true);
        Ok(true)
    }

    /// The replies of a thread, oldest first.
    pub(super) fn thread(&self, message_id: &str) -> Vec<Message> {
        let Ok(first) = self.message(message_id) else {
            return Vec::new();
        };
        let mut replies: Vec<Message> = self
            .messages_of(&first.room_id)
            .filter(|message| message.thread_id.as_deref() == Some(message_id))
            .cloned()
            .collect();
        replies.sort_by_key(|message| message.ts);
        replies
    }
}

/// The `urls` of a text: each link, without a preview.
fn urls(text: &str) -> Vec<Value> {
    links(text).into_iter().map(|url| serde_json::json!({ "url": url, "meta": {} })).collect()
}
