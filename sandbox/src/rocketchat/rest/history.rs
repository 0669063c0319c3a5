//! Reading many messages: the changes in a room, its history, and a thread's replies.

use std::cmp::Reverse;

use serde_json::{Value, json};

use super::answer::Failure;
use super::request::Request;
use crate::rocketchat::message::Message;
use crate::rocketchat::refusal::Refusal;
use crate::rocketchat::room::{Room, RoomKind};
use crate::rocketchat::time::{Millis, date, parse_iso};
use crate::rocketchat::world::World;

/// The first major version that reads a room in pages.
const PAGED_SYNC: u32 = 7;

/// `chat.syncMessages` in its two forms; older servers know only `lastUpdate`.
pub(super) fn sync(world: &mut World, request: &Request<'_>) -> Result<Value, Failure> {
    let room = request.text("roomId").unwrap_or_default();
    let last_update = match request.text("lastUpdate") {
        Some(text) => Some(parse_iso(text).ok_or_else(|| no_date(request.switches.unpaged_sync))?),
        None => None,
    };
    let unpaged = request.switches.unpaged_sync || request.options.major() < PAGED_SYNC;
    if unpaged && last_update.is_none() {
        let reason = "The required \"lastUpdate\" query param is missing.";
        return Err(Refusal::meteor("error-lastUpdate-param-not-provided", reason).into());
    }
    let kind = request.text("type");
    if last_update.is_none() && kind.is_none() {
        let reason = "The \"type\" or \"lastUpdate\" parameters must be provided";
        return Err(Refusal::meteor("error-param-required", reason).into());
    }
    may_read(world, request.user(), room, "messages/get")?;
    if let Some(since) = last_update {
        if request.text("next").or_else(|| request.text("previous")).is_some() {
            let reason = "The attributes \"next\", \"previous\" and \"lastUpdate\" cannot be used together";
            return Err(Refusal::meteor("error-cursor-and-lastUpdate-conflict", reason).into());
        }
        return Ok(json!({ "result": whole(world, request.user(), room, since) }));
    }
    paged(world, request, room, kind == Some("DELETED"))
}

fn no_date(older_server: bool) -> Refusal {
    let id = if older_server { "error-roomId-param-invalid" } else { "error-lastUpdate-param-invalid" };
    Refusal::meteor(id, "The \"lastUpdate\" query parameter must be a valid date")
}

/// All that changed strictly after a time.
fn whole(world: &World, user: &str, room: &str, since: Millis) -> Value {
    let mut updated: Vec<&Message> =
        world.messages_of(room).rev().filter(|message| message.updated_at > since).collect();
    updated.sort_by_key(|message| Reverse(message.ts));
    let updated: Vec<Value> = updated.iter().map(|message| message.document(Some(user))).collect();
    let deleted: Vec<Value> =
        deleted_since(world, room, since).into_iter().map(|(_, document)| document).collect();
    json!({ "updated": updated, "deleted": deleted })
}

fn deleted_since(world: &World, room: &str, since: Millis) -> Vec<(Millis, Value)> {
    let gone = world.deleted.iter().filter(|gone| gone.room_id == room && gone.at > since);
    gone.map(|gone| (gone.at, json!({ "_id": gone.message_id, "_deletedAt": date(gone.at) }))).collect()
}

/// `handleCursorPagination`: a page strictly after `next` or strictly before `previous`, and the cursors around it.
fn paged(world: &World, request: &Request<'_>, room: &str, deletions: bool) -> Result<Value, Failure> {
    let (next, previous) = (cursor(request, "next")?, cursor(request, "previous")?);
    if next.is_some() && previous.is_some() {
        let reason = "You cannot provide both \"next\" and \"previous\" parameters";
        return Err(Refusal::meteor("error-cursor-conflict", reason).into());
    }
    let count = request.number("count").unwrap_or(20);
    if next.is_none() && previous.is_none() {
        // Without a cursor the server falls through to the history, which this route does not return.
        return Ok(json!({ "result": { "updated": [], "deleted": [] } }));
    }
    let mut found = if deletions {
        deleted_since(world, room, Millis::MIN)
    } else {
        let user = Some(request.user());
        world.messages_of(room).map(|message| (message.updated_at, message.document(user))).collect()
    };
    found.retain(|(at, _)| {
        next.is_none_or(|next| *at > next) && previous.is_none_or(|previous| *at < previous)
    });
    found.sort_by_key(|(at, _)| *at);
    if previous.is_some() {
        found.reverse();
    }
    let more = found.len() > count;
    found.truncate(count);
    let edge = |entry: Option<&(Millis, Value)>| entry.map(|(at, _)| at.to_string());
    let (first, last) = (edge(found.first()), edge(found.last()));
    let cursor = match (next.is_some(), more) {
        (true, true) => json!({ "next": last, "previous": first }),
        (true, false) => json!({ "next": null, "previous": first }),
        (false, true) => json!({ "next": first, "previous": last }),
        (false, false) => json!({ "next": first, "previous": null }),
    };
    let page: Vec<Value> = found.into_iter().map(|(_, document)| document).collect();
    let (updated, deleted) = if deletions { (Vec::new(), page) } else { (page, Vec::new()) };
    Ok(json!({ "result": { "updated": updated, "deleted": deleted, "cursor": cursor } }))
}

