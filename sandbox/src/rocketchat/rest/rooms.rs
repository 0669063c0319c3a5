//! Rooms, channels and the caller's subscriptions to them.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::answer::Failure;
use super::request::Request;
use crate::rocketchat::refusal::Refusal;
use crate::rocketchat::room::{Room, RoomKind};
use crate::rocketchat::world::World;

pub(super) fn all(world: &mut World, request: &Request<'_>) -> Result<Value, Failure> {
    let wrong = || {
        let reason = "The \"updatedSince\" query parameter must be a valid date.";
        Refusal::meteor("error-updatedSince-param-invalid", reason)
    };
    let (update, remove) = world.rooms_since(request.user(), request.updated_since(wrong)?);
    Ok(json!({ "update": update, "remove": remove }))
}

pub(super) fn subscriptions(world: &mut World, request: &Request<'_>) -> Result<Value, Failure> {
    let wrong = || {
        let reason = "The \"lastUpdate\" query parameter must be a valid date.";
        Refusal::meteor("error-roomId-param-invalid", reason)
    };
    let (update, remove) = world.subscriptions_since(request.user(), request.updated_since(wrong)?);
    Ok(json!({ "update": update, "remove": remove }))
}

/// The one subscription, or `null`.
pub(super) fn subscription(world: &mut World, request: &Request<'_>) -> Result<Value, Failure> {
    let room = request.text("roomId").ok_or_else(|| Refusal::plain("The 'roomId' param is required"))?;
    let entry =
        world.subscriptions.iter().find(|entry| entry.user_id == request.user() && entry.room_id == room);
    Ok(json!({ "subscription": entry.and_then(|entry| world.subscription_document(entry)) }))
}

pub(super) fn info(world: &mut World, request: &Request<'_>) -> Result<Value, Failure> {
    if !request.params.contains_key("roomId") && !request.params.contains_key("roomName") {
        let reason = "The parameter \"roomId\" or \"roomName\" is required";
        return Err(Refusal::meteor("error-roomid-param-not-provided", reason).into());
    }
    let room = find(world, request).ok_or_else(no_such_room)?;
    not_archived(room)?;
    if !world.can_access(request.user(), room) {
        return Err(Failure::Said("not-allowed".to_owned(), "Not Allowed"));
    }
    Ok(json!({ "room": room.document() }))
}

pub(super) fn channel(world: &mut World, request: &Request<'_>) -> Result<Value, Failure> {
    Ok(json!({ "channel": find_channel(world, request)?.document() }))
}

/// Public channels, joined or not, by name unless `sort` says otherwise.
pub(super) fn channels(world: &mut World, request: &Request<'_>) -> Result<Value, Failure> {
    let (offset, count) = request.page();
    let order = order(request.text("sort").unwrap_or(r#"{"name":1}"#))?;
    let channels = world.rooms.values().filter(|room| room.kind == RoomKind::Channel);
    let mut all: Vec<Value> = channels.map(|room| room.document()).collect();
    all.sort_by(|a, b| compare(a, b, &order));
    let total = all.len();
    let page: Vec<Value> = all.into_iter().skip(offset).take(count).collect();
    Ok(json!({ "count": page.len(), "channels": page, "offset": offset, "total": total }))
}

/// Fields to sort by, and whether the largest comes first (`parseJsonQuery`).
fn order(text: &str) -> Result<Vec<(String, bool)>, Refusal> {
    let wrong = || {
        Refusal::meteor("error-invalid-sort", format!("Invalid sort parameter provided: \"{text}\""))
            .with_details(json!({ "helperMethod": "parseJsonQuery" }))
    };
    let Ok(Value::Object(fields)) = serde_json::from_str(text) else { return Err(wrong()) };
    let fields = fields.into_iter().map(|(field, direction)| match direction.as_i64() {
        Some(1) => Ok((field, false)),
        Some(-1) => Ok((field, true)),
        _ => Err(wrong()),
    });
    fields.collect()
}

/// By the fields in their order: texts and times.
fn compare(a: &Value, b: &Value, order: &[(String, bool)]) -> Ordering {
    let by_field = order.iter().map(|(field, falling)| {
        let (a, b) = (&a[field], &b[field]);
        let rising = a.as_str().cmp(&b.as_str()).then(a["$date"].as_i64().cmp(&b["$date"].as_i64()));
        if *falling { rising.reverse() } else { rising }
    });
    by_field.fold(Ordering::Equal, Ordering::then)
}

pub(super) fn join(world: &mut World, request: &Request<'_>) -> Result<Value, Failure> {
    let room = find_channel(world, request)?;
    not_archived(room)?;
    let id = room.id.clone();
    world.join_channel(request.user(), &id)?;
    Ok(json!({ "channel": world.room(&id)?.document() }))
}

/// `im.create`: the direct message with one other user.
pub(super) fn create_direct(world: &mut World, request: &Request<'_>) -> Result<Value, Failure> {
    if !world.may(request.user(), "create-d") {
        return Err(Refusal::meteor("error-not-allowed", "Not allowed").into());
    }
    let name = request.text("username").or_else(|| request.text("usernames"));
    let other = name.and_then(|name| world.account_named(name)).map(|account| account.user.id.clone());
    let other = other.ok_or_else(|| Refusal::meteor("error-invalid-user", "Invalid user"))?;
    let room = world.direct_message(request.user(), &other)?;
    let mut document = room.document();
    document["rid"] = json!(room.id);
    Ok(json!({ "room": document }))
}

fn find<'w>(world: &'w World, request: &Request<'_>) -> Option<&'w Room> {
    match request.text("roomId") {
        Some(id) => world.rooms.get(id),
        None => world.room_named(request.text("roomName")?),
    }
}

/// `findChannelByIdOrName`, without its check for archived ones.
fn find_channel<'w>(world: &'w World, request: &Request<'_>) -> Result<&'w Room, Failure> {
    let room = find(world, request).filter(|room| room.kind == RoomKind::Channel);
    room.ok_or_else(|| no_such_room().into())
}

fn not_archived(room: &Room) -> Result<(), Refusal> {
    if !room.archived {
        return Ok(());
    }
    Err(Refusal::meteor("error-room-archived", format!("The channel, {}, is archived", room.name)))
}

fn no_such_room() -> Refusal {
    let reason = "The required \"roomId\" or \"roomName\" param provided does not match any channel";
    Refusal::meteor("error-room-not-found", reason)
}
