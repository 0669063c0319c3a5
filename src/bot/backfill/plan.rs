//! Decides which rooms a round reads.

use std::collections::HashMap;

use jiff::Timestamp;
use rocketchat::RoomId;

use crate::bot::progress::OVERLAP;
use crate::bot::rooms::Known;
use crate::store::RoomProgress;

/// When each room last changed, as far as the server reported it in this round. Every post changes its room, including
/// a reply in a thread (`notifyUsersOnMessage` in Rocket.Chat's source).
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Whether the bot requested all of its rooms, and not only those that changed since the last round.
    pub(super) is_full: bool,
    /// The reported rooms. `None` if the server does not say when.
    pub(super) rooms: HashMap<RoomId, Option<Timestamp>>,
}

/// The results of earlier rounds of this session.
pub(super) type Rounds = HashMap<RoomId, Last>;

/// The result of the last attempt to read a room.
#[derive(Debug, PartialEq)]
pub(super) enum Last {
    /// It was read up to this change.
    Read(Timestamp),
    /// The server did not answer, or refused without a code, as when its database fails. The room is read in any case.
    Failed,
    /// The server did not allow the bot to read it. If the bot is not a member, this is tried once per session.
    Refused,
}

/// What a round does with a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It may have unread messages.
    Read,
    /// It has no new messages.
    Unchanged,
    /// Unknown: the room stays behind until a later round knows.
    Unknown,
}

/// Decides about one watched room.
pub(super) fn plan(known: &Known, progress: RoomProgress, changes: &Changes, rounds: &Rounds) -> Step {
    match (rounds.get(&known.room.id), changes.rooms.get(&known.room.id)) {
        (Some(Last::Failed), _) => Step::Read,
        (Some(Last::Refused), _) if known.joined => Step::Read,
        (Some(Last::Refused), _) => Step::Unknown,
        // The server reports a room at every change, so this change has been read.
        (Some(Last::Read(until)), Some(Some(changed))) if until == changed => Step::Unchanged,
        (_, Some(Some(changed))) if *changed < progress.cursor - OVERLAP => Step::Unchanged,
        (_, Some(_)) => Step::Read,
        // The server reports the bot's own rooms whenever they change.
        (_, None) if known.joined && !changes.is_full && !progress.is_behind => Step::Unchanged,
        (_, None) if changes.is_full || known.joined => Step::Read,
        (_, None) => Step::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use rocketchat::{Room, RoomKind};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn known(joined: bool) -> Known {
        let room = Room::new(RoomId::new("r"), Some("ops".into()), RoomKind::Channel);
        Known { room, joined, watched: true, described: true, archived: false, encrypted: false }
    }

    fn progress(cursor: i64) -> RoomProgress {
        RoomProgress { since: at(0), cursor: at(cursor), is_behind: false }
    }

    fn changes(is_full: bool, changed: Option<Option<i64>>) -> Changes {
        let rooms = changed.map(|at_second| (RoomId::new("r"), at_second.map(at)));
        Changes { is_full, rooms: rooms.into_iter().collect() }
    }

    fn joined(changes: &Changes) -> Step {
        plan(&known(true), progress(1_000), changes, &Rounds::default())
    }

    #[test]
    fn a_room_is_read_if_it_changed_after_its_cursor_or_shortly_before() {
        assert_eq!(joined(&changes(true, Some(Some(2_000)))), Step::Read);
        assert_eq!(joined(&changes(true, Some(Some(950)))), Step::Read, "another node's clock may be behind");
        assert_eq!(joined(&changes(true, Some(Some(800)))), Step::Unchanged);
        assert_eq!(joined(&changes(true, Some(None))), Step::Read, "the server does not say when");
        assert_eq!(joined(&changes(false, None)), Step::Unchanged);
    }

    #[test]
    fn the_same_change_is_read_once() {
        let rounds = Rounds::from([(RoomId::new("r"), Last::Read(at(980)))]);
        let step =
            |changed| plan(&known(true), progress(1_000), &changes(false, Some(Some(changed))), &rounds);
        assert_eq!(step(980), Step::Unchanged);
        assert_eq!((step(981), step(979)), (Step::Read, Step::Read), "any other change is new");
    }

    #[test]
    fn a_failed_room_is_read_again_and_a_refused_one_only_if_the_bot_is_in_it() {
        let failed = Rounds::from([(RoomId::new("r"), Last::Failed)]);
        assert_eq!(plan(&known(true), progress(1_000), &changes(false, None), &failed), Step::Read);
        let refused = Rounds::from([(RoomId::new("r"), Last::Refused)]);
        let step =
            |joined| plan(&known(joined), progress(1_000), &changes(false, Some(Some(2_000))), &refused);
        assert_eq!((step(false), step(true)), (Step::Unknown, Step::Read));
    }

    #[test]
    fn a_channel_that_the_bot_is_not_in_waits_until_it_is_listed() {
        let step = |changes: &Changes| plan(&known(false), progress(1_000), changes, &Rounds::default());
        assert_eq!(step(&changes(false, None)), Step::Unknown);
        assert_eq!(step(&changes(true, None)), Step::Read, "it could not be looked up");
        assert_eq!(step(&changes(false, Some(Some(2_000)))), Step::Read);
    }

    #[test]
    fn a_room_that_came_since_the_last_list_is_read() {
        let new = RoomProgress { is_behind: true, ..progress(1_000) };
        assert_eq!(plan(&known(true), new, &changes(false, None), &Rounds::default()), Step::Read);
    }
}
