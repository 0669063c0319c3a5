//! Changes of rooms and memberships.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::change::{Action, Change};
use super::draft::NewMessage;
use super::refusal::Refusal;
use super::room::{NewRoom, Room, RoomKind, Subscription};
use super::time::{Millis, date};
use super::world::World;

impl World {
    pub(super) fn create_room(&mut self, new: NewRoom) -> Result<Room, Refusal> {
        let members: BTreeSet<String> = new.members.iter().cloned().collect();
        let usernames = members
            .iter()
            .map(|id| Ok((id.clone(), self.account(id)?.user.username.clone())))
            .collect::<Result<_, Refusal>>()?;
        if !new.name.is_empty() && self.room_named(&new.name).is_some() {
            let reason = format!("A channel with name '{}' exists", new.name);
            return Err(Refusal::meteor("error-duplicate-channel-name", reason));
        }
        let now = self.now();
        let name = if new.parent_id.is_some() { self.ids.document() } else { new.name };
        let room = Room {
            id: new.id.unwrap_or_else(|| self.room_id(new.kind, &name, &members)),
            kind: new.kind,
            display_name: new.display_name.unwrap_or_else(|| name.clone()),
            parent_id: new.parent_id,
            name,
            members: BTreeSet::new(),
            read_only: new.read_only,
            archived: false,
            encrypted: new.encrypted,
            created_at: now,
            updated_at: now,
            last_message_at: None,
            message_count: 0,
            usernames,
        };
        let id = room.id.clone();
        self.rooms.insert(id.clone(), room);
        self.touch_room(&id);
        for member in &members {
            self.add_member(&id, member)?;
        }
        Ok(self.room(&id)?.clone())
    }

    /// `GENERAL` for #general, the joined ids of the members for a direct message of two, otherwise a random one.
    fn room_id(&mut self, kind: RoomKind, name: &str, members: &BTreeSet<String>) -> String {
        match kind {
            RoomKind::Channel if name == "general" => "GENERAL".to_owned(),
            RoomKind::Direct if members.len() <= 2 => members.iter().map(String::as_str).collect(),
            _ => self.ids.document(),
        }
    }

    /// Notes that a room changed and moves its `_updatedAt`.
    pub(super) fn touch_room(&mut self, room_id: &str) {
        let now = self.now();
        if let Some(room) = self.rooms.get_mut(room_id) {
            room.updated_at = now;
            let room = Box::new(room.clone());
            self.note(Change::Room(room));
        }
    }

    pub(super) fn change_room(
        &mut self,
        room_id: &str,
        change: impl FnOnce(&mut Room),
    ) -> Result<Room, Refusal> {
        change(self.room_mut(room_id)?);
        self.touch_room(room_id);
        let members: Vec<String> = self.room(room_id)?.members.iter().cloned().collect();
        for member in members {
            self.touch_subscription(&member, room_id);
        }
        Ok(self.room(room_id)?.clone())
    }

    pub(super) fn add_member(&mut self, room_id: &str, user_id: &str) -> Result<(), Refusal> {
        self.account(user_id)?;
        if !self.room_mut(room_id)?.members.insert(user_id.to_owned()) {
            return Ok(());
        }
        let now = self.now();
        let id = self.ids.document();
        self.subscriptions.push(Subscription {
            id,
            user_id: user_id.to_owned(),
            room_id: room_id.to_owned(),
            since: now,
            updated_at: now,
            unread: 0,
        });
        self.note_subscription(Action::Inserted, user_id, room_id);
        Ok(())
    }

    /// A user joins: a membership and the system message `uj`.
    pub(super) fn join(&mut self, room_id: &str, user_id: &str) -> Result<(), Refusal> {
        if self.is_member(user_id, room_id) {
            return Ok(());
        }
        self.add_member(room_id, user_id)?;
        let username = self.account(user_id)?.user.username.clone();
        self.post(room_id, user_id, NewMessage::system("uj", username))?;
        Ok(())
    }

