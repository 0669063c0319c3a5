//! What each entry of each trigger's `rooms` matches, and its problems. Decided from the inventory and the account's
//! permissions alone.

use std::collections::{HashMap, HashSet};

use super::report::{Finding, Grade, Remark, TriggerRooms};
use super::room_inventory::{Lookup, RoomInventory, SeenRoom};
use crate::alerting::{RoomPattern, Trigger, TriggerSet, room_label};
use crate::config::similar;
use crate::count;
use rocketchat::rest::RoomInfo;
use rocketchat::{Room, RoomId, RoomKind};

/// How many rooms with problems are listed below one entry.
const MAX_PARTS: usize = 12;
/// How many similar names are suggested.
const MAX_SIMILAR: usize = 3;

/// Posting under another name or avatar (`validateMessage` in Rocket.Chat's `sendMessage.ts`).
pub(super) const IMPERSONATE: &str = "message-impersonate";
/// More than ten REST calls of a kind a minute.
pub(super) const NO_RATE_LIMIT: &str = "api-bypass-rate-limit";
/// Posting in a read-only room (`validateRoomMessagePermissions` in `canSendMessage.ts`).
const POST_READONLY: &str = "post-readonly";
/// Reading rooms that the account is in. Also granted by `view-c-room`, `view-p-room` and `view-d-room` for rooms of their
/// type (`canAccessRoom.ts`).
const VIEW_JOINED: &str = "view-joined-room";
/// Joining a channel that has a join code.
const JOIN_WITHOUT_CODE: &str = "join-without-join-code";

/// The account's roles and their permissions.
#[derive(Clone, Debug, Default)]
pub(super) struct Rights {
    pub(super) roles: Vec<String>,
    /// The roles that have each permission; `None` if the account may not list them.
    pub(super) holders: Option<HashMap<String, Vec<String>>>,
}

impl Rights {
    /// Whether the account has a permission, through its roles on the server or in a room. `None` if that is unknown
    /// because the account may not list permissions, or the server has no such permission.
    pub(super) fn may(&self, permission: &str, room_roles: &[String]) -> Option<bool> {
        let holders = self.holders.as_ref()?.get(permission)?;
        Some(self.roles.iter().chain(room_roles).any(|role| holders.contains(role)))
    }
}

/// Checks rooms for one account.
pub(super) struct RoomCheck<'a> {
    pub(super) inventory: &'a RoomInventory,
    pub(super) rights: &'a Rights,
    /// The bot's username.
    pub(super) username: &'a str,
    /// `rocketchat.auto_join`.
    pub(super) auto_join: bool,
}

impl<'a> RoomCheck<'a> {
    /// The findings, trigger by trigger.
    pub(super) fn check(&self, triggers: &TriggerSet) -> Vec<TriggerRooms> {
        let mut reported = HashSet::new();
        let of_trigger = |Trigger { name, team, rooms, .. }: &Trigger| TriggerRooms {
            trigger: name.clone(),
            team: team.to_string(),
            findings: self.entries(rooms, &mut reported),
        };
        triggers.iter().map(of_trigger).collect()
    }

    /// The room for events of other alerts. The bot only joins it if a trigger watches it.
    pub(super) fn for_other_alerts(&self, pattern: &RoomPattern, triggers: &TriggerSet) -> Finding {
        let remark = match self.candidates(pattern).first() {
            None => self.not_visible(pattern),
            Some(room)
                if room.roles.is_some() || self.auto_join && triggers.watches(&room.info.room, false) =>
            {
                self.room(room)
            }
            Some(_) => Remark::problem("the bot is not in it", self.invite()),
        };
        Finding::new("other alerts", Remark { text: format!("{pattern}: {}", remark.text), ..remark })
    }

    /// The findings of these entries. `reported` has the rooms that need no further mention below an entry.
    pub(super) fn entries(
        &self,
        patterns: &[RoomPattern],
        reported: &mut HashSet<&'a RoomId>,
    ) -> Vec<Finding> {
        patterns.iter().flat_map(|pattern| self.entry(pattern, reported)).collect()
    }

