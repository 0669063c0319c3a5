//! Which rooms a trigger watches: names, globs, identifiers, or all of them.

use std::fmt;

use globset::{Glob, GlobBuilder, GlobMatcher};

use rocketchat::{Room, RoomId};

/// One entry of a trigger's `rooms`.
///
/// Names compare without regard to case. Rocket.Chat itself looks names up exactly and would let `Ops` and `ops` exist
/// side by side, but a page that never comes because of a capital letter is worse than one that comes from both.
/// Direct messages have no name: only [`RoomPattern::Any`] and [`RoomPattern::Id`] reach them.
#[derive(Clone, Debug)]
pub enum RoomPattern {
    /// `"*"`: every room the bot is in, direct messages included.
    Any,
    /// `"id:GENERAL"`: the room with this `_id`. Identifiers compare exactly.
    Id(RoomId),
    /// `"general"` or `"#general"`: the room of this name, here without the `#`.
    Name(String),
    /// `"ops-*"`: every room whose name fits.
    Glob(RoomGlob),
}

/// A glob over room names.
#[derive(Clone, Debug)]
pub struct RoomGlob {
    matcher: GlobMatcher,
}

/// Why an entry of `rooms` cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum RoomPatternError {
    /// `""`, `"#"` or `"id:"`.
    #[error("names no room")]
    Empty,
    /// `"@anna"`: a direct message has no name to be found by.
    #[error("looks like a user; direct messages have no name")]
    User,
    /// A glob that does not compile.
    #[error("is not a glob: {0}")]
    Glob(globset::ErrorKind),
}

impl RoomPattern {
    /// Reads one entry of `rooms`.
    ///
    /// # Errors
    /// When it names nothing, names a user, or is a glob that does not compile.
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
        if !name.contains(['*', '?', '[', '{']) {
            return Ok(Self::Name(name.to_owned()));
        }
        let glob = GlobBuilder::new(name).case_insensitive(true).build();
        let glob = glob.map_err(|error| RoomPatternError::Glob(error.kind().clone()))?;
        Ok(Self::Glob(RoomGlob { matcher: glob.compile_matcher() }))
    }

    /// Whether the room is one of those meant.
    ///
    /// `joined` says whether the bot is a member: [`RoomPattern::Any`] means no room that it merely happens to see.
    pub fn matches(&self, room: &Room, joined: bool) -> bool {
        let name = room.name.as_deref();
        match self {
            Self::Any => joined,
            Self::Id(id) => *id == room.id,
            Self::Name(wanted) => name.is_some_and(|name| same_name(name, wanted)),
            Self::Glob(glob) => name.is_some_and(|name| glob.matches(name)),
        }
    }
}

impl RoomGlob {
    /// The glob as written, without a leading `#`.
    pub fn as_str(&self) -> &str {
        self.glob().glob()
    }

    /// Whether a room's name fits.
    pub fn matches(&self, name: &str) -> bool {
        self.matcher.is_match(name)
    }

    fn glob(&self) -> &Glob {
        self.matcher.glob()
    }
}

/// Whether two names of rooms or users are the same but for case.
pub(super) fn same_name(one: &str, other: &str) -> bool {
    one == other || one.to_lowercase() == other.to_lowercase()
}

impl fmt::Display for RoomPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Id(id) => write!(f, "id:{id}"),
            Self::Name(name) => write!(f, "#{name}"),
            Self::Glob(glob) => write!(f, "#{}", glob.as_str()),
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
    fn a_name_means_one_room_with_or_without_the_hash_and_whatever_the_case() {
        for pattern in ["general", "#general", " #General ", "GENERAL", "general "] {
            assert!(matches(pattern, &general()), "{pattern}");
        }
        for pattern in ["gener", "general-2", "##general"] {
            assert!(!matches(pattern, &general()), "{pattern}");
        }
        assert!(matches("übung", &channel("Übung")));
    }

    #[test]
    fn an_id_means_one_room_exactly() {
        assert!(matches("id:GENERAL", &general()));
        assert!(matches("id: GENERAL", &general()));
        assert!(!matches("id:general", &general()));
        assert!(!matches("id:general", &channel("id:general")));
        assert!(matches("id:d1", &room(RoomKind::Direct, "d1", None)));
    }

    #[test]
    fn a_glob_means_every_name_that_fits() {
        for (glob, fitting, other) in [
            ("ops-*", "ops-1", "ops"),
            ("#ops-*", "OPS-", "dev-ops-1"),
            ("*-alerts", "db-alerts", "alerts"),
            ("ops-?", "ops-1", "ops-12"),
            ("{net,db}-*", "db-1", "web-1"),
            ("team-[a-c]", "team-B", "team-d"),
            ("team-[!a]", "team-b", "team-a"),
        ] {
            assert!(matches(glob, &channel(fitting)), "{glob} {fitting}");
            assert!(!matches(glob, &channel(other)), "{glob} {other}");
        }
    }

    #[test]
    fn a_star_means_every_room_the_bot_is_in_and_only_those() {
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
    fn what_names_no_room_is_refused() {
        let refused = |text: &str| RoomPattern::parse(text).unwrap_err();
        for text in ["", " ", "#", "id:", "id: "] {
            assert!(matches!(refused(text), RoomPatternError::Empty), "{text:?}");
        }
        assert!(matches!(refused("@anna"), RoomPatternError::User));
        assert!(matches!(refused("ops-["), RoomPatternError::Glob(_)));
        let reason = refused("{a,b").to_string();
        assert!(reason.starts_with("is not a glob: ") && reason.lines().count() == 1, "{reason}");
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
