//! Which rooms a trigger watches: names, globs, identifiers, or all of them.

use std::collections::BTreeSet;
use std::fmt;

use regex::{Regex, RegexBuilder};

use rocketchat::{Room, RoomId, RoomKind};

/// One entry of a trigger's `rooms`.
///
/// Names are compared case-insensitively. Rocket.Chat itself is case-sensitive and allows both `Ops` and `ops`, but
/// missing a page because of a capital letter is worse than a page from the wrong one of the two. A name is the
/// display name or the name in the room's address. Direct messages have no name: only [`RoomPattern::Any`] and
/// [`RoomPattern::Id`] match them.
#[derive(Clone, Debug)]
pub enum RoomPattern {
    /// `"*"`: every room the bot is in, including direct messages.
    Any,
    /// `"id:GENERAL"`: the room with this `_id`, case-sensitive.
    Id(RoomId),
    /// `"general"`, `"#general"` or `"Störung [Halle 3"`: the room with this name, here without the `#`.
    Name(String),
    /// `"ops-*"`: every room with a matching name. The glob is here without the `#`, and then as a regular expression.
    ///
    /// Globs have `*`, `?`, `[a-c]`, `[!a]`, `{a,b}`, and `\\` before a literal character. A name such as `[prod] alerts` also
    /// matches literally.
    Glob(String, Regex),
}

/// Why an entry of `rooms` is invalid.
#[derive(Debug, thiserror::Error)]
pub enum RoomPatternError {
    /// `""`, `"#"` or `"id:"`.
    #[error("names no room")]
    Empty,
    /// `"@anna"`: a direct message has no name.
    #[error("looks like a user; direct messages have no name")]
    User,
    /// `"ops-[*"`.
    #[error("is not a glob: a [ or {{ is not closed, or there is nothing between [ and ]")]
    Glob,
}

impl RoomPattern {
    /// Parses one entry of `rooms`.
    ///
    /// # Errors
    /// When it is empty, names a user, or contains `*` without being a valid glob.
    pub fn parse(text: &str) -> Result<Self, RoomPatternError> {
        let text = text.trim();
        if text == "*" {
            return Ok(Self::Any);
        }
        if let Some(id) = text.strip_prefix("id:").map(str::trim) {
            return if id.is_empty() { Err(RoomPatternError::Empty) } else { Ok(Self::Id(RoomId::new(id))) };
        }
        let name = text.strip_prefix('#').unwrap_or(text);
        if name.is_empty() {
            return Err(RoomPatternError::Empty);
        }
        if name.starts_with('@') {
            return Err(RoomPatternError::User);
        }
        let glob = if name.contains(['*', '?', '[', '{']) { regex_of(name) } else { None };
        match glob {
            Some(regex) => Ok(Self::Glob(name.to_owned(), regex)),
            None if name.contains('*') => Err(RoomPatternError::Glob),
            None => Ok(Self::Name(name.to_owned())),
        }
    }

    /// Whether the entry matches the room.
    ///
    /// `joined` says whether the bot is a member. [`RoomPattern::Any`] does not match rooms that the bot can see but
    /// is not in.
    pub fn matches(&self, room: &Room, joined: bool) -> bool {
        match self {
            Self::Any => joined,
            Self::Id(id) => *id == room.id,
            Self::Name(wanted) => {
                let former = room.former_names.iter().map(|name| &**name);
                room.names().chain(former).any(|name| same_name(name, wanted))
            }
            Self::Glob(glob, regex) => room.names().any(|name| regex.is_match(name) || same_name(name, glob)),
        }
    }
}

/// The names under which entries of `rooms` found their rooms, in lower case, each with its room. An entry keeps
/// matching a renamed room until the configuration changes.
pub type NamedRooms = BTreeSet<(String, RoomId)>;

/// Records which entries match a room by name. Returns the entries that matched it under a name that it no longer has.
pub(crate) fn remember_names<'a>(
    named: &mut NamedRooms,
    entries: impl Iterator<Item = &'a str>,
    room: &Room,
) -> Box<[Box<str>]> {
    let mut former = Vec::new();
    for entry in entries {
        let key = (entry.to_lowercase(), room.id.clone());
        if room.names().any(|name| same_name(name, entry)) {
            named.insert(key);
        } else if named.contains(&key) {
            former.push(entry.into());
        }
    }
    former.into()
}

