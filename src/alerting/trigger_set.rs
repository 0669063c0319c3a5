//! All triggers together: one pass over a message's text finds every pattern of every trigger that matches.

use std::collections::{BTreeMap, BTreeSet};

use regex::{Regex, RegexSet, RegexSetBuilder};

use super::{RoomPattern, Trigger};
use crate::rocketchat::{Message, MessageKind, Room, RoomId};

/// How much memory the patterns of all triggers together may take once compiled, in bytes.
const SIZE_LIMIT: usize = 16 << 20;

/// The triggers, in the order in which they are written.
#[derive(Clone, Debug)]
pub struct TriggerSet {
    triggers: Vec<Trigger>,
    patterns: RegexSet,
    /// For each pattern of the set: its trigger, and its place among that trigger's patterns.
    owners: Vec<(usize, usize)>,
}

/// A trigger that a message sets off.
#[derive(Clone, Debug)]
pub struct Match<'a> {
    /// The trigger.
    pub trigger: &'a Trigger,
    /// What its named groups caught; a group that took no part is empty.
    pub captures: BTreeMap<String, String>,
}

/// What has to be asked of the server to find the rooms that triggers mean and the bot is not in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unfound<'a> {
    /// Rooms to look up by name.
    pub names: BTreeSet<&'a str>,
    /// Rooms to look up by `_id`.
    pub ids: BTreeSet<&'a RoomId>,
    /// Whether a glob may fit public channels, so that these have to be listed.
    pub channels: bool,
}

impl TriggerSet {
    /// Joins the triggers. Their order is the order in which they are asked.
    ///
    /// # Errors
    /// When all patterns together are larger than a set may be.
    pub fn new(triggers: Vec<Trigger>) -> Result<Self, regex::Error> {
        let owners = triggers
            .iter()
            .enumerate()
            .flat_map(|(at, trigger)| (0..trigger.patterns.len()).map(move |pattern| (at, pattern)))
            .collect();
        let patterns = triggers.iter().flat_map(|trigger| &trigger.patterns).map(Regex::as_str);
        let patterns = RegexSetBuilder::new(patterns).size_limit(SIZE_LIMIT).build()?;
        Ok(Self { triggers, patterns, owners })
    }

    /// The triggers that the message sets off: the first that matches, and those after it while each says `continue`.
    ///
    /// `joined` says whether the bot is a member of the room. System messages and ciphertext set off nothing.
    pub fn matches(&self, message: &Message, room: &Room, joined: bool) -> Vec<Match<'_>> {
        let mut found: Vec<Match<'_>> = Vec::new();
        if message.kind != MessageKind::Plain {
            return found;
        }
        let mut asked = None;
        for pattern in self.patterns.matches(&message.text) {
            let (at, index) = self.owners[pattern];
            // Of several patterns of one trigger the first that matches counts.
            if asked.replace(at) == Some(at) {
                continue;
            }
            let trigger = &self.triggers[at];
            if !trigger.admits(message, room, joined) {
                continue;
            }
            found.push(Match { trigger, captures: trigger.captures(index, &message.text) });
            if !trigger.continue_matching {
                break;
            }
        }
        found
    }

    /// Whether any trigger watches the room, of which the bot is a member or not.
    pub fn watches(&self, room: &Room, joined: bool) -> bool {
        self.triggers.iter().any(|trigger| trigger.watches(room, joined))
    }

    /// The trigger of this name.
    pub fn get(&self, name: &str) -> Option<&Trigger> {
        self.triggers.iter().find(|trigger| trigger.name == name)
    }

    /// Every trigger, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Trigger> {
        self.triggers.iter()
    }

    /// What has to be asked of the server, given the rooms that the bot is in.
    pub fn unfound<'a, 'r>(&'a self, joined: impl Iterator<Item = &'r Room> + Clone) -> Unfound<'a> {
        let mut unfound = Unfound::default();
        for (_, pattern) in self.room_patterns() {
            let found = || joined.clone().any(|room| pattern.matches(room, true));
            match pattern {
                RoomPattern::Any => {}
                RoomPattern::Glob(_) => unfound.channels = true,
                RoomPattern::Name(name) if !found() => {
                    unfound.names.insert(name);
                }
                RoomPattern::Id(id) if !found() => {
                    unfound.ids.insert(id);
                }
                RoomPattern::Name(_) | RoomPattern::Id(_) => {}
            }
        }
        unfound
    }

    /// Every entry of every trigger's `rooms`, in order.
    pub fn room_patterns(&self) -> impl Iterator<Item = (&Trigger, &RoomPattern)> {
        self.triggers.iter().flat_map(|trigger| trigger.rooms.iter().map(move |room| (trigger, room)))
    }
}
