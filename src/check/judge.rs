//! What each entry of each trigger's `rooms` leads to, and what is wrong there. Decided from the census alone.

use std::collections::HashSet;

use super::census::{Census, Joined, Lookup};
use super::report::{Grade, Remark, RoomFinding};
use super::rights::{JOIN_WITHOUT_CODE, POST_READONLY, Rights, VIEW_JOINED};
use crate::alerting::{RoomPattern, Trigger, TriggerSet};
use crate::config::alike;
use rocketchat::rest::RoomInfo;
use rocketchat::{Room, RoomId, RoomKind};

/// Rooms with something to say about them that are listed beneath one entry.
const MOST_PARTS: usize = 12;
/// Near names that are proposed.
const MOST_NEAR: usize = 3;

/// Judges rooms for one account.
pub(super) struct Judge<'a> {
    pub(super) census: &'a Census,
    pub(super) rights: &'a Rights,
    /// The bot's username.
    pub(super) username: &'a str,
    /// `rocketchat.auto_join`.
    pub(super) auto_join: bool,
}

/// A room, and the bot's roles in it where it is a member.
#[derive(Clone, Copy)]
struct Seen<'a> {
    info: &'a RoomInfo,
    roles: Option<&'a [String]>,
}

impl<'a> Judge<'a> {
    /// The findings, trigger by trigger.
    pub(super) fn judge(&self, triggers: &TriggerSet) -> Vec<RoomFinding> {
        let mut told = HashSet::new();
        triggers
            .room_patterns()
            .flat_map(|(trigger, pattern)| self.entry(trigger, pattern, &mut told))
            .collect()
    }

    fn entry(
        &self,
        trigger: &Trigger,
        pattern: &RoomPattern,
        told: &mut HashSet<&'a RoomId>,
    ) -> Vec<RoomFinding> {
        let finding = |remark| RoomFinding {
            trigger: trigger.name.clone(),
            team: trigger.team.to_string(),
            rooms: pattern.to_string(),
            is_part: false,
            remark,
        };
        let seen = self.seen(pattern);
        match (pattern, &seen[..]) {
            (RoomPattern::Name(_) | RoomPattern::Id(_), []) => vec![finding(self.unseen(pattern))],
            (RoomPattern::Name(_) | RoomPattern::Id(_), [room]) => {
                let remark = self.room(*room);
                let text = match pattern {
                    RoomPattern::Id(_) => format!("{}: {}", label(&room.info.room), remark.text),
                    _ => remark.text,
                };
                vec![finding(Remark { text, ..remark })]
            }
            _ => {
                let head = finding(self.summary(pattern, &seen));
                let parts = self.parts(&seen, told).into_iter().map(|(rooms, remark)| RoomFinding {
                    rooms,
                    is_part: true,
                    remark,
                    ..head.clone()
                });
                let parts: Vec<RoomFinding> = parts.collect();
                std::iter::once(head).chain(parts).collect()
            }
        }
    }