/// Translates a glob into a regular expression. `None` if it is none, because a `[` has no `]`, for example.
///
/// Not a glob library: they are made for file paths, so `?` means a byte, and only ASCII is case-insensitive.
fn regex_of(glob: &str) -> Option<Regex> {
    let mut regex = String::from("^");
    let (mut rest, mut depth) = (glob.chars(), 0_usize);
    while let Some(c) = rest.next() {
        match c {
            '*' => regex.push_str(".*"),
            '?' => regex.push('.'),
            '[' => {
                let (class, after) = rest.as_str().split_once(']')?;
                let excluded = class.strip_prefix(['!', '^']);
                let class = excluded.unwrap_or(class);
                if class.is_empty() {
                    return None;
                }
                let listed = regex::escape(class).replace("\\-", "-");
                regex.push_str(&format!("[{}{listed}]", if excluded.is_some() { "^" } else { "" }));
                rest = after.chars();
            }
            '{' => {
                depth += 1;
                regex.push_str("(?:");
            }
            ',' if depth > 0 => regex.push('|'),
            '}' if depth > 0 => {
                depth -= 1;
                regex.push(')');
            }
            '\\' => regex.push_str(&regex::escape(rest.next()?.encode_utf8(&mut [0; 4]))),
            c => regex.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    regex.push('$');
    let regex = RegexBuilder::new(&regex).case_insensitive(true).dot_matches_new_line(true).build();
    regex.ok().filter(|_| depth == 0)
}

/// Whether two names of rooms or users are equal, ignoring case.
pub(super) fn same_name(one: &str, other: &str) -> bool {
    one == other || one.to_lowercase() == other.to_lowercase()
}

/// A room for display: its display name, with a `#` if it is a channel.
pub fn room_label(room: &Room) -> String {
    match (room.shown_name(), room.kind) {
        (_, RoomKind::Direct) => format!("direct message {}", room.id),
        (Some(name), RoomKind::Channel) => format!("#{name}"),
        (Some(name), _) => name.to_owned(),
        (None, _) => format!("the room with the ID {}", room.id),
    }
}

impl fmt::Display for RoomPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Id(id) => write!(f, "id:{id}"),
            Self::Name(name) | Self::Glob(name, _) => write!(f, "#{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{general, room};
    use super::*;
    use rocketchat::RoomKind;

    fn matches(pattern: &str, room: &Room) -> bool {
        RoomPattern::parse(pattern).unwrap().matches(room, true)
    }

    fn channel(name: &str) -> Room {
        room(RoomKind::Channel, "r1", Some(name))
    }

    #[test]
    fn a_name_matches_one_room_with_or_without_hash_in_any_case() {
        for pattern in ["general", "#general", " #General ", "GENERAL", "general "] {
            assert!(matches(pattern, &general()), "{pattern}");
        }
        for pattern in ["gener", "general-2", "##general"] {
            assert!(!matches(pattern, &general()), "{pattern}");
        }
        assert!(matches("übung", &channel("Übung")));
    }

    fn discussion(title: &str) -> Room {
        Room { display_name: Some(title.into()), ..room(RoomKind::Group, "r1", Some("kXw9mGzR2uQ7")) }
    }

    #[test]
    fn a_room_matches_by_its_display_name_or_its_address() {
        let hall = Room { display_name: Some("Störung Halle 3".into()), ..channel("Stoerung-Halle-3") };
        for pattern in
            ["Störung Halle 3", "#störung halle 3", "stoerung-halle-3", "STÖRUNG*", "stoerung-*", "*halle ?"]
        {
            assert!(matches(pattern, &hall), "{pattern}");
        }
        assert!(!matches("Störung", &hall));
        for pattern in ["Pump 3: what now?", "kXw9mGzR2uQ7", "pump *"] {
            assert!(matches(pattern, &discussion("Pump 3: what now?")), "{pattern}");
        }
        assert!(matches("[Prod] alerts", &discussion("[prod] Alerts")), "a name that is a glob too");
    }

    #[test]
    fn a_room_is_shown_by_its_display_name() {
        assert_eq!(room_label(&general()), "#general");
        assert_eq!(room_label(&discussion("Pump 3")), "Pump 3");
        assert_eq!(room_label(&room(RoomKind::Direct, "d1", None)), "direct message d1");
        assert_eq!(room_label(&room(RoomKind::Livechat, "l1", None)), "the room with the ID l1");
    }

    #[test]
    fn a_renamed_room_matches_the_entry_with_its_old_name_while_there_is_one() {
        let mut named = NamedRooms::new();
        assert!(remember_names(&mut named, ["Ops", "night"].into_iter(), &channel("ops")).is_empty());
        assert_eq!(named, [("ops".to_owned(), RoomId::new("r1"))].into());
        let renamed = channel("lounge");
        let former_names = remember_names(&mut named, ["Ops", "ops-*"].into_iter(), &renamed);
        let renamed = Room { former_names, ..renamed };
        assert!(matches("#ops", &renamed) && matches("lounge", &renamed) && !matches("op?", &renamed));
        assert!(!matches("ops", &channel("lounge")));
        assert!(remember_names(&mut named, ["lounge"].into_iter(), &renamed).is_empty());
        let other = room(RoomKind::Channel, "r2", Some("lounge"));
        assert!(remember_names(&mut named, ["ops"].into_iter(), &other).is_empty(), "another room");
    }

    #[test]
    fn an_id_matches_exactly_one_room() {
        assert!(matches("id:GENERAL", &general()));
        assert!(matches("id: GENERAL", &general()));
        assert!(!matches("id:general", &general()));
        assert!(!matches("id:general", &channel("id:general")));
        assert!(matches("id:d1", &room(RoomKind::Direct, "d1", None)));
    }

    #[test]
    fn a_glob_matches_every_fitting_name() {
        for (glob, fitting, other) in [
            ("ops-*", "ops-1", "ops"),
            ("#ops-*", "OPS-", "dev-ops-1"),
            ("*-alerts", "db-alerts", "alerts"),
            ("ops-?", "ops-1", "ops-12"),
            ("{net,db}-*", "db-1", "web-1"),
            ("team-[a-c]", "team-B", "team-d"),
            ("team-[!a]", "team-b", "team-a"),
            ("st?rung-[ä-ü]", "Störung-Ö", "storung-o"),
            ("{halle {3,4},übung}*", "Übung 7", "halle 5"),
            ("a.b*", "a.b", "axb"),
            (r"\*-x?", "*-x1", "a-x1"),
        ] {
            assert!(matches(glob, &channel(fitting)), "{glob} {fitting}");
            assert!(!matches(glob, &channel(other)), "{glob} {other}");
        }
    }

    #[test]
    fn a_star_matches_every_room_the_bot_is_in_and_no_other() {
        let direct = room(RoomKind::Direct, "d1", None);
        for room in [general(), direct.clone()] {
            assert!(RoomPattern::parse("*").unwrap().matches(&room, true));
            assert!(!RoomPattern::parse("*").unwrap().matches(&room, false));
        }
        assert!(!matches("**", &direct), "every glob but the star asks for a name");
        let named = RoomPattern::parse("general").unwrap();
        assert!(named.matches(&general(), false), "a room that is named is watched before the bot is in it");
    }

    #[test]
    fn an_entry_that_cannot_name_a_room_is_refused() {
        let refused = |text: &str| RoomPattern::parse(text).unwrap_err();
        for text in ["", " ", "#", "id:", "id: "] {
            assert!(matches!(refused(text), RoomPatternError::Empty), "{text:?}");
        }
        assert!(matches!(refused("@anna"), RoomPatternError::User));
        for text in ["ops-[*", "{alerts-*,pumps", "*\\"] {
            assert!(matches!(refused(text), RoomPatternError::Glob), "{text:?}");
        }
    }

    #[test]
    fn an_entry_that_is_not_a_glob_is_a_name() {
        for text in ["ops-[", "[]", "[!]", "[]a]", "[z-a]", "{a,{b}"] {
            let pattern = RoomPattern::parse(&format!("#{text}")).unwrap();
            assert!(matches!(&pattern, RoomPattern::Name(name) if name == text), "{text}: {pattern:?}");
            assert_eq!(pattern.to_string(), format!("#{text}"));
        }
    }

    #[test]
    fn an_entry_is_shown_as_it_would_be_written() {
        for (written, shown) in
            [("*", "*"), ("id:GENERAL", "id:GENERAL"), ("general", "#general"), ("#ops-*", "#ops-*")]
        {
            assert_eq!(RoomPattern::parse(written).unwrap().to_string(), shown);
        }
    }
}