    /// The direct message between two users, created if there is none.
    pub(super) fn direct_message(&mut self, user_id: &str, other: &str) -> Result<Room, Refusal> {
        let new = NewRoom::direct([user_id, other]);
        let members: BTreeSet<String> = new.members.iter().cloned().collect();
        match self.rooms.values().find(|room| room.kind == RoomKind::Direct && room.members == members) {
            Some(room) => Ok(room.clone()),
            None => self.create_room(new),
        }
    }

    /// A user leaves (`ul`) or is removed by another (`ru`).
    pub(super) fn remove_member(
        &mut self,
        room_id: &str,
        user_id: &str,
        by: Option<&str>,
    ) -> Result<(), Refusal> {
        let now = self.now();
        if !self.room_mut(room_id)?.members.remove(user_id) {
            return Err(Refusal::meteor("error-user-not-in-room", "User is not in this room"));
        }
        let username = self.account(user_id)?.user.username.clone();
        let kind = if by.is_some() { "ru" } else { "ul" };
        self.post(room_id, by.unwrap_or(user_id), NewMessage::system(kind, username))?;
        if let Some(at) =
            self.subscriptions.iter().position(|entry| entry.user_id == user_id && entry.room_id == room_id)
        {
            let gone = self.subscriptions.remove(at);
            self.removed_subscriptions.push((gone, now));
        }
        self.note_subscription(Action::Removed, user_id, room_id);
        Ok(())
    }

    pub(super) fn delete_room(&mut self, room_id: &str) -> Result<(), Refusal> {
        let members: Vec<String> = self.room(room_id)?.members.iter().cloned().collect();
        let now = self.now();
        self.rooms.remove(room_id);
        self.deleted_rooms.push((room_id.to_owned(), now));
        for id in self.order.remove(room_id).unwrap_or_default() {
            self.messages.remove(&id);
        }
        let (gone, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.subscriptions).into_iter().partition(|entry| entry.room_id == room_id);
        self.subscriptions = kept;
        self.removed_subscriptions.extend(gone.into_iter().map(|entry| (entry, now)));
        for member in &members {
            self.note_subscription(Action::Removed, member, room_id);
        }
        self.note(Change::RoomDeleted { room_id: room_id.to_owned() });
        Ok(())
    }

    /// Moves a subscription's `_updatedAt` and notes it.
    pub(super) fn touch_subscription(&mut self, user_id: &str, room_id: &str) {
        let now = self.now();
        if let Some(entry) =
            self.subscriptions.iter_mut().find(|entry| entry.user_id == user_id && entry.room_id == room_id)
        {
            entry.updated_at = now;
            self.note_subscription(Action::Updated, user_id, room_id);
        }
    }

    /// Counts a message as unread for every member but its author. Like the real server, announces no change.
    pub(super) fn count_unread(&mut self, room_id: &str, author: &str, at: Millis) {
        for entry in &mut self.subscriptions {
            if entry.room_id == room_id && entry.user_id != author {
                entry.unread += 1;
                entry.updated_at = at;
            }
        }
    }

    fn note_subscription(&mut self, action: Action, user_id: &str, room_id: &str) {
        self.note(Change::Subscription { action, user_id: user_id.to_owned(), room_id: room_id.to_owned() });
    }

    /// A subscription's document, with EJSON dates.
    pub(super) fn subscription_document(&self, entry: &Subscription) -> Option<Value> {
        let room = self.rooms.get(&entry.room_id)?;
        let me = self.accounts.get(&entry.user_id)?.user.reference();
        if room.kind != RoomKind::Direct {
            return Some(entry.document(room, me, &room.name, &room.display_name));
        }
        let other = room.members.iter().find(|id| **id != entry.user_id).unwrap_or(&entry.user_id);
        let other = &self.accounts.get(other)?.user;
        Some(entry.document(room, me, &other.username, &other.name))
    }

    /// The document of a removed subscription.
    pub(super) fn removed_subscription_document(entry: &Subscription, at: Millis) -> Value {
        json!({ "_id": entry.id, "_deletedAt": date(at) })
    }
}
