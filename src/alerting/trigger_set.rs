//! All triggers together: one pass over a message's text finds all matching patterns of all triggers.

use std::collections::{BTreeMap, BTreeSet};

use regex::RegexSet;
use sha2::{Digest, Sha256};

use super::rooms::same_name;
use super::{Pattern, RoomPattern, Trigger};
use rocketchat::{Message, Room, RoomId};

/// The triggers, in their order in the configuration.
#[derive(Clone, Debug)]
pub struct TriggerSet {
    triggers: Vec<Trigger>,
    patterns: RegexSet,
    /// For each pattern of the set: its trigger, and its index among that trigger's patterns.
    owners: Vec<(usize, usize)>,
}

/// A trigger that a message fires.
#[derive(Clone, Debug)]
pub struct Match<'a> {
    /// The trigger.
    pub trigger: &'a Trigger,
    /// The text of its named groups. A group without a match is empty.
    pub captures: BTreeMap<String, String>,
}

/// What to request from the server to find rooms that triggers name and that the bot is not in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unfound<'a> {
    /// Rooms to look up by name.
    pub names: BTreeSet<&'a str>,
    /// Rooms to look up by `_id`.
    pub ids: BTreeSet<&'a RoomId>,
    /// Whether a glob may match public channels, so that these have to be listed.
    pub channels: bool,
}

impl<'a> Unfound<'a> {
    /// What these entries of `rooms` ask for, given the rooms that the bot is in.
    pub(crate) fn among<'r>(
        patterns: impl Iterator<Item = &'a RoomPattern>,
        joined: impl Iterator<Item = &'r Room> + Clone,
    ) -> Self {
        let mut unfound = Self::default();
        for pattern in patterns {
            let mut joined = joined.clone();
            match pattern {
                RoomPattern::Any => {}
                RoomPattern::Glob(..) => unfound.channels = true,
                // A renamed room is known already, but another one may have its old name now.
                RoomPattern::Name(name) => {
                    let is_found = joined.any(|room| room.names().any(|other| same_name(other, name)));
                    unfound.names.extend((!is_found).then_some(name.as_str()));
                }
                RoomPattern::Id(id) => {
                    let is_found = joined.any(|room| room.id == *id);
                    unfound.ids.extend((!is_found).then_some(id));
                }
            }
        }
        unfound
    }
}

impl TriggerSet {
    /// Combines the triggers. They are tried in this order.
    ///
    /// # Errors
    /// When all patterns together exceed the maximum size of a set.
    pub fn new(triggers: Vec<Trigger>) -> Result<Self, regex::Error> {
        let owners = triggers
            .iter()
            .enumerate()
            .flat_map(|(at, trigger)| (0..trigger.patterns.len()).map(move |pattern| (at, pattern)))
            .collect();
        let patterns = Pattern::set(triggers.iter().flat_map(|trigger| &trigger.patterns))?;
        Ok(Self { triggers, patterns, owners })
    }

    /// Whether a message with this text may fire a trigger, whatever its room and author. Cheap, and `false` for most
    /// messages.
    pub fn may_match(&self, text: &str) -> bool {
        self.patterns.is_match(text)
    }