fn cursor(request: &Request<'_>, name: &str) -> Result<Option<Millis>, Failure> {
    let Some(text) = request.text(name) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| Refusal::plain("Invalid Date").into())
}

pub(super) fn of_channel(world: &mut World, request: &Request<'_>) -> Result<Value, Failure> {
    history(world, request, RoomKind::Channel)
}

pub(super) fn of_group(world: &mut World, request: &Request<'_>) -> Result<Value, Failure> {
    history(world, request, RoomKind::Group)
}

pub(super) fn of_direct(world: &mut World, request: &Request<'_>) -> Result<Value, Failure> {
    history(world, request, RoomKind::Direct)
}

/// `getChannelHistory`: by `ts`, newest first, between `oldest` and `latest`.
fn history(world: &World, request: &Request<'_>, kind: RoomKind) -> Result<Value, Failure> {
    let room = room_of_kind(world, request, kind)?;
    if !world.can_read(request.user(), room) {
        return Err(Failure::Forbidden);
    }
    let time = |name: &str| request.text(name).and_then(parse_iso);
    let (oldest, latest) = (time("oldest"), time("latest").unwrap_or_else(|| world.now()));
    let inclusive = request.flag("inclusive") == Some(true);
    let replies = request.flag("showThreadMessages") != Some(false);
    let within = |ts: Millis| {
        (ts < latest || inclusive && ts == latest)
            && oldest.is_none_or(|oldest| ts > oldest || inclusive && ts == oldest)
    };
    let mut found: Vec<&Message> = world
        .messages_of(&room.id)
        .rev()
        .filter(|message| within(message.ts))
        .filter(|message| replies || message.thread_id.is_none() || message.shown_in_room)
        .collect();
    found.sort_by_key(|message| Reverse(message.ts));
    let (offset, count) = (request.number("offset").unwrap_or(0), request.number("count").unwrap_or(20));
    let page = found.iter().skip(offset).take(count).map(|message| message.document(Some(request.user())));
    Ok(json!({ "messages": page.collect::<Vec<_>>() }))
}

/// A group that the user can't access is not found.
fn room_of_kind<'w>(world: &'w World, request: &Request<'_>, kind: RoomKind) -> Result<&'w Room, Failure> {
    let room = match (request.text("roomId"), request.text("roomName")) {
        (Some(id), _) => world.rooms.get(id),
        (None, Some(name)) => world.room_named(name),
        (None, None) if kind == RoomKind::Channel => None,
        (None, None) => {
            let reason = "The parameter \"roomId\" or \"roomName\" is required";
            return Err(Refusal::meteor("error-room-param-not-provided", reason).into());
        }
    };
    let open = |room: &Room| kind == RoomKind::Channel || world.can_access(request.user(), room);
    room.filter(|room| room.kind == kind && open(room)).ok_or_else(|| {
        let what = match kind {
            RoomKind::Channel => "channel",
            RoomKind::Group => "group",
            RoomKind::Direct => "direct message",
            RoomKind::Livechat => "livechat",
        };
        let reason =
            format!("The required \"roomId\" or \"roomName\" param provided does not match any {what}");
        Refusal::meteor("error-room-not-found", reason).into()
    })
}

/// A thread's replies, oldest first.
pub(super) fn thread(world: &mut World, request: &Request<'_>) -> Result<Value, Failure> {
    let id = request.text("tmid").unwrap_or_default();
    let first =
        world.messages.get(id).ok_or_else(|| Refusal::meteor("error-invalid-message", "Invalid Message"))?;
    let room = world.room(&first.room_id)?;
    if !world.can_access(request.user(), room) {
        return Err(Refusal::meteor("error-not-allowed", "Not Allowed").into());
    }
    let (offset, count) = request.page();
    let replies = world.thread(id);
    let page: Vec<Value> =
        replies.iter().skip(offset).take(count).map(|reply| reply.document(None)).collect();
    Ok(json!({ "count": page.len(), "messages": page, "offset": offset, "total": replies.len() }))
}

fn may_read(world: &World, user: &str, room: &str, method: &str) -> Result<(), Failure> {
    let allowed = world.rooms.get(room).is_some_and(|room| world.can_access(user, room));
    let refusal =
        || Refusal::meteor("error-not-allowed", "Not allowed").with_details(json!({ "method": method }));
    if allowed { Ok(()) } else { Err(refusal().into()) }
}