    fn entry(&self, pattern: &RoomPattern, reported: &mut HashSet<&'a RoomId>) -> Vec<Finding> {
        let candidates = self.candidates(pattern);
        let mut parts = Vec::new();
        let remark = match (pattern, &candidates[..]) {
            (RoomPattern::Name(_) | RoomPattern::Id(_), []) => self.not_visible(pattern),
            (RoomPattern::Name(name), [room]) if is_former(name, &room.info.room) => {
                renamed(&room.info.room, self.room(room))
            }
            (RoomPattern::Name(_), [room]) => self.room(room),
            (RoomPattern::Id(_), [room]) => {
                let remark = self.room(room);
                Remark { text: format!("{}: {}", room_label(&room.info.room), remark.text), ..remark }
            }
            _ => {
                parts = self.parts(&candidates, reported);
                self.summary(pattern, &candidates)
            }
        };
        parts.insert(0, Finding::new(pattern.to_string(), remark));
        parts
    }

    /// The rooms that an entry matches, by the same rule as in the running bot.
    fn candidates(&self, pattern: &RoomPattern) -> Vec<&'a SeenRoom> {
        let joined = self.inventory.joined.iter().filter(|room| pattern.matches(&room.info.room, true));
        let mut candidates: Vec<_> = joined.collect();
        if let Some(Lookup::Found(room)) = self.lookup(pattern) {
            candidates.push(room);
        } else {
            // The server only finds a room by the exact name in its address. The list has all names.
            let channels = self.inventory.channels.iter();
            candidates.extend(channels.filter(|room| pattern.matches(&room.info.room, false)));
        }
        candidates
    }

    fn lookup(&self, pattern: &RoomPattern) -> Option<&'a Lookup> {
        self.inventory.looked_up.get(&pattern.to_string())
    }

    /// An entry that names one room, which the bot cannot see.
    fn not_visible(&self, pattern: &RoomPattern) -> Remark {
        let invite = self.invite();
        match self.lookup(pattern) {
            Some(Lookup::Hidden) => {
                Remark::problem("the bot is not in it, and is not allowed to see it", invite)
            }
            Some(Lookup::Archived) => archived(),
            Some(Lookup::Unknown(reason)) => {
                Remark::problem(format!("could not be looked up: {reason}"), "run this check again")
            }
            _ => {
                let similar = self.similar_names(pattern);
                let fix = match similar.is_empty() {
                    true => format!("correct it; if it is private, {invite}"),
                    false => format!("did you mean {}? If it is private, {invite}", similar.join(" or ")),
                };
                Remark::problem("there is no such room", fix)
            }
        }
    }

    fn similar_names(&self, pattern: &RoomPattern) -> Vec<String> {
        let RoomPattern::Name(name) = pattern else { return Vec::new() };
        let seen = self.inventory.joined.iter().chain(&self.inventory.channels);
        let names = seen.flat_map(|seen| seen.info.room.names());
        similar(name, names).into_iter().take(MAX_SIMILAR).map(|name| format!("#{name}")).collect()
    }

    /// An entry that may match many rooms: how many there are.
    fn summary(&self, pattern: &RoomPattern, candidates: &[&SeenRoom]) -> Remark {
        let missing =
            self.inventory.channels_missing.as_ref().filter(|_| matches!(pattern, RoomPattern::Glob(..)));
        if let Some(reason) = missing {
            let text = format!("{}, and perhaps more public channels: {reason}", rooms(candidates.len()));
            return Remark::warning(text, "run this check again, or name the rooms one by one");
        }
        let outside = candidates.iter().filter(|room| room.roles.is_none()).count();
        match (pattern, candidates.len(), outside) {
            (RoomPattern::Any, 0, _) => {
                let fix = format!("type /invite @{} in every room that it should watch", self.username);
                Remark::warning("the bot is in no room", fix)
            }
            (_, 0, _) => Remark::warning(
                "matches no room",
                format!("correct it; if the rooms are private, {}", self.invite()),
            ),
            (_, all, outside) if outside > 0 && self.auto_join => {
                Remark::fine(format!("{}, {outside} of which the bot will join", rooms(all)))
            }
            (_, all, _) => Remark::fine(rooms(all)),
        }
    }

    /// The rooms of an entry that have problems not reported yet. At most warnings: the entry works in the other rooms.
    fn parts(&self, candidates: &[&'a SeenRoom], reported: &mut HashSet<&'a RoomId>) -> Vec<Finding> {
        let part = |subject, remark| Finding { subject, is_part: true, remark };
        let new = candidates.iter().filter(|room| reported.insert(&room.info.room.id));
        let findings = new.map(|room| part(room_label(&room.info.room), self.room(room).at_most_warning()));
        let mut parts: Vec<_> = findings.filter(|part| part.remark.grade > Grade::Fine).collect();
        parts.sort_by(|one, other| one.subject.cmp(&other.subject));
        let more = parts.len().saturating_sub(MAX_PARTS);
        parts.truncate(MAX_PARTS);
        if more > 0 {
            let text = format!("{} with problems", count(more as u64, "more room"));
            let fix = "fix those above, then run this check again";
            parts.push(part("…".to_owned(), Remark::warning(text, fix)));
        }
        parts
    }

    fn room(&self, room: &SeenRoom) -> Remark {
        self.usable(room).unwrap_or_else(|remark| remark)
    }

    /// What the bot can do in a room, or what prevents it.
    fn usable(&self, room: &SeenRoom) -> Result<Remark, Remark> {
        let info = &room.info;
        if info.archived {
            return Err(archived());
        }
        if info.encrypted {
            return Err(Remark::problem(
                "is end-to-end encrypted: no bot can read or write there",
                "turn encryption off in the room's settings, or watch another room",
            ));
        }
        if room.roles.is_some() && self.may_not_read(info.room.kind) {
            let fix = format!("give @{} the role bot, or a role that has {VIEW_JOINED}", self.username);
            return Err(Remark::problem("the bot is in it, but has no permission to read it", fix));
        }
        let membership = if room.roles.is_some() { "the bot is in it" } else { self.outside(info)? };
        Ok(Remark::fine(format!("{membership} and {}", self.may_post(room)?)))
    }

    /// Whether the bot is known to lack the permission to read its rooms of this type.
    fn may_not_read(&self, kind: RoomKind) -> bool {
        let of_kind = match kind {
            RoomKind::Channel => "view-c-room",
            RoomKind::Group => "view-p-room",
            RoomKind::Direct => "view-d-room",
            RoomKind::Livechat | RoomKind::Other => return false,
        };
        [VIEW_JOINED, of_kind].iter().all(|permission| self.rights.may(permission, &[]) == Some(false))
    }

    /// Whether the bot will join a room that it can see and is not in.
    fn outside(&self, info: &RoomInfo) -> Result<&'static str, Remark> {
        if info.room.kind != RoomKind::Channel {
            return Err(Remark::problem("is private, and the bot is not in it", self.invite()));
        }
        if !self.auto_join {
            return Err(Remark::warning(
                "the bot is not in it, and rocketchat.auto_join is off: whether the bot receives its messages depends on the server",
                self.invite(),
            ));
        }
        if info.needs_join_code && self.rights.may(JOIN_WITHOUT_CODE, &[]) != Some(true) {
            return Err(Remark::problem("has a join code, so the bot cannot join it", self.invite()));
        }
        Ok("the bot will join it")
    }

    /// Whether the bot can answer in a room.
    fn may_post(&self, SeenRoom { info, roles }: &SeenRoom) -> Result<&'static str, Remark> {
        let me = self.username;
        if info.muted.iter().any(|muted| muted == me) {
            return Err(Remark::problem(
                "the bot is muted there and cannot reply",
                format!("type /unmute @{me} in it"),
            ));
        }
        if !info.read_only || info.unmuted.iter().any(|unmuted| unmuted == me) {
            return Ok("may post");
        }
        let fix = format!("make @{me} a moderator of it");
        match self.rights.may(POST_READONLY, roles.as_deref().unwrap_or_default()) {
            Some(true) => Ok("may post, though it is read-only"),
            Some(false) => {
                Err(Remark::problem("is read-only, and the bot may not post there, so it cannot reply", fix))
            }
            None => Err(Remark::warning("is read-only; whether the bot may post there is unknown", fix)),
        }
    }

    fn invite(&self) -> String {
        format!("type /invite @{} in it", self.username)
    }
}

/// Whether the room had this name and has another one now.
fn is_former(name: &str, room: &Room) -> bool {
    room.former_names.iter().any(|former| &**former == name)
}

/// A remark about a room that has another name now.
fn renamed(room: &Room, remark: Remark) -> Remark {
    if remark.grade == Grade::Problem {
        return remark;
    }
    let label = room_label(room);
    Remark::warning(
        format!("was renamed to {label}, and is still watched by its ID"),
        format!("use its new name, {label}, or id:{}", room.id),
    )
}

fn archived() -> Remark {
    Remark::problem(
        "is archived: nobody can post there",
        "unarchive it, or remove it from the trigger's rooms",
    )
}

fn rooms(number: usize) -> String {
    count(number as u64, "room")
}

#[cfg(test)]
mod tests;
