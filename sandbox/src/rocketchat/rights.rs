//! The checks before a call is carried out, the same for REST and DDP. The order of the checks and the messages are those
//! of `executeSendMessage`, `validateMessage`, `canSendMessageAsync`, `executeSetReaction` and
//! `executeUpdateMessage` in `apps/meteor`.

use serde_json::{Value, json};
use unicode_segmentation::UnicodeSegmentation;

use super::draft::NewMessage;
use super::message::Message;
use super::refusal::Refusal;
use super::room::Room;
use super::time::Millis;
use super::world::World;

/// Some of the message types that only the server creates (`MessageTypes.isSystemMessage`).
const SYSTEM_KINDS: &[&str] = &[
    "uj",
    "ul",
    "ru",
    "au",
    "ut",
    "rm",
    "r",
    "wm",
    "user-muted",
    "user-unmuted",
    "room-archived",
    "room-unarchived",
    "room_changed_topic",
    "room_changed_description",
    "room_changed_announcement",
    "room_changed_privacy",
    "subscription-role-added",
    "subscription-role-removed",
    "message_pinned",
    "discussion-created",
];

/// The fields of a client's message that the server handles; others are kept unchanged.
const HANDLED: &[&str] = &[
    "_id",
    "rid",
    "msg",
    "tmid",
    "tshow",
    "alias",
    "avatar",
    "emoji",
    "attachments",
    "ts",
    "t",
    "bot",
    "u",
    "_updatedAt",
];

impl World {
    /// Sends a client's message. `None` if a message with this `_id` exists: the server does nothing then, and answers
    /// with nothing.
    pub(super) fn send(&mut self, user_id: &str, message: &Value) -> Result<Option<Message>, Refusal> {
        if self.system_kind(message) {
            return Err(Refusal::plain("Cannot send system messages using 'chat.sendMessage'"));
        }
        if text(message, "tmid").is_some() && !self.threads_enabled {
            return Err(Refusal::meteor("error-not-allowed", "not-allowed").with_details(send()));
        }
        let ts = self.check_before_send(message)?;
        let user = self.account(user_id)?.user.id.clone();
        let mut thread_id = text(message, "tmid");
        let mut room_id = text(message, "rid");
        if let Some(parent) = thread_id.as_deref().and_then(|id| self.messages.get(id)) {
            // No nested threads, and a reply goes to its parent's room, whatever room the client names.
            room_id = Some(parent.room_id.clone());
            thread_id = Some(parent.thread().to_owned());
        }
        let room_id =
            room_id.ok_or_else(|| Refusal::plain("The 'rid' property on the message object is missing."))?;
        let encrypted = text(message, "t").as_deref() == Some("e2e");
        self.may_post(&user, &room_id, encrypted)?;
        self.validate_message(&user, message)?;
        let words = text(message, "msg").unwrap_or_default();
        self.may_mention(&user, &words)?;
        let mut attachments = message["attachments"].as_array().cloned().unwrap_or_default();
        attachments.extend(self.quotations(&user, &words));
        if text(message, "_id").is_some_and(|id| self.messages.contains_key(&id)) {
            return Ok(None);
        }
        let new = NewMessage {
            id: text(message, "_id"),
            text: words,
            thread_id,
            shown_in_room: message["tshow"] == true,
            alias: text(message, "alias"),
            avatar: text(message, "avatar"),
            emoji: text(message, "emoji"),
            attachments,
            ts: Some(ts),
            updated_at: None,
            kind: text(message, "t"),
            integration: Some(&message["bot"]).filter(|bot| bot.is_object()).cloned(),
            extra: further_fields(message),
        };
        self.post(&room_id, &user, new).map(Some)
    }

    fn system_kind(&self, message: &Value) -> bool {
        text(message, "t").is_some_and(|kind| SYSTEM_KINDS.contains(&kind.as_str()))
    }

    /// The checks before the room is looked up; returns the message's time.
    fn check_before_send(&self, message: &Value) -> Result<Millis, Refusal> {
        if message["tshow"] == true && text(message, "tmid").is_none() {
            return Err(
                Refusal::meteor("invalid-params", "tshow provided but missing tmid").with_details(send())
            );
        }
        let now = self.now();
        let mut ts = super::time::from_wire(&message["ts"]).unwrap_or(now);
        if (ts - now).abs() > 60_000 {
            return Err(Refusal::meteor("error-message-ts-out-of-sync", "Message timestamp is out of sync")
                .with_details(json!({ "method": "sendMessage", "message_ts": ts, "server_ts": now })));
        }
        if (ts - now).abs() > 10_000 {
            ts = now;
        }
        if self.too_long(message["msg"].as_str().unwrap_or_default()) {
            return Err(Refusal::meteor(
                "error-message-size-exceeded",
                "Message size exceeds Message_MaxAllowedSize",
            )
            .with_details(send()));
        }
        Ok(ts)
    }