    /// The triggers that the message fires: the first match, and the following ones as long as each has `continue`. A trigger
    /// that ignores edits does not end this for an edited message, because only the caller knows whether the edit made it match.
    ///
    /// `joined` says whether the bot is a member of the room. System messages and encrypted messages fire nothing.
    pub fn matches(&self, message: &Message, room: &Room, joined: bool) -> Vec<Match<'_>> {
        let mut found: Vec<Match<'_>> = Vec::new();
        // `RegexSet::matches` is much slower than `is_match`: it cannot stop at the first match, and uses no lazy DFA.
        if message.has_type || !self.may_match(&message.text) {
            return found;
        }
        let mut asked = None;
        for pattern in self.patterns.matches(&message.text) {
            let (at, index) = self.owners[pattern];
            let trigger = &self.triggers[at];
            // If several patterns of one trigger match, the first one counts.
            if asked == Some(at) || !trigger.admits_text(index, &message.text) {
                continue;
            }
            asked = Some(at);
            if !trigger.admits(message, room, joined) {
                continue;
            }
            found.push(Match { trigger, captures: trigger.captures(index, &message.text) });
            if !trigger.continue_matching && !trigger.ignores_edit(message) {
                break;
            }
        }
        found
    }

    /// Whether any trigger watches the room. The bot may be a member or not.
    pub fn watches(&self, room: &Room, joined: bool) -> bool {
        self.triggers.iter().any(|trigger| trigger.watches(room, joined))
    }

    /// The trigger with this name.
    pub fn get(&self, name: &str) -> Option<&Trigger> {
        self.triggers.iter().find(|trigger| trigger.name == name)
    }

    /// A number that changes if the triggers may match other messages, and is the same in every run of the same
    /// version.
    pub(crate) fn fingerprint(&self) -> i64 {
        let mut digest = Sha256::new_with_prefix(env!("CARGO_PKG_VERSION"));
        for trigger in &self.triggers {
            // The content of an alert, its team and its cooldown do not affect matching.
            let Trigger { name, patterns, unless, rooms, users, exclude_users, .. } = trigger;
            let Trigger { bots, threads, run_on_edits, continue_matching, .. } = trigger;
            digest.update(format!("{name:?}{patterns:?}{unless:?}{rooms:?}{users:?}{exclude_users:?}"));
            digest.update(format!("{bots:?}{threads:?}{run_on_edits:?}{continue_matching:?}"));
        }
        digest.finalize().iter().take(8).fold(0, |number, byte| number << 8 | i64::from(*byte))
    }

    /// Every trigger, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Trigger> {
        self.triggers.iter()
    }

    /// What to request from the server, given the rooms that the bot is in.
    pub fn unfound<'a, 'r>(&'a self, joined: impl Iterator<Item = &'r Room> + Clone) -> Unfound<'a> {
        Unfound::among(self.room_patterns().map(|(_, pattern)| pattern), joined)
    }

    /// Whether any entry of `rooms` is a name or a glob.
    pub(crate) fn name_rooms(&self) -> bool {
        self.room_patterns()
            .any(|(_, pattern)| matches!(pattern, RoomPattern::Name(_) | RoomPattern::Glob(..)))
    }

    /// The names among the entries of `rooms`.
    pub fn room_names(&self) -> impl Iterator<Item = &str> {
        self.room_patterns().filter_map(|(_, pattern)| match pattern {
            RoomPattern::Name(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The ids among the entries of `rooms`.
    pub fn room_ids(&self) -> impl Iterator<Item = &RoomId> {
        self.room_patterns().filter_map(|(_, pattern)| match pattern {
            RoomPattern::Id(id) => Some(id),
            _ => None,
        })
    }

    /// Every entry of every trigger's `rooms`, in order.
    pub fn room_patterns(&self) -> impl Iterator<Item = (&Trigger, &RoomPattern)> {
        self.triggers.iter().flat_map(|trigger| trigger.rooms.iter().map(move |room| (trigger, room)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::UserPattern;
    use super::super::fixtures::{general, message, room, trigger};
    use super::*;
    use rocketchat::RoomKind;

    fn set(triggers: impl IntoIterator<Item = Trigger>) -> TriggerSet {
        TriggerSet::new(triggers.into_iter().collect()).unwrap()
    }

    fn names(triggers: &TriggerSet, text: &str) -> Vec<String> {
        let found = triggers.matches(&message(text), &general(), true);
        found.iter().map(|found| found.trigger.name.clone()).collect()
    }

    #[test]
    fn the_first_trigger_that_matches_wins() {
        let triggers = set([trigger("pumps", &["pump"]), trigger("all", &["."])]);
        assert_eq!(names(&triggers, "pump 3"), ["pumps"]);
        assert_eq!(names(&triggers, "tank 3"), ["all"]);
        assert!(names(&triggers, "").is_empty());
    }

    #[test]
    fn with_continue_the_following_triggers_may_match_too() {
        let mut first = trigger("first", &["pump"]);
        first.continue_matching = true;
        let mut second = trigger("second", &["3"]);
        second.continue_matching = true;
        let triggers = set([
            first,
            second,
            trigger("third", &["tank"]),
            trigger("fourth", &["."]),
            trigger("fifth", &["."]),
        ]);
        assert_eq!(names(&triggers, "pump 3"), ["first", "second", "fourth"]);
        assert_eq!(names(&triggers, "3 tanks"), ["second", "third"]);
    }

    #[test]
    fn a_trigger_that_does_not_match_blocks_no_other() {
        let mut elsewhere = trigger("elsewhere", &["pump"]);
        elsewhere.rooms = vec![RoomPattern::parse("#ops").unwrap()];
        let mut others = trigger("others", &["pump"]);
        others.users = vec![UserPattern::parse("zabbix").unwrap()];
        assert_eq!(names(&set([elsewhere, others, trigger("last", &["pump"])]), "pump 3"), ["last"]);
    }

    #[test]
    fn of_several_patterns_the_first_that_matches_is_used() {
        let triggers = set([
            trigger("other", &["nothing like it"]),
            trigger("both", &[r"tank (?<number>\d)", r"pump (?<number>\d)", r"(?<word>\w+)"]),
        ]);
        let caught = |text| {
            let found = triggers.matches(&message(text), &general(), true);
            let [found] = &found[..] else { panic!("{text} matches {} times", found.len()) };
            (found.captures["number"].clone(), found.captures["word"].clone())
        };
        assert_eq!(caught("pump 3 and tank 4"), ("4".into(), String::new()));
        assert_eq!(caught("pump 3"), ("3".into(), String::new()));
        assert_eq!(caught("door"), (String::new(), "door".into()));
    }

    #[test]
    fn a_text_of_several_lines_is_one_text() {
        let across = set([trigger("across", &["PROBLEM.*pump"])]);
        assert_eq!(names(&across, "PROBLEM\nhost: north\npump 3"), ["across"]);
        let line = set([trigger("line", &["(?m)^pump 3$"])]);
        assert_eq!(names(&line, "PROBLEM\npump 3\nhost"), ["line"]);
        let plain = set([trigger("plain", &["^pump"])]);
        assert!(names(&plain, "PROBLEM\npump 3").is_empty());
    }

    #[test]
    fn a_word_that_is_part_of_a_name_leaves_the_text_to_other_patterns_and_triggers() {
        let mut words = trigger("words", &[]);
        words.patterns = ["SIGNL4", "page"].map(|word| Pattern::word(word).unwrap()).into();
        let triggers = set([words, trigger("links", &["docs"])]);
        assert!(triggers.may_match("see docs.signl4.com"), "a first look finds the word");
        assert_eq!(names(&triggers, "see docs.signl4.com"), ["links"]);
        assert_eq!(names(&triggers, "page me, docs.signl4.com says how"), ["words"]);
        assert!(names(&triggers, "signl4.com").is_empty());
    }

    #[test]
    fn a_text_that_unless_matches_triggers_nothing_and_blocks_no_other_trigger() {
        let mut pumps = trigger("pumps", &["pump"]);
        pumps.unless = Some(Pattern::expression(r"(?i)\bresolved\b").unwrap());
        let triggers = set([pumps, trigger("all", &["SIGNL4"])]);
        assert_eq!(names(&triggers, "SIGNL4 pump 3"), ["pumps"]);
        assert_eq!(names(&triggers, "SIGNL4 pump 3\nRESOLVED"), ["all"]);
        assert!(names(&triggers, "pump 3 is resolved").is_empty());
    }

    #[test]
    fn system_messages_and_ciphertext_set_off_nothing() {
        let triggers = set([trigger("all", &["."])]);
        let message = Message { has_type: true, ..message("SIGNL4") };
        assert!(triggers.matches(&message, &general(), true).is_empty());
    }

    #[test]
    fn a_room_that_the_bot_is_not_in_matches_only_by_name() {
        let mut named = trigger("named", &["."]);
        named.rooms = vec![RoomPattern::parse("general").unwrap()];
        let triggers = set([trigger("all", &["."]), named]);
        let found = triggers.matches(&message("x"), &general(), false);
        assert_eq!(found.iter().map(|found| found.trigger.name.as_str()).collect::<Vec<_>>(), ["named"]);
        assert!(triggers.watches(&general(), false));
        assert!(!triggers.watches(&room(RoomKind::Channel, "r", Some("dev")), false));
        assert!(triggers.watches(&room(RoomKind::Channel, "r", Some("dev")), true));
    }

    #[test]
    fn a_fingerprint_changes_with_what_may_match_and_with_nothing_else() {
        let usual = || set([trigger("pumps", &["pump"]), trigger("all", &["."])]);
        let with = |change: &dyn Fn(&mut Trigger)| {
            let mut triggers = usual().triggers;
            change(&mut triggers[0]);
            set(triggers).fingerprint()
        };
        assert_eq!(with(&|_| {}), usual().fingerprint());
        assert_eq!(
            with(&|trigger| trigger.cooldown = std::time::Duration::from_secs(5)),
            usual().fingerprint()
        );
        let changes: [&dyn Fn(&mut Trigger); 4] = [
            &|trigger| trigger.patterns = vec![Pattern::word("pump").unwrap()],
            &|trigger| trigger.unless = Some(Pattern::expression("ok").unwrap()),
            &|trigger| trigger.rooms = vec![RoomPattern::parse("ops-*").unwrap()],
            &|trigger| trigger.run_on_edits = false,
        ];
        assert!(changes.iter().all(|change| with(*change) != usual().fingerprint()));
    }

    #[test]
    fn triggers_are_found_by_name_and_listed_in_their_order() {
        let mut first = trigger("first", &["."]);
        first.rooms = ["b", "a"].map(|room| RoomPattern::parse(room).unwrap()).into();
        let triggers = set([first, trigger("second", &["."])]);
        assert_eq!(triggers.get("second").unwrap().name, "second");
        assert!(triggers.get("third").is_none());
        let rooms: Vec<_> =
            triggers.room_patterns().map(|(trigger, room)| format!("{} {room}", trigger.name)).collect();
        assert_eq!(rooms, ["first #b", "first #a", "second *"]);
    }
}
