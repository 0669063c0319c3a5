//! The directory of rooms: names, membership, and whether a trigger watches them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use parking_lot::RwLock;
use rocketchat::realtime::StreamedMessage;
use rocketchat::{MessageId, Room, RoomId, RoomKind};
use url::Url;

use super::settings::Settings;
use crate::alerting::{NamedRooms, RoomPattern, TriggerSet, message_url, remember_names, room_label};

/// A room, and how the bot is related to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) room: Room,
    /// Whether the bot is in it.
    pub(super) joined: bool,
    /// Whether some trigger watches it.
    pub(super) watched: bool,
    /// Whether the server has described it. Otherwise only the data that came with its messages is known, which is not
    /// the display name.
    pub(super) described: bool,
    /// Nobody can post there.
    pub(super) archived: bool,
    /// Its messages are end-to-end encrypted.
    pub(super) encrypted: bool,
}

impl Known {
    /// Why a room that a trigger names is not watched as configured, for display.
    fn trouble(&self) -> Option<String> {
        let label = room_label(&self.room);
        if self.archived {
            Some(format!(
                "{label} is archived, so nobody can post there: unarchive it, or remove it from the triggers"
            ))
        } else if self.encrypted {
            Some(format!(
                "Messages in {label} cannot be read, because it is end-to-end encrypted: turn that off in its settings, or remove it from the triggers"
            ))
        } else if !self.joined && self.room.kind != RoomKind::Channel {
            Some(format!("The bot is no longer in {label} and does not watch it: invite it again"))
        } else if let [former, ..] = &*self.room.former_names {
            Some(format!(
                "The room named {former} in the configuration was renamed to {label}. The bot still watches it: change the name in the configuration"
            ))
        } else {
            None
        }
    }

    fn update_watched(&mut self, triggers: &TriggerSet) {
        self.watched = self.joined && triggers.watches(&self.room, true)
            || is_watched_from_outside(&self.room, triggers);
    }
}

/// Whether a trigger watches the room even if the bot is not in it. Only public channels send their messages to
/// non-members.
pub(super) fn is_watched_from_outside(room: &Room, triggers: &TriggerSet) -> bool {
    room.kind == RoomKind::Channel && triggers.watches(room, false)
}

/// The directory of rooms. It follows joins, leaves, renames and deletions.
#[derive(Debug)]
pub(super) struct Rooms(RwLock<Directory>);

#[derive(Debug)]
struct Directory {
    /// The settings that `watched` is based on.
    settings: Arc<Settings>,
    known: HashMap<RoomId, Arc<Known>>,
    /// The rooms that entries of `rooms` named.
    named: NamedRooms,
    /// What the store has of `named`.
    saved: NamedRooms,
}

impl Directory {
    fn resolve(&mut self, mut room: Room, joined: bool) -> Known {
        self.recall_names(&mut room);
        let (archived, encrypted) = (false, false);
        let mut known = Known { room, joined, watched: false, described: true, archived, encrypted };
        known.update_watched(&self.settings.config.triggers);
        known
    }

    /// Adds to a room the names under which it was found before.
    fn recall_names(&mut self, room: &mut Room) {
        room.former_names = remember_names(&mut self.named, self.settings.config.triggers.room_names(), room);
    }
}

impl Rooms {
    /// An empty directory.
    pub(super) fn new(settings: Arc<Settings>) -> Self {
        let (known, named, saved) = Default::default();
        Self(RwLock::new(Directory { settings, known, named, saved }))
    }

    /// Starts with these settings, and with what the last run knew about the rooms that they name.
    pub(super) fn restore(&self, settings: Arc<Settings>, named: NamedRooms) {
        {
            let mut directory = self.0.write();
            (directory.saved, directory.named) = (named.clone(), named);
        }
        self.adopt(settings);
    }