    /// Counted in graphemes, as `messageProperties.length` in Rocket.Chat's `app/ui-utils/lib/MessageProperties.ts` does.
    pub(super) fn too_long(&self, text: &str) -> bool {
        text.graphemes(true).count() > self.max_message_size
    }

    /// `canSendMessageAsync`, and the check for encrypted rooms that follows it.
    pub(super) fn may_post(&self, user_id: &str, room_id: &str, encrypted: bool) -> Result<&Room, Refusal> {
        let room = self.rooms.get(room_id).ok_or_else(|| Refusal::plain("error-invalid-room"))?;
        if !self.can_access(user_id, room) {
            return Err(Refusal::plain("error-not-allowed"));
        }
        if room.read_only && !self.may(user_id, "post-readonly") {
            return Err(Refusal::plain("You can't send messages because the room is readonly."));
        }
        if room.archived {
            return Err(Refusal::plain("room_is_archived"));
        }
        if room.encrypted && !encrypted {
            return Err(Refusal::meteor(
                "error-not-allowed",
                "Not allowed to send un-encrypted messages in an encrypted room",
            )
            .with_details(send()));
        }
        Ok(room)
    }

    /// `validateMessage`: types, and the permission to post under another name.
    fn validate_message(&self, user_id: &str, message: &Value) -> Result<(), Refusal> {
        for field in ["_id", "msg", "alias", "emoji", "tmid", "avatar"] {
            if !message[field].is_null() && !message[field].is_string() {
                return Err(Refusal::meteor(400, "Match failed"));
            }
        }
        let impersonates =
            ["alias", "avatar"].iter().any(|field| text(message, field).is_some_and(|it| !it.is_empty()));
        if impersonates && !self.may(user_id, "message-impersonate") {
            return Err(Refusal::plain("Not enough permission"));
        }
        if text(message, "avatar").is_some_and(|avatar| {
            !avatar.is_empty() && !avatar.starts_with("http") && !avatar.starts_with('/')
        }) {
            return Err(Refusal::plain("Invalid href value provided"));
        }
        Ok(())
    }

    /// `executeSetReaction`.
    pub(super) fn set_reaction(
        &mut self,
        user_id: &str,
        message_id: &str,
        emoji: &str,
        wanted: Option<bool>,
    ) -> Result<(), Refusal> {
        let details = json!({ "method": "setReaction" });
        let bare = emoji.replace(':', "");
        let known = !bare.is_empty()
            && bare
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-+".contains(&byte));
        if !known || bare == "no_such_emoji" {
            return Err(Refusal::meteor("error-not-allowed", "Invalid emoji provided.").with_details(details));
        }
        let message = self.messages.get(message_id);
        let Some(room) = message.and_then(|message| self.rooms.get(&message.room_id)) else {
            return Err(Refusal::meteor("error-not-allowed", "Not allowed").with_details(details));
        };
        if !self.can_access(user_id, room) {
            return Err(Refusal::meteor("not-authorized", "Not Authorized").with_details(details));
        }
        if room.read_only && !self.may(user_id, "post-readonly") {
            return Err(Refusal::plain("You can't send messages because the room is readonly."));
        }
        self.react(message_id, user_id, emoji, wanted).map(drop)
    }

    /// `executeUpdateMessage`.
    pub(super) fn update(
        &mut self,
        user_id: &str,
        message_id: &str,
        text: String,
    ) -> Result<Message, Refusal> {
        let original = self.message(message_id)?.clone();
        if original.text == text {
            return Ok(original);
        }
        if original.user_id != user_id && !self.may(user_id, "edit-message") {
            return Err(Refusal::meteor("error-action-not-allowed", "Message editing not allowed")
                .with_details(json!({ "method": "updateMessage", "action": "Message_editing" })));
        }
        self.may_post(user_id, &original.room_id, true)?;
        self.edit(message_id, user_id, text)
    }

    /// `deleteMessageValidatingPermission`.
    pub(super) fn delete_as(&mut self, user_id: &str, message_id: &str) -> Result<(), Refusal> {
        let message = self.message(message_id)?;
        let own = message.user_id == user_id && self.may(user_id, "delete-own-message");
        let any = self.may(user_id, "delete-message") || self.may(user_id, "force-delete-message");
        if !own && !any {
            return Err(Refusal::meteor("error-action-not-allowed", "Not allowed"));
        }
        self.delete(message_id, user_id)
    }
}

/// A field's text, if it is one.
fn text(message: &Value, field: &str) -> Option<String> {
    message[field].as_str().map(str::to_owned)
}

fn send() -> Value {
    json!({ "method": "sendMessage" })
}

/// The fields that are not handled, kept unchanged.
fn further_fields(message: &Value) -> serde_json::Map<String, Value> {
    let fields = message.as_object().into_iter().flatten();
    fields
        .filter(|(key, _)| !HANDLED.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}
