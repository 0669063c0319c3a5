//! The simulated server's state: accounts, rooms, memberships, messages. Its methods are grouped by subject in `accounts`,
//! `rooms`, `posting`, `changed_since`, `room_access` and `rights`; this file holds the state and the look-ups.
//!
//! A method that changes the state records a [`Change`]; [`Shared::act`](super::shared::Shared::act) sends it to the listeners.
//! It is independent of sockets, frames and routes.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::change::Change;
use super::ids::Ids;
use super::message::Message;
use super::permissions;
use super::refusal::Refusal;
use super::room::{Room, RoomKind, Subscription};
use super::time::{Millis, system_now};
use super::user::Account;

/// A deletion, kept for `chat.syncMessages` (Rocket.Chat's trash).
#[derive(Clone, Debug)]
pub(super) struct Deleted {
    pub(super) message_id: String,
    pub(super) room_id: String,
    pub(super) at: Millis,
}

/// The state of the simulated server.
#[derive(Debug)]
pub(super) struct World {
    pub(super) ids: Ids,
    pub(super) accounts: BTreeMap<String, Account>,
    pub(super) rooms: BTreeMap<String, Room>,
    pub(super) subscriptions: Vec<Subscription>,
    /// Memberships that ended, with the time, for `subscriptions.get?updatedSince=`.
    pub(super) removed_subscriptions: Vec<(Subscription, Millis)>,
    pub(super) messages: HashMap<String, Message>,
    /// The ids of each room's messages in order of arrival.
    pub(super) order: HashMap<String, Vec<String>>,
    pub(super) deleted: Vec<Deleted>,
    /// The ids of rooms that are gone, with the time, for `rooms.get?updatedSince=`.
    pub(super) deleted_rooms: Vec<(String, Millis)>,
    /// When the server was first started.
    pub(super) started_at: Millis,
    /// `Message_MaxAllowedSize`, in graphemes.
    pub(super) max_message_size: usize,
    /// `Site_Url`; `None` for any address at which the server is reached.
    pub(super) site_url: Option<String>,
    /// `Threads_enabled`.
    pub(super) threads_enabled: bool,
    /// `Store_Last_Message`.
    pub(super) stores_last_message: bool,
    /// How far the server's clock is ahead of the machine's, in ms.
    pub(super) clock_offset: Millis,
    changes: Vec<Change>,
}

impl World {
    pub(super) fn new(seed: u64, max_message_size: usize) -> Self {
        Self {
            ids: Ids::seeded(seed),
            accounts: BTreeMap::new(),
            rooms: BTreeMap::new(),
            subscriptions: Vec::new(),
            removed_subscriptions: Vec::new(),
            messages: HashMap::new(),
            order: HashMap::new(),
            deleted: Vec::new(),
            deleted_rooms: Vec::new(),
            started_at: system_now(),
            max_message_size,
            site_url: None,
            threads_enabled: true,
            stores_last_message: true,
            clock_offset: 0,
            changes: Vec::new(),
        }
    }

    /// The server's clock.
    pub(super) fn now(&self) -> Millis {
        system_now() + self.clock_offset
    }

    pub(super) fn move_clock(&mut self, by: Duration, back: bool) {
        let by = Millis::try_from(by.as_millis()).unwrap_or(Millis::MAX);
        self.clock_offset += if back { -by } else { by };
    }

    pub(super) fn note(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// The changes noted since the last call.
    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    pub(super) fn account(&self, user_id: &str) -> Result<&Account, Refusal> {
        self.accounts.get(user_id).ok_or_else(|| Refusal::meteor("error-invalid-user", "Invalid user"))
    }

    pub(super) fn account_mut(&mut self, user_id: &str) -> Result<&mut Account, Refusal> {
        self.accounts.get_mut(user_id).ok_or_else(|| Refusal::meteor("error-invalid-user", "Invalid user"))
    }

    /// The account with this username; JavaScript's look-up ignores case, so does this.
    pub(super) fn account_named(&self, username: &str) -> Option<&Account> {
        self.accounts.values().find(|account| account.user.username.eq_ignore_ascii_case(username))
    }

    pub(super) fn room(&self, room_id: &str) -> Result<&Room, Refusal> {
        self.rooms.get(room_id).ok_or_else(|| Refusal::meteor("error-invalid-room", "Invalid room"))
    }

    pub(super) fn room_mut(&mut self, room_id: &str) -> Result<&mut Room, Refusal> {
        self.rooms.get_mut(room_id).ok_or_else(|| Refusal::meteor("error-invalid-room", "Invalid room"))
    }

    pub(super) fn room_named(&self, name: &str) -> Option<&Room> {
        self.rooms.values().find(|room| room.kind != RoomKind::Direct && room.name == name)
    }

    pub(super) fn message(&self, message_id: &str) -> Result<&Message, Refusal> {
        self.messages.get(message_id).ok_or_else(no_such_message)
    }

    pub(super) fn message_mut(&mut self, message_id: &str) -> Result<&mut Message, Refusal> {
        self.messages.get_mut(message_id).ok_or_else(no_such_message)
    }

    /// A room's messages in order of arrival.
    pub(super) fn messages_of<'a>(
        &'a self,
        room_id: &str,
    ) -> impl DoubleEndedIterator<Item = &'a Message> + use<'a> {
        self.order.get(room_id).into_iter().flatten().filter_map(|id| self.messages.get(id))
    }

    pub(super) fn is_member(&self, user_id: &str, room_id: &str) -> bool {
        self.rooms.get(room_id).is_some_and(|room| room.members.contains(user_id))
    }

    /// Whether the user has a permission, by role or because a test granted or denied it.
    pub(super) fn may(&self, user_id: &str, permission: &str) -> bool {
        self.accounts.get(user_id).is_some_and(|account| {
            !account.denied.contains(permission)
                && (account.granted.contains(permission)
                    || permissions::granted_by_role(&account.user.roles, permission))
        })
    }

    /// `canAccessRoom`: members, and for public channels everybody with `view-c-room`.
    pub(super) fn can_access(&self, user_id: &str, room: &Room) -> bool {
        room.members.contains(user_id) || (room.kind == RoomKind::Channel && self.may(user_id, "view-c-room"))
    }

    /// `canReadRoom`: a public channel that the user has not joined is read with `preview-c-room` alone, which the bot
    /// role does not have.
    pub(super) fn can_read(&self, user_id: &str, room: &Room) -> bool {
        let joined = room.members.contains(user_id);
        let preview = room.kind != RoomKind::Channel || self.may(user_id, "preview-c-room");
        self.can_access(user_id, room) && (joined || preview)
    }
}

fn no_such_message() -> Refusal {
    Refusal::meteor(
        "error-message-not-found",
        "The provided \"messageId\" does not match any existing message.",
    )
}