    /// The URL of a message.
    pub(super) fn link(&self, server: &Url, room: &RoomId, message: &MessageId) -> Url {
        let unknown = || Room::new(room.clone(), None, RoomKind::Other);
        let room = self.get(room).map_or_else(unknown, |known| known.room.clone());
        message_url(server, &room, message)
    }

    /// Applies these settings to every room from now on. Returns the rooms that only they watch.
    pub(super) fn adopt(&self, settings: Arc<Settings>) -> Vec<RoomId> {
        let mut directory = self.0.write();
        let entries: HashSet<String> = settings.config.triggers.room_names().map(str::to_lowercase).collect();
        directory.named.retain(|(entry, _)| entries.contains(entry));
        directory.settings = settings;
        let mut known = std::mem::take(&mut directory.known);
        let mut new = Vec::new();
        for known in known.values_mut().map(Arc::make_mut) {
            let was_watched = known.watched;
            directory.recall_names(&mut known.room);
            known.update_watched(&directory.settings.config.triggers);
            if known.watched && !was_watched {
                new.push(known.room.id.clone());
            }
        }
        directory.known = known;
        new
    }

    /// Reads a room without copying it. `None` if it is unknown, if `look` returns `None`, or if the rooms are still
    /// based on other settings.
    pub(super) fn look_up<T>(
        &self,
        settings: &Arc<Settings>,
        room: &str,
        look: impl FnOnce(&Known) -> Option<T>,
    ) -> Option<T> {
        let directory = self.0.read();
        if !Arc::ptr_eq(&directory.settings, settings) {
            return None;
        }
        directory.known.get(room).and_then(|known| look(known))
    }

    /// Whether any known room matches the entry.
    pub(super) fn has(&self, pattern: &RoomPattern) -> bool {
        self.0.read().known.values().any(|known| pattern.matches(&known.room, known.joined))
    }

    /// Whether some trigger watches the room.
    pub(super) fn watched(&self, room: &RoomId) -> bool {
        self.0.read().known.get(room).is_some_and(|known| known.watched)
    }

    /// The room with this ID.
    pub(super) fn get(&self, id: &RoomId) -> Option<Arc<Known>> {
        self.0.read().known.get(id).cloned()
    }

    /// The rooms for which this holds.
    pub(super) fn select(&self, holds: impl Fn(&Known) -> bool) -> Vec<Arc<Known>> {
        self.0.read().known.values().filter(|known| holds(known)).cloned().collect()
    }

    /// The room that matches the entry and that the bot is in.
    pub(super) fn find(&self, entry: &RoomPattern) -> Option<RoomId> {
        let directory = self.0.read();
        let mut joined = directory.known.values().filter(|known| known.joined);
        joined.find(|known| entry.matches(&known.room, true)).map(|known| known.room.id.clone())
    }

    /// Stores the server's description of a room. If it does not say whether the bot is a member, the known value is
    /// kept.
    pub(super) fn learn(&self, room: Room, joined: Option<bool>) -> Arc<Known> {
        self.insert(room, joined, true)
    }

    fn insert(&self, room: Room, joined: Option<bool>, described: bool) -> Arc<Known> {
        let mut directory = self.0.write();
        let before = directory.known.get(&room.id);
        let (was_joined, was_described) =
            before.map_or((false, false), |known| (known.joined, known.described));
        let (archived, encrypted) = before.map_or((false, false), |known| (known.archived, known.encrypted));
        let known = Arc::new(Known {
            described: described || was_described,
            archived,
            encrypted,
            ..directory.resolve(room, joined.unwrap_or(was_joined))
        });
        directory.known.insert(known.room.id.clone(), known.clone());
        known
    }

