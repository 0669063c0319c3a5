//! A message and its room, as Rocket.Chat tells of them, over DDP or over REST.

use jiff::Timestamp;

use super::{MessageId, RoomId, UserId};

/// One message of a room, in its newest form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// `_id`; the same for every re-emission of the message.
    pub id: MessageId,
    /// `rid`: the room it stands in.
    pub room: RoomId,
    /// `tmid`: the parent's `_id` where the message is a reply in a thread.
    pub thread: Option<MessageId>,
    /// What a person reads: `msg`, then the text of attachments. Quoted messages are left out.
    pub text: String,
    /// Who wrote it (`u`).
    pub author: Author,
    /// Plain, system or encrypted.
    pub kind: MessageKind,
    /// Whether an integration posted it (`bot`). A person's script or a bot user with a password is not marked so.
    pub from_integration: bool,
    /// `ts`: when it was written, by the server's clock.
    pub sent_at: Timestamp,
    /// `editedAt`: when its author last edited it.
    pub edited_at: Option<Timestamp>,
    /// `_updatedAt`: when the document last changed for any reason (edit, reaction, thread counter).
    pub updated_at: Timestamp,
}

/// The author of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// `u._id`: the only thing that tells the bot's own messages.
    pub id: UserId,
    /// `u.username`.
    pub username: String,
    /// `u.name`, the display name, where the server sends one.
    pub name: Option<String>,
}

/// What a message is, by its `t`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// Written by somebody: no `t`.
    Plain,
    /// `t: "e2e"`: ciphertext that a bot cannot read.
    Encrypted,
    /// Any other `t`: joined, left, topic changed, removed.
    System(String),
}

/// What is known of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// `rid`.
    pub id: RoomId,
    /// `name`, without `#`; direct messages have none.
    pub name: Option<String>,
    /// Channel, private group, direct message, or something else.
    pub kind: RoomKind,
}

/// A room's type, by its one-letter `t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomKind {
    /// `c`: public channel.
    Channel,
    /// `p`: private group.
    Group,
    /// `d`: direct message.
    Direct,
    /// `l`, `v` or something newer.
    Other,
}