    /// The rooms that an entry means, by the same rule as when the bot runs.
    fn seen(&self, pattern: &RoomPattern) -> Vec<Seen<'a>> {
        let joined = self.census.joined.iter();
        let joined = joined.map(|Joined { info, roles }| Seen { info, roles: Some(roles.as_slice()) });
        let mut seen: Vec<Seen<'a>> = joined.filter(|room| pattern.matches(&room.info.room, true)).collect();
        match pattern {
            RoomPattern::Glob(_) => {
                let channels = self.census.channels.iter().map(|info| Seen { info, roles: None });
                seen.extend(channels.filter(|room| pattern.matches(&room.info.room, false)));
            }
            _ => {
                if let Some(Lookup::Found(info)) = self.census.lookup(pattern) {
                    seen.push(Seen { info, roles: None });
                }
            }
        }
        seen
    }

    /// An entry that names one room, which the bot cannot see.
    fn unseen(&self, pattern: &RoomPattern) -> Remark {
        let invite = self.invite();
        match self.census.lookup(pattern) {
            Some(Lookup::Hidden) => {
                Remark::problem("the bot is not in it, and may not see it from outside", invite)
            }
            Some(Lookup::Archived) => archived(),
            Some(Lookup::Unknown(reason)) => {
                Remark::problem(format!("could not be looked up: {reason}"), "run this check again")
            }
            _ => {
                let near = self.near(pattern);
                let mend = match near.is_empty() {
                    true => format!("correct it (capital letters count); if it is private, {invite}"),
                    false => format!("did you mean {}? If it is private, {invite}", near.join(" or ")),
                };
                Remark::problem("there is no such room", mend)
            }
        }
    }

    fn near(&self, pattern: &RoomPattern) -> Vec<String> {
        let RoomPattern::Name(name) = pattern else { return Vec::new() };
        let joined = self.census.joined.iter().map(|joined| &joined.info);
        let names = joined.chain(&self.census.channels).filter_map(|info| info.room.name.as_deref());
        alike(name, names).into_iter().take(MOST_NEAR).map(|name| format!("#{name}")).collect()
    }

    /// An entry that means many rooms: how many there are.
    fn summary(&self, pattern: &RoomPattern, seen: &[Seen<'_>]) -> Remark {
        let missing =
            self.census.channels_missing.as_ref().filter(|_| matches!(pattern, RoomPattern::Glob(_)));
        if let Some(reason) = missing {
            let text = format!("{}, and perhaps more public channels: {reason}", rooms(seen.len()));
            return Remark::warning(text, "run this check again, or name the rooms one by one");
        }
        let outside = seen.iter().filter(|room| room.roles.is_none()).count();
        match (pattern, seen.len(), outside) {
            (RoomPattern::Any, 0, _) => {
                let mend = format!("type /invite @{} in every room that it is to watch", self.username);
                Remark::warning("the bot is in no room", mend)
            }
            (_, 0, _) => Remark::warning(
                "no room fits",
                format!("correct it; if the rooms are private, {}", self.invite()),
            ),
            (_, all, outside) if outside > 0 && self.auto_join => {
                Remark::fine(format!("{}, {outside} of which the bot will join", rooms(all)))
            }
            (_, all, _) => Remark::fine(rooms(all)),
        }
    }

    /// The rooms of an entry that means many of which there is something to say that was not told yet. None of them is
    /// a problem: the entry stands for the others too.
    fn parts(&self, seen: &[Seen<'a>], told: &mut HashSet<&'a RoomId>) -> Vec<(String, Remark)> {
        let new = seen.iter().filter(|room| told.insert(&room.info.room.id));
        let remarks = new.map(|room| (label(&room.info.room), self.room(*room).softened()));
        let mut parts: Vec<_> = remarks.filter(|(_, remark)| remark.grade > Grade::Fine).collect();
        parts.sort_by(|(one, _), (other, _)| one.cmp(other));
        let more = parts.len().saturating_sub(MOST_PARTS);
        parts.truncate(MOST_PARTS);
        if more > 0 {
            let mend = "mend those above, then run this check again";
            parts.push((
                "…".to_owned(),
                Remark::warning(format!("{} more with something wrong", rooms(more)), mend),
            ));
        }
        parts
    }

    fn room(&self, room: Seen<'_>) -> Remark {
        let Seen { info, roles } = room;
        if info.archived {
            return archived();
        }
        if info.encrypted {
            return Remark::problem(
                "is end-to-end encrypted: no bot can read or write there",
                "switch encryption off in the room's settings, or watch another room",
            );
        }
        let place = match roles {
            Some(_) if self.may_not_read(info.room.kind) => {
                let mend = format!("give @{} the role bot, or a role that has {VIEW_JOINED}", self.username);
                return Remark::problem("the bot is in it, but has no right to read it", mend);
            }
            Some(_) => "the bot is in it",
            None => match self.outside(info) {
                Ok(place) => place,
                Err(remark) => return remark,
            },
        };
        match self.may_post(room) {
            Ok(post) => Remark::fine(format!("{place} and {post}")),
            Err(remark) => remark,
        }
    }

    /// Whether the bot is known to lack the right to read rooms of a kind that it is in.
    fn may_not_read(&self, kind: RoomKind) -> bool {
        let of_kind = match kind {
            RoomKind::Channel => "view-c-room",
            RoomKind::Group => "view-p-room",
            RoomKind::Direct => "view-d-room",
            RoomKind::Other => return false,
        };
        [VIEW_JOINED, of_kind].iter().all(|permission| self.rights.may(permission, &[]) == Some(false))
    }

    /// What it means that the bot is not in a room that it can see.
    fn outside(&self, info: &RoomInfo) -> Result<&'static str, Remark> {
        if info.room.kind != RoomKind::Channel {
            return Err(Remark::problem("is private, and the bot is not in it", self.invite()));
        }
        if !self.auto_join {
            return Err(Remark::warning(
                "the bot is not in it, and rocketchat.auto_join is off: what it hears there is up to the server",
                self.invite(),
            ));
        }
        if info.needs_join_code && self.rights.may(JOIN_WITHOUT_CODE, &[]) != Some(true) {
            return Err(Remark::problem("asks for a code, so that the bot cannot join it", self.invite()));
        }
        Ok("the bot will join it")
    }

    /// Whether the bot can answer in a room.
    fn may_post(&self, Seen { info, roles }: Seen<'_>) -> Result<&'static str, Remark> {
        let me = self.username;
        if info.muted.iter().any(|muted| muted == me) {
            return Err(Remark::problem(
                "the bot is muted there, so that nobody learns what becomes of an alert",
                format!("type /unmute @{me} in it"),
            ));
        }
        if !info.read_only || info.unmuted.iter().any(|unmuted| unmuted == me) {
            return Ok("may post");
        }
        let mend = format!("make @{me} a moderator of it");
        match self.rights.may(POST_READONLY, roles.unwrap_or_default()) {
            Some(true) => Ok("may post, though it is read-only"),
            Some(false) => Err(Remark::problem(
                "is read-only, and the bot may not post there, so that nobody learns what becomes of an alert",
                mend,
            )),
            None => Err(Remark::warning("is read-only; whether the bot may post there is not known", mend)),
        }
    }

    fn invite(&self) -> String {
        format!("type /invite @{} in it", self.username)
    }
}

fn archived() -> Remark {
    Remark::problem(
        "is archived: nobody can post there",
        "unarchive it, or take it out of the trigger's rooms",
    )
}

fn rooms(count: usize) -> String {
    match count {
        1 => "1 room".to_owned(),
        count => format!("{count} rooms"),
    }
}

/// How people know a room.
fn label(room: &Room) -> String {
    match (&room.name, room.kind) {
        (Some(name), _) => format!("#{name}"),
        (None, RoomKind::Direct) => format!("direct message {}", room.id),
        (None, _) => room.id.to_string(),
    }
}

#[cfg(test)]
mod tests;
