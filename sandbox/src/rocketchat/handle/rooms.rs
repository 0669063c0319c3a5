//! Creating, changing and deleting rooms and memberships.

use super::RocketChat;
use crate::rocketchat::refusal::Refusal;
use crate::rocketchat::room::{NewRoom, Room};

impl RocketChat {
    /// Switches `Store_Last_Message`, which is on at first: whether rooms carry their last message.
    pub fn store_last_message(&self, on: bool) {
        self.shared.act(|world| world.stores_last_message = on);
    }

    /// Creates a room: `create_room("ops")` is a public channel, `create_room(NewRoom::group("x").members([&alice]))` a
    /// private group, `create_room(NewRoom::direct([&alice, &bot]))` a direct message. `general` gets the id `GENERAL`.
    ///
    /// # Errors
    /// If the name is taken or a member does not exist.
    pub fn create_room(&self, new: impl Into<NewRoom>) -> Result<Room, Refusal> {
        self.shared.act(|world| world.create_room(new.into()))
    }

    /// The room with this `_id` or name.
    pub fn room(&self, id_or_name: impl AsRef<str>) -> Option<Room> {
        let wanted = id_or_name.as_ref();
        self.shared.look(|world| world.rooms.get(wanted).or_else(|| world.room_named(wanted)).cloned())
    }

    /// Every room.
    pub fn rooms(&self) -> Vec<Room> {
        self.shared.look(|world| world.rooms.values().cloned().collect())
    }

    /// Makes the user a member, with the system message `uj`.
    ///
    /// # Errors
    /// If there is no such room or user.
    pub fn join(&self, room: impl AsRef<str>, user: impl AsRef<str>) -> Result<(), Refusal> {
        self.shared.act(|world| world.join(room.as_ref(), user.as_ref()))
    }

    /// The user leaves the room (`ul`).
    ///
    /// # Errors
    /// If there is no such room or user, or the user is no member.
    pub fn leave(&self, room: impl AsRef<str>, user: impl AsRef<str>) -> Result<(), Refusal> {
        self.shared.act(|world| world.remove_member(room.as_ref(), user.as_ref(), None))
    }

    /// Another user removes the user from the room (`ru`); per-room streams of the removed user fall silent.
    ///
    /// # Errors
    /// If there is no such room or user, or the user is no member.
    pub fn kick(
        &self,
        room: impl AsRef<str>,
        user: impl AsRef<str>,
        by: impl AsRef<str>,
    ) -> Result<(), Refusal> {
        self.shared.act(|world| world.remove_member(room.as_ref(), user.as_ref(), Some(by.as_ref())))
    }

    /// Gives the room another name.
    ///
    /// # Errors
    /// If there is no such room, it is a direct message, or the name is taken.
    pub fn rename(&self, room: impl AsRef<str>, name: &str) -> Result<Room, Refusal> {
        self.shared.act(|world| {
            if world.room_named(name).is_some() || world.room(room.as_ref())?.name.is_empty() {
                let reason = format!("A channel with name '{name}' exists");
                return Err(Refusal::meteor("error-duplicate-channel-name", reason));
            }
            world.change_room(room.as_ref(), |room| {
                room.name = name.to_owned();
                room.display_name = name.to_owned();
            })
        })
    }

    /// Gives the room another name that people see; its address stays.
    ///
    /// # Errors
    /// If there is no such room.
    pub fn show_as(&self, room: impl AsRef<str>, name: &str) -> Result<Room, Refusal> {
        self.shared.act(|world| world.change_room(room.as_ref(), |room| room.display_name = name.to_owned()))
    }

    /// Archives or unarchives the room.
    ///
    /// # Errors
    /// If there is no such room.
    pub fn set_archived(&self, room: impl AsRef<str>, archived: bool) -> Result<Room, Refusal> {
        self.shared.act(|world| world.change_room(room.as_ref(), |room| room.archived = archived))
    }

    /// Makes the room read-only or writable.
    ///
    /// # Errors
    /// If there is no such room.
    pub fn set_read_only(&self, room: impl AsRef<str>, read_only: bool) -> Result<Room, Refusal> {
        self.shared.act(|world| world.change_room(room.as_ref(), |room| room.read_only = read_only))
    }

    /// Sets the address that people use (`Site_Url`): only links that begin with it are shown as quotations.
    pub fn set_site_url(&self, url: &str) {
        self.shared.act(|world| world.site_url = Some(url.to_owned()));
    }

    /// Switches threads on or off (`Threads_enabled`).
    pub fn set_threads_enabled(&self, enabled: bool) {
        self.shared.act(|world| world.threads_enabled = enabled);
    }

    /// Sets or clears the room's `encrypted` flag.
    ///
    /// # Errors
    /// If there is no such room.
    pub fn set_encrypted(&self, room: impl AsRef<str>, encrypted: bool) -> Result<Room, Refusal> {
        self.shared.act(|world| world.change_room(room.as_ref(), |room| room.encrypted = encrypted))
    }

    /// Deletes the room with its messages and memberships.
    ///
    /// # Errors
    /// If there is no such room.
    pub fn delete_room(&self, room: impl AsRef<str>) -> Result<(), Refusal> {
        self.shared.act(|world| world.delete_room(room.as_ref()))
    }
}