    /// Completes the data that came with a message. `None` if an unknown name is missing: then the server has to be
    /// asked.
    pub(super) fn complete(&self, streamed: &StreamedMessage) -> Option<Arc<Known>> {
        let id = &streamed.message.room;
        let before = self.get(id);
        let kind = streamed.room_kind.or(before.as_ref().map(|known| known.room.kind))?;
        let known_name = before.as_ref().and_then(|known| known.room.name.as_ref());
        let name = streamed.room_name.as_ref().or(known_name);
        if name.is_none() && !matches!(kind, RoomKind::Direct | RoomKind::Livechat) {
            return None;
        }
        let display_name = before.as_ref().and_then(|known| known.room.display_name.clone());
        if display_name.is_some() && name != known_name {
            // The room was renamed, and the message contains one of its new names.
            return None;
        }
        // Servers that do not say this only send messages that the bot may read as a member.
        let joined = streamed.participant.unwrap_or(before.as_ref().is_none_or(|known| known.joined));
        let room = Room { display_name, ..Room::new(id.clone(), name.cloned(), kind) };
        match before {
            Some(before) if before.room == room && before.joined == joined => Some(before),
            _ => Some(self.insert(room, Some(joined), false)),
        }
    }

    /// Records that the bot is in no other rooms than these.
    pub(super) fn keep_joined(&self, is_joined: impl Fn(&RoomId) -> bool) {
        let mut directory = self.0.write();
        let Directory { settings, known, .. } = &mut *directory;
        for known in known.values_mut().filter(|known| known.joined && !is_joined(&known.room.id)) {
            let known = Arc::make_mut(known);
            known.joined = false;
            known.update_watched(&settings.config.triggers);
        }
    }

    /// Records that the bot is in a room. That says nothing about the room's names.
    pub(super) fn joined(&self, room: &RoomId) {
        let mut directory = self.0.write();
        let Directory { settings, known, .. } = &mut *directory;
        if let Some(known) = known.get_mut(room).map(Arc::make_mut) {
            known.joined = true;
            known.update_watched(&settings.config.triggers);
        }
    }

    /// The room as the triggers see it. It is not stored.
    pub(super) fn resolve(&self, room: Room) -> Known {
        self.0.write().resolve(room, false)
    }

    /// Records whether a room is archived, and whether it is encrypted if that is known.
    pub(super) fn set_state(&self, id: &RoomId, archived: bool, encrypted: Option<bool>) {
        if let Some(known) = self.0.write().known.get_mut(id).map(Arc::make_mut) {
            known.archived = archived;
            known.encrypted = encrypted.unwrap_or(known.encrypted);
        }
    }

    /// The rooms that entries of `rooms` named, if that is not saved yet.
    pub(super) fn unsaved_names(&self) -> Option<NamedRooms> {
        let directory = self.0.read();
        (directory.named != directory.saved).then(|| directory.named.clone())
    }

    /// Records that the store has these.
    pub(super) fn names_are_saved(&self, named: NamedRooms) {
        self.0.write().saved = named;
    }

    /// Whether an entry of `rooms` names exactly this room.
    pub(super) fn is_named(&self, id: &RoomId) -> bool {
        let directory = self.0.read();
        directory.named.iter().any(|(_, room)| room == id)
            || directory.settings.config.triggers.room_ids().any(|room| room == id)
    }

    /// Rooms that entries of `rooms` named before, and that the server has not described in this run.
    pub(super) fn named_and_unknown(&self) -> BTreeSet<RoomId> {
        let directory = self.0.read();
        let named = directory.named.iter().map(|(_, room)| room);
        named.filter(|room| !directory.known.contains_key(*room)).cloned().collect()
    }

    /// The problems of the rooms that triggers name individually, for display.
    pub(super) fn troubles(&self) -> BTreeMap<RoomId, String> {
        let directory = self.0.read();
        let named = directory.named.iter().map(|(_, room)| room);
        let rooms = named.chain(directory.settings.config.triggers.room_ids());
        let trouble = |id: &RoomId| Some((id.clone(), directory.known.get(id)?.trouble()?));
        rooms.filter_map(trouble).collect()
    }

    /// Forgets a deleted room.
    pub(super) fn remove(&self, id: &RoomId) {
        let mut directory = self.0.write();
        directory.known.remove(id);
        directory.named.retain(|(_, room)| room != id);
    }
}
