//! One trigger: what fires it, and what its alert says.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::{EventTemplates, Pattern, RoomPattern, UserPattern};
use rocketchat::{Author, Message, Room};

/// A rule that turns a message into an alert.
#[derive(Clone, Debug)]
pub struct Trigger {
    /// The unique name: used in the store, in log lines and in `{{ trigger }}`.
    pub name: String,
    /// Any match of these in a message's text fires the trigger; at least one. Words come last, because the groups of
    /// a regular expression contain more information.
    pub patterns: Vec<Pattern>,
    /// If this also matches, the text does not fire the trigger.
    pub unless: Option<Pattern>,
    /// The rooms it watches; at least one entry.
    pub rooms: Vec<RoomPattern>,
    /// Only messages of these users count; those of everybody if empty.
    pub users: Vec<UserPattern>,
    /// These users' messages never count.
    pub exclude_users: Vec<UserPattern>,
    /// Whether messages from integrations count.
    pub bots: bool,
    /// Whether messages in threads count.
    pub threads: bool,
    /// Whether an edit counts that makes a message match for the first time.
    pub run_on_edits: bool,
    /// Whether an alert that could not be sent yet is sent although its message was deleted meanwhile.
    pub page_deleted: bool,
    /// How long the trigger raises no further alert in a room after an alert; zero for none.
    pub cooldown: Duration,
    /// Whether later triggers are tried as well after this one matched.
    pub continue_matching: bool,
    /// The team to page.
    pub team: TeamName,
    /// The content of the alert.
    pub event: EventTemplates,
}

impl Trigger {
    /// Whether the trigger watches this room. The bot may be a member or not.
    pub fn watches(&self, room: &Room, joined: bool) -> bool {
        self.rooms.iter().any(|pattern| pattern.matches(room, joined))
    }

    /// Whether one of its patterns, which the set of all triggers found in the text, matches.
    pub(super) fn admits_text(&self, index: usize, text: &str) -> bool {
        self.patterns.get(index).is_some_and(|pattern| pattern.is_match(text)) && !self.is_excluded(text)
    }

    /// Whether `unless` matches the text.
    pub fn is_excluded(&self, text: &str) -> bool {
        self.unless.as_ref().is_some_and(|unless| unless.is_match(text))
    }

    /// Whether the message satisfies every condition except the text: its room, its author, and how and where it was
    /// posted.
    pub(super) fn admits(&self, message: &Message, room: &Room, joined: bool) -> bool {
        (self.bots || !message.from_integration)
            && (self.threads || message.thread.is_none())
            && self.admits_author(&message.author)
            && self.watches(room, joined)
    }

    /// Whether the message is an edited one, and edits do not count.
    pub fn ignores_edit(&self, message: &Message) -> bool {
        !self.run_on_edits && message.edited_at.is_some()
    }

    fn admits_author(&self, author: &Author) -> bool {
        let named = |users: &[UserPattern]| users.iter().any(|user| user.matches(author));
        (self.users.is_empty() || named(&self.users)) && !named(&self.exclude_users)
    }

    /// The named groups of the patterns, each with the text that the pattern at `index` captured, or empty.
    ///
    /// Contains every name of every pattern, so that a template can use a group of a pattern that did not match.
    pub(super) fn captures(&self, index: usize, text: &str) -> BTreeMap<String, String> {
        let groups = self.patterns.get(index).and_then(|pattern| pattern.captures(text));
        let caught = |name| groups.as_ref()?.name(name).map(|group| group.as_str());
        let names = self.patterns.iter().flat_map(Pattern::groups);
        names.map(|name| (name.to_owned(), caught(name).unwrap_or_default().to_owned())).collect()
    }
}

/// The SIGNL4 team that an alert is sent to.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TeamName {
    /// The team of `[signl4]` itself.
    #[default]
    Default,
    /// One of `[[signl4.team]]`.
    Named(String),
}

impl TeamName {
    /// The name as stored; empty for the default team.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Default => "",
            Self::Named(name) => name,
        }
    }
}

impl fmt::Display for TeamName {
    /// The display name. The default team has none, so this is its table in `bot.toml`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("[signl4]"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{general, message, room, trigger};
    use super::*;
    use rocketchat::{MessageId, RoomKind};

    fn user(text: &str) -> UserPattern {
        UserPattern::parse(text).unwrap()
    }

    fn admits(trigger: &Trigger, message: &Message) -> bool {
        trigger.admits(message, &general(), true)
    }

    #[test]
    fn only_listed_users_trigger() {
        let mut trigger = trigger("t", &["."]);
        assert!(admits(&trigger, &message("x")));
        trigger.users = vec![user("zabbix")];
        assert!(!admits(&trigger, &message("x")));
        trigger.users.push(user("Anna"));
        assert!(admits(&trigger, &message("x")), "a username is taken whatever its case");
    }

    #[test]
    fn excluded_users_never_trigger_even_if_they_are_listed() {
        let mut trigger = trigger("t", &["."]);
        trigger.exclude_users = vec![user("ANNA")];
        assert!(!admits(&trigger, &message("x")));
        trigger.users = vec![user("anna")];
        assert!(!admits(&trigger, &message("x")));
    }

    #[test]
    fn messages_of_integrations_count_unless_bots_is_off() {
        let mut trigger = trigger("t", &["."]);
        let posted = Message { from_integration: true, ..message("x") };
        assert!(admits(&trigger, &posted));
        trigger.bots = false;
        assert!(!admits(&trigger, &posted));
        assert!(admits(&trigger, &message("x")));
    }

    #[test]
    fn messages_in_threads_count_unless_threads_is_off() {
        let mut trigger = trigger("t", &["."]);
        let reply = Message { thread: Some(MessageId::new("parent")), ..message("x") };
        assert!(admits(&trigger, &reply));
        trigger.threads = false;
        assert!(!admits(&trigger, &reply));
        assert!(admits(&trigger, &message("x")));
    }

    #[test]
    fn a_trigger_matches_in_any_of_its_rooms() {
        let mut trigger = trigger("t", &["."]);
        trigger.rooms = ["#ops-*", "id:GENERAL"].map(|room| RoomPattern::parse(room).unwrap()).into();
        assert!(trigger.watches(&general(), true));
        assert!(trigger.watches(&room(RoomKind::Group, "r1", Some("ops-1")), false));
        assert!(!trigger.watches(&room(RoomKind::Channel, "r2", Some("dev")), true));
    }

    #[test]
    fn every_group_of_every_pattern_is_defined_even_without_a_match() {
        let trigger = trigger("t", &[r"pump (?<pump>\d+)(?: in (?<hall>\w+))?", r"tank (?<tank>\d+)"]);
        let caught = |index, text| {
            let caught = trigger.captures(index, text);
            ["pump", "hall", "tank"].map(|name| caught[name].clone())
        };
        assert_eq!(caught(0, "pump 3 in north"), ["3", "north", ""]);
        assert_eq!(caught(0, "pump 3, tank 4"), ["3", "", ""], "only the pattern that was asked catches");
        assert_eq!(caught(1, "pump 3, tank 4"), ["", "", "4"]);
        assert_eq!(caught(1, "pump 3"), ["", "", ""]);
        assert_eq!(caught(9, "pump 3"), ["", "", ""]);
    }

    #[test]
    fn a_team_is_shown_by_its_name_and_the_default_one_by_its_table() {
        for (team, name, shown) in
            [(TeamName::Default, "", "[signl4]"), (TeamName::Named("network".into()), "network", "network")]
        {
            assert_eq!(team.as_str(), name);
            assert_eq!(team.to_string(), shown);
        }
    }
}
