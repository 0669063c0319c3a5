//! A message and its room, from DDP or REST.

use jiff::Timestamp;

use super::{MessageId, RoomId, UserId};

/// One message of a room, in its newest form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    /// `_id`; the same each time the message is sent again.
    pub id: MessageId,
    /// `rid`: its room.
    pub room: RoomId,
    /// `tmid`: the parent's `_id`, if the message is a reply in a thread.
    pub thread: Option<MessageId>,
    /// The readable text: `msg`, then the text of blocks and attachments and the names of files, without quoted messages.
    pub text: String,
    /// `u`: its author.
    pub author: Author,
    /// Whether it has a `t`: a system message (joined, topic changed, removed, …) or ciphertext. What people and integrations write
    /// has none.
    pub has_type: bool,
    /// `bot`: whether an integration posted it. Posts of scripts or bot users with a password are not marked.
    pub from_integration: bool,
    /// `ts`: when it was written, by the server's clock.
    pub sent_at: Timestamp,
    /// `editedAt`: when its author last edited it.
    pub edited_at: Option<Timestamp>,
    /// `_updatedAt`: when the document last changed for any reason (edit, reaction, thread counter).
    pub updated_at: Timestamp,
}

/// The author of a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Author {
    /// `u._id`: compare it with [`Identity::user_id`](crate::Identity::user_id) to recognize the account's own messages.
    pub id: UserId,
    /// `u.username`.
    pub username: String,
    /// `u.name`: the display name, if the server sends one.
    pub name: Option<String>,
}

/// A room.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Room {
    /// `rid`.
    pub id: RoomId,
    /// `name`, without `#`: the room's address, random for a discussion. Direct messages and livechats have none.
    pub name: Option<String>,
    /// `fname`: the display name, if it differs from `name`: a discussion's title, a name with spaces.
    pub display_name: Option<Box<str>>,
    /// Names that the room had before it was renamed. The server does not report them; a caller that remembers them
    /// may add them.
    pub former_names: Box<[Box<str>]>,
    /// Channel, private group, direct message, or something else.
    pub kind: RoomKind,
}

impl Room {
    /// A room whose display name does not differ from its name.
    pub fn new(id: RoomId, name: Option<String>, kind: RoomKind) -> Self {
        Self { id, name, display_name: None, former_names: Box::default(), kind }
    }

    /// The display name; `None` for a direct message.
    pub fn shown_name(&self) -> Option<&str> {
        self.display_name.as_deref().or(self.name.as_deref())
    }

    /// Every name that the room has now.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.name.as_deref().into_iter().chain(self.display_name.as_deref())
    }
}

/// A room's type, by its one-letter `t`. As text it is the variant's name in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum RoomKind {
    /// `c`: public channel.
    Channel,
    /// `p`: private group.
    Group,
    /// `d`: direct message.
    Direct,
    /// `l`: a livechat with a visitor of a website.
    Livechat,
    /// `v` or something newer.
    Other,
}
