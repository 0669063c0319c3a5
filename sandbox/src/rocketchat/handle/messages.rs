//! Posting, changing, emitting again and listing messages.

use serde_json::Value;

use super::RocketChat;
use crate::rocketchat::draft::NewMessage;
use crate::rocketchat::message::Message;
use crate::rocketchat::refusal::Refusal;

impl RocketChat {
    /// Posts as the user, member or not: `post(&room, &alice, "SIGNL4 pump 3 is down")`, or a [`NewMessage`].
    ///
    /// # Errors
    /// If there is no such room or user, or the chosen `_id` is taken.
    pub fn post(
        &self,
        room: impl AsRef<str>,
        user: impl AsRef<str>,
        message: impl Into<NewMessage>,
    ) -> Result<Message, Refusal> {
        self.shared.act(|world| world.post(room.as_ref(), user.as_ref(), message.into()))
    }

    /// Replies in the thread of a message, in that message's room.
    ///
    /// # Errors
    /// If there is no such message or user.
    pub fn reply(
        &self,
        to: impl AsRef<str>,
        user: impl AsRef<str>,
        message: impl Into<NewMessage>,
    ) -> Result<Message, Refusal> {
        self.shared.act(|world| {
            let first = world.message(to.as_ref())?;
            let (room, thread) = (first.room_id.clone(), first.thread().to_owned());
            world.post(&room, user.as_ref(), message.into().in_thread(thread))
        })
    }

    /// Edits a message's text; emitted again with `editedAt`.
    ///
    /// # Errors
    /// If there is no such message or user.
    pub fn edit(
        &self,
        message: impl AsRef<str>,
        user: impl AsRef<str>,
        text: &str,
    ) -> Result<Message, Refusal> {
        self.shared.act(|world| world.edit(message.as_ref(), user.as_ref(), text.to_owned()))
    }

    /// Deletes a message; the first one of a thread stays as `t: "rm"`.
    ///
    /// # Errors
    /// If there is no such message or user.
    pub fn delete(&self, message: impl AsRef<str>, user: impl AsRef<str>) -> Result<(), Refusal> {
        self.shared.act(|world| world.delete(message.as_ref(), user.as_ref()))
    }

    /// Adds the user's reaction; emitted again if it is new.
    ///
    /// # Errors
    /// If there is no such message or user.
    pub fn react(
        &self,
        message: impl AsRef<str>,
        user: impl AsRef<str>,
        emoji: &str,
    ) -> Result<bool, Refusal> {
        self.shared.act(|world| world.react(message.as_ref(), user.as_ref(), emoji, Some(true)))
    }

    /// Removes the user's reaction; emitted again if there was one.
    ///
    /// # Errors
    /// If there is no such message or user.
    pub fn unreact(
        &self,
        message: impl AsRef<str>,
        user: impl AsRef<str>,
        emoji: &str,
    ) -> Result<bool, Refusal> {
        self.shared.act(|world| world.react(message.as_ref(), user.as_ref(), emoji, Some(false)))
    }

    /// The user stars the message; emitted again.
    ///
    /// # Errors
    /// If there is no such message.
    pub fn star(&self, message: impl AsRef<str>, user: impl AsRef<str>) -> Result<Message, Refusal> {
        self.shared.act(|world| {
            world.change_message(message.as_ref(), |message| {
                message.starred_by.insert(user.as_ref().to_owned());
            })
        })
    }

    /// Pins the message; emitted again.
    ///
    /// # Errors
    /// If there is no such message.
    pub fn pin(&self, message: impl AsRef<str>) -> Result<Message, Refusal> {
        self.shared.act(|world| world.change_message(message.as_ref(), |message| message.pinned = true))
    }

    /// The server has fetched the previews of the message's links; emitted again with them.
    ///
    /// # Errors
    /// If there is no such message.
    pub fn add_link_previews(&self, message: impl AsRef<str>) -> Result<Message, Refusal> {
        self.shared.act(|world| {
            world.change_message(message.as_ref(), |message| {
                for url in &mut message.urls {
                    url["meta"] = serde_json::json!({ "pageTitle": "A page", "ogTitle": "A page" });
                }
            })
        })
    }

    /// Emits the same document again, as after a reconnect of the server's own change stream.
    pub fn replay(&self, message: impl AsRef<str>) {
        self.shared.act(|world| world.emit_again(message.as_ref(), false));
    }

    /// Changes any part of a message, and emits it again.
    ///
    /// # Errors
    /// If there is no such message.
    pub fn change_message(
        &self,
        message: impl AsRef<str>,
        change: impl FnOnce(&mut Message),
    ) -> Result<Message, Refusal> {
        self.shared.act(|world| world.change_message(message.as_ref(), change))
    }

    /// The message with this `_id`.
    pub fn message(&self, message: impl AsRef<str>) -> Option<Message> {
        self.shared.look(|world| world.messages.get(message.as_ref()).cloned())
    }

    /// The message's document as on the wire, with EJSON dates.
    pub fn document(&self, message: impl AsRef<str>) -> Option<Value> {
        self.shared.look(|world| world.messages.get(message.as_ref()).map(|message| message.document(None)))
    }

    /// A room's messages in order of arrival, with thread replies and system messages.
    pub fn messages(&self, room: impl AsRef<str>) -> Vec<Message> {
        self.shared.look(|world| world.messages_of(room.as_ref()).cloned().collect())
    }

    /// The replies in the thread of a message, by `ts`.
    pub fn thread_replies(&self, message: impl AsRef<str>) -> Vec<Message> {
        self.shared.look(|world| world.thread(message.as_ref()))
    }
}
