//! The changes of the simulated server's state. The realtime streams are made of them; tests and the web page listen.

use super::message::Message;
use super::room::Room;
use super::user::User;

/// One change of the server's state.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// A new message, or an existing one that is emitted again (edit, reaction, thread counter, preview, replay).
    Message {
        /// The whole document after the change.
        message: Box<Message>,
        /// True for the first emission only.
        new: bool,
    },
    /// A message was deleted.
    MessageDeleted {
        /// Its `_id`.
        message_id: String,
        /// Its `rid`.
        room_id: String,
    },
    /// A room was created or changed.
    Room(Box<Room>),
    /// A room was deleted.
    RoomDeleted {
        /// Its `_id`.
        room_id: String,
    },
    /// A membership was added, changed or removed.
    Subscription {
        /// What happened to it.
        action: Action,
        /// The member.
        user_id: String,
        /// The room.
        room_id: String,
    },
    /// A user was created or changed.
    User(User),
    /// The server logged a user out everywhere.
    LoggedOut {
        /// The user.
        user_id: String,
    },
    /// A token stopped working.
    TokenRevoked {
        /// The user it belonged to.
        user_id: String,
    },
}

/// The kind of change, as `subscriptions-changed` and `rooms-changed` name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is new.
    Inserted,
    /// It changed.
    Updated,
    /// It is gone.
    Removed,
}

impl Action {
    /// The word on the wire.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Inserted => "inserted",
            Self::Updated => "updated",
            Self::Removed => "removed",
        }
    }
}
