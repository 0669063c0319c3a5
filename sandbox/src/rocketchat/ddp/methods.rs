//! The methods by name.

use serde_json::{Value, json};

use super::calls::Outcome;
use crate::rocketchat::refusal::Refusal;
use crate::rocketchat::room::RoomKind;
use crate::rocketchat::time::from_wire;
use crate::rocketchat::world::World;

type Method = fn(&mut World, Option<&str>, &[Value]) -> Outcome;

/// The method of this name, if the server has it.
pub(super) fn named(name: &str) -> Option<Method> {
    Some(match name {
        "sendMessage" => send_message,
        "setReaction" => set_reaction,
        "rooms/get" => rooms,
        "subscriptions/get" => subscriptions,
        "joinRoom" => join_room,
        "loadHistory" => load_history,
        "getRoomIdByNameOrId" => room_id,
        "getRoomNameById" => room_name,
        "createDirectMessage" => create_direct_message,
        "UserPresence:online" | "UserPresence:away" | "UserPresence:setDefaultStatus" => nothing,
        _ => return None,
    })
}

/// The fields that the method accepts. Others, such as `alias` and `avatar`, fail its `check`.
const MESSAGE_FIELDS: &[&str] = &[
    "_id",
    "rid",
    "msg",
    "tmid",
    "tshow",
    "ts",
    "t",
    "bot",
    "content",
    "e2e",
    "e2eMentions",
    "customFields",
    "federation",
    "groupable",
    "sentByEmail",
];

/// Ignores every refusal but `error-not-allowed`, as the server does; a browser's user is informed by other means.
fn send_message(world: &mut World, user: Option<&str>, params: &[Value]) -> Outcome {
    let message = params.first().ok_or_else(match_failed)?;
    let fields = message.as_object().ok_or_else(match_failed)?;
    if !fields.keys().all(|field| MESSAGE_FIELDS.contains(&field.as_str())) {
        return Err(match_failed());
    }
    let user = signed_in(user, "sendMessage")?;
    match world.send(user, message) {
        Ok(sent) => Ok(sent.map(|sent| sent.document(Some(user)))),
        Err(refusal) if is_not_allowed(&refusal) => Err(not_allowed("sendMessage")),
        Err(_) => Ok(None),
    }
}

/// Whether it is `error-not-allowed`, thrown as either kind of error.
fn is_not_allowed(refusal: &Refusal) -> bool {
    refusal.id() == Some("error-not-allowed") || refusal.to_string() == "error-not-allowed"
}

fn set_reaction(world: &mut World, user: Option<&str>, params: &[Value]) -> Outcome {
    let user = signed_in(user, "setReaction")?;
    let (emoji, message) = (text(params, 0)?, text(params, 1)?);
    world.set_reaction(user, message, emoji, params.get(2).and_then(Value::as_bool))?;
    Ok(None)
}

/// `rooms/get`: an array of all rooms, or what changed since the date given.
fn rooms(world: &mut World, user: Option<&str>, params: &[Value]) -> Outcome {
    let Some(user) = user else { return Ok(Some(json!([]))) };
    let since = params.first().and_then(from_wire);
    let (update, remove) = world.rooms_since(user, since);
    Ok(Some(if since.is_some() { json!({ "update": update, "remove": remove }) } else { json!(update) }))
}

/// `subscriptions/get`, likewise.
fn subscriptions(world: &mut World, user: Option<&str>, params: &[Value]) -> Outcome {
    let Some(user) = user else { return Ok(Some(json!([]))) };
    let since = params.first().and_then(from_wire);
    let (update, remove) = world.subscriptions_since(user, since);
    Ok(Some(if since.is_some() { json!({ "update": update, "remove": remove }) } else { json!(update) }))
}

fn join_room(world: &mut World, user: Option<&str>, params: &[Value]) -> Outcome {
    let user = signed_in(user, "joinRoom")?;
    world.join_channel(user, text(params, 0)?)?;
    Ok(Some(json!(true)))
}

/// `loadHistory(rid, end?, limit = 20, ls?)`: the newest messages before `end`, newest first.
fn load_history(world: &mut World, user: Option<&str>, params: &[Value]) -> Outcome {
    let user = signed_in(user, "loadHistory")?;
    let room = world.room(text(params, 0)?)?;
    if !world.can_access(user, room) {
        return Ok(Some(json!(false)));
    }
    let end = params.get(1).and_then(from_wire);
    let limit = params.get(2).and_then(Value::as_u64).unwrap_or(20);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut messages: Vec<_> =
        world.messages_of(&room.id).rev().filter(|message| end.is_none_or(|end| message.ts < end)).collect();
    messages.sort_by_key(|message| std::cmp::Reverse(message.ts));
    let documents: Vec<Value> =
        messages.iter().take(limit).map(|message| message.document(Some(user))).collect();
    Ok(Some(json!({ "messages": documents, "unreadNotLoaded": 0 })))
}

fn room_id(world: &mut World, user: Option<&str>, params: &[Value]) -> Outcome {
    let user = signed_in(user, "getRoomIdByNameOrId")?;
    let wanted = text(params, 0)?;
    let room = world.rooms.get(wanted).or_else(|| world.room_named(wanted));
    match room.filter(|room| world.can_access(user, room)) {
        Some(room) => Ok(Some(json!(room.id))),
        None => Err(not_allowed("getRoomIdByNameOrId")),
    }
}

fn room_name(world: &mut World, user: Option<&str>, params: &[Value]) -> Outcome {
    let user = signed_in(user, "getRoomNameById")?;
    match world.rooms.get(text(params, 0)?).filter(|room| world.can_access(user, room)) {
        Some(room) => Ok(Some(json!(room.name))),
        None => Err(not_allowed("getRoomNameById")),
    }
}

/// Opens the direct message with the users named, and gives its id.
fn create_direct_message(world: &mut World, user: Option<&str>, params: &[Value]) -> Outcome {
    let user = signed_in(user, "createDirectMessage")?;
    let other = world
        .account_named(text(params, 0)?)
        .ok_or_else(|| Refusal::meteor("error-invalid-user", "Invalid user"))?
        .user
        .id
        .clone();
    let room = world.direct_message(user, &other)?;
    Ok(Some(json!({ "t": RoomKind::Direct.letter(), "rid": room.id })))
}

/// The presence methods, which have no effect that a bot sees.
fn nothing(_: &mut World, _: Option<&str>, _: &[Value]) -> Outcome {
    Ok(None)
}

fn signed_in<'a>(user: Option<&'a str>, method: &str) -> Result<&'a str, Refusal> {
    user.ok_or_else(|| {
        Refusal::meteor("error-invalid-user", "Invalid user").with_details(json!({ "method": method }))
    })
}

fn text(params: &[Value], at: usize) -> Result<&str, Refusal> {
    params.get(at).and_then(Value::as_str).ok_or_else(match_failed)
}

/// The error of Meteor's `check` for a parameter of the wrong type.
fn match_failed() -> Refusal {
    Refusal::meteor(400, "Match failed")
}

fn not_allowed(method: &str) -> Refusal {
    Refusal::meteor("error-not-allowed", "Not allowed").with_details(json!({ "method": method }))
}
