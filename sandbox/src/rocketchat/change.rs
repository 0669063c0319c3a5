//! What happens in the simulated server, as one list of changes: the realtime streams are made of it, and tests and the
//! web page listen to it.

use super::message::Message;
use super::room::Room;
use super::user::User;

/// One change of the simulated server's truth.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// A message came, or an existing one is emitted again (edit, reaction, thread counter, preview, replay).
    Message {
        /// The whole document after the change.
        message: Box<Message>,
        /// True for the first emission alone.
        new: bool,
    },
    /// A message is gone.
    MessageDeleted {
        /// Its `_id`.
        message_id: String,
        /// Its `rid`.
        room_id: String,
    },
    /// A room was created or changed.
    Room(Box<Room>),
    /// A room is gone.
    RoomDeleted {
        /// Its `_id`.
        room_id: String,
    },
    /// A membership came, changed or went.
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

/// What happened to a document, as `subscriptions-changed` and `rooms-changed` name it.
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
    /// The wire's word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Inserted => "inserted",
            Self::Updated => "updated",
            Self::Removed => "removed",
        }
    }
}
