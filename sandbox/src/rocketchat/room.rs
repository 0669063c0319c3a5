//! Rooms and memberships, and their documents.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::time::{Millis, date};

/// The types of room; the letter is `t` on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomKind {
    /// A public channel, `c`.
    Channel,
    /// A private group, `p`.
    Group,
    /// A direct message between its members, `d`.
    Direct,
    /// A livechat with a visitor of a website, `l`.
    Livechat,
}

impl RoomKind {
    /// `t` on the wire.
    pub fn letter(self) -> &'static str {
        match self {
            Self::Channel => "c",
            Self::Group => "p",
            Self::Direct => "d",
            Self::Livechat => "l",
        }
    }
}

/// A room, as a snapshot of the server's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// `_id`; `GENERAL` for #general; the members' ids joined for a direct message between two.
    pub id: String,
    /// Channel, group or direct message.
    pub kind: RoomKind,
    /// The name without `#`; empty for a direct message and a livechat.
    pub name: String,
    /// The display name (`fname`), if it differs in spelling.
    pub display_name: String,
    /// `prid`: the room that it is a discussion of.
    pub parent_id: Option<String>,
    /// The members' user ids.
    pub members: BTreeSet<String>,
    /// Only users with `post-readonly` may post.
    pub read_only: bool,
    /// Nobody may post.
    pub archived: bool,
    /// End-to-end encrypted.
    pub encrypted: bool,
    /// When it was created.
    pub created_at: Millis,
    /// `_updatedAt`.
    pub updated_at: Millis,
    /// `lm`: the time of the last message, if there is one.
    pub last_message_at: Option<Millis>,
    /// `msgs`: the number of messages.
    pub message_count: u64,
    /// Each member's username by user id, for a direct message.
    pub usernames: BTreeMap<String, String>,
}

impl AsRef<str> for Room {
    /// The room's `_id`, so that a `&Room` is accepted as an id.
    fn as_ref(&self) -> &str {
        &self.id
    }
}

impl Room {
    /// The room's document, with EJSON dates.
    pub(super) fn document(&self) -> Value {
        let mut document = json!({
            "_id": self.id,
            "t": self.kind.letter(),
            "msgs": self.message_count,
            "usersCount": self.members.len(),
            "ts": date(self.created_at),
            "_updatedAt": date(self.updated_at),
        });
        if let Some(at) = self.last_message_at {
            document["lm"] = date(at);
        }
        if self.kind == RoomKind::Direct {
            document["uids"] = json!(self.members);
            document["usernames"] = json!(self.usernames.values().collect::<Vec<_>>());
        } else {
            document["fname"] = json!(self.display_name);
            if self.kind != RoomKind::Livechat {
                document["name"] = json!(self.name);
            }
            if let Some(parent) = &self.parent_id {
                document["prid"] = json!(parent);
            }
            document["default"] = json!(self.id == "GENERAL");
            document["ro"] = json!(self.read_only);
            document["sysMes"] = json!(true);
        }
        if self.archived {
            document["archived"] = json!(true);
        }
        if self.encrypted {
            document["encrypted"] = json!(true);
        }
        document
    }
}

/// A room to create. `"ops".into()` is a public channel without members.
#[derive(Clone, Debug)]
pub struct NewRoom {
    pub(super) kind: RoomKind,
    pub(super) name: String,
    pub(super) display_name: Option<String>,
    pub(super) parent_id: Option<String>,
    pub(super) members: Vec<String>,
    pub(super) id: Option<String>,
    pub(super) read_only: bool,
    pub(super) encrypted: bool,
}

impl NewRoom {
    /// A public channel.
    pub fn channel(name: impl Into<String>) -> Self {
        Self::of(RoomKind::Channel, name.into())
    }

    /// A private group.
    pub fn group(name: impl Into<String>) -> Self {
        Self::of(RoomKind::Group, name.into())
    }

    /// A direct message between these users.
    pub fn direct<U: AsRef<str>>(members: impl IntoIterator<Item = U>) -> Self {
        Self::of(RoomKind::Direct, String::new()).members(members)
    }

    /// A private discussion: people see its title, and its name is random.
    pub fn discussion(title: impl Into<String>, parent: impl AsRef<str>) -> Self {
        let parent_id = Some(parent.as_ref().to_owned());
        Self { parent_id, ..Self::of(RoomKind::Group, String::new()).shown_as(title) }
    }

    /// A livechat with this visitor.
    pub fn livechat(visitor: impl Into<String>) -> Self {
        Self::of(RoomKind::Livechat, String::new()).shown_as(visitor)
    }

    fn of(kind: RoomKind, name: String) -> Self {
        let (display_name, parent_id) = (None, None);
        Self {
            kind,
            name,
            display_name,
            parent_id,
            members: Vec::new(),
            id: None,
            read_only: false,
            encrypted: false,
        }
    }

    /// The first members.
    pub fn members<U: AsRef<str>>(mut self, members: impl IntoIterator<Item = U>) -> Self {
        self.members.extend(members.into_iter().map(|user| user.as_ref().to_owned()));
        self
    }

    /// People see this name.
    pub fn shown_as(mut self, name: impl Into<String>) -> Self {
        self.display_name = Some(name.into());
        self
    }

    /// This `_id` instead of a random one.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Only users with `post-readonly` may post.
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// End-to-end encrypted.
    pub fn encrypted(mut self) -> Self {
        self.encrypted = true;
        self
    }
}

impl From<&str> for NewRoom {
    fn from(name: &str) -> Self {
        Self::channel(name)
    }
}

/// A user's membership of a room, which Rocket.Chat calls a subscription.
#[derive(Clone, Debug)]
pub(super) struct Subscription {
    pub(super) id: String,
    pub(super) user_id: String,
    pub(super) room_id: String,
    pub(super) since: Millis,
    pub(super) updated_at: Millis,
    /// `unread`.
    pub(super) unread: u64,
}

impl Subscription {
    /// The document of `subscriptions.get`, with EJSON dates. `name` is the room's, or the other user's for a direct
    /// message.
    pub(super) fn document(&self, room: &Room, user: Value, name: &str, display_name: &str) -> Value {
        let mut document = json!({
            "_id": self.id,
            "rid": self.room_id,
            "t": room.kind.letter(),
            "name": name,
            "fname": display_name,
            "u": user,
            "open": true,
            "alert": self.unread > 0,
            "unread": self.unread,
            "userMentions": 0,
            "groupMentions": 0,
            "roles": [],
            "ts": date(self.since),
            "ls": date(self.since),
            "_updatedAt": date(self.updated_at),
        });
        if room.archived {
            document["archived"] = json!(true);
        }
        if room.encrypted {
            document["encrypted"] = json!(true);
        }
        document
    }
}
