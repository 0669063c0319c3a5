//! Sending, changing and reading single messages.

use serde_json::{Value, json};

use super::answer::Failure;
use super::params::{self, Param, flag, list, object, text};
use super::request::Request;
use crate::rocketchat::message::Message;
use crate::rocketchat::refusal::Refusal;
use crate::rocketchat::world::World;

/// JavaScript's error when `normalizeMessagesForUser` gets no message: the answer to a
/// second message with the same `_id`.
const NO_MESSAGE_MADE: &str = "Cannot read properties of undefined (reading 'starred')";

/// The fields of a message that the route's schema knows.
const MESSAGE: &[Param] = &[
    text("_id"),
    text("rid"),
    text("tmid"),
    text("msg"),
    text("alias"),
    text("emoji"),
    flag("tshow"),
    text("avatar"),
    list("attachments"),
    list("blocks"),
    object("customFields"),
];

pub(super) fn send(world: &mut World, request: &Request<'_>) -> Result<Value, Failure> {
    let message = request.params.get("message").unwrap_or(&Value::Null);
    if let Value::Object(fields) = message {
        params::check_types(MESSAGE, fields)?;
    }
    let sent = world.send(request.user(), message)?.ok_or_else(|| Refusal::plain(NO_MESSAGE_MADE))?;
    Ok(json!({ "message": sent.document(Some(request.user())) }))
}

/// Accepts no `_id`, and posts to the named room. Joins a public channel if that is allowed.
pub(super) fn post(world: &mut World, request: &Request<'_>) -> Result<Value, Failure> {
    if request.params.contains_key("roomId") == request.params.contains_key("channel") {
        let reason = "must match exactly one schema in oneOf";
        return Err(Refusal::meteor("invalid-params", reason).into());
    }
    if request.text("text").is_some_and(|text| world.too_long(text)) {
        return Err(Refusal::plain("error-message-size-exceeded").into());
    }
    let user = request.user();
    let mut first = None;
    for named in targets(request) {
        let room = world.room_to_post_to(user, &named)?;
        let sent = world.send(user, &as_message(request, &room))?;
        first = first.or(sent.map(|sent| (named, sent)));
    }
    let (named, sent) = first.ok_or_else(|| Refusal::plain("unknown-error"))?;
    Ok(json!({ "ts": world.now(), "channel": named, "message": sent.document(Some(user)) }))
}

/// The rooms that `roomId` or `channel` names.
fn targets(request: &Request<'_>) -> Vec<String> {
    let named = request.params.get("channel").or_else(|| request.params.get("roomId"));
    match named {
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::String(one)) => vec![one.clone()],
        _ => Vec::new(),
    }
}

fn as_message(request: &Request<'_>, room_id: &str) -> Value {
    let mut message = json!({
        "rid": room_id,
        "msg": request.text("text").unwrap_or_default().trim(),
        "groupable": false,
        "attachments": request.params.get("attachments").cloned().unwrap_or_else(|| json!([])),
    });
    for name in ["alias", "avatar", "tmid"] {
        if let Some(value) = request.text(name) {
            message[name] = json!(value);
        }
    }
    if let (Some(emoji), None) = (request.text("emoji"), request.text("avatar")) {
        message["emoji"] = json!(emoji);
    }
    message
}

pub(super) fn react(world: &mut World, request: &Request<'_>) -> Result<Value, Failure> {
    let message = request.text("messageId").unwrap_or_default();
    world.message(message)?;
    let emoji = request.text("emoji").or_else(|| request.text("reaction")).ok_or_else(|| {
        Refusal::meteor("error-emoji-param-not-provided", "The required \"emoji\" param is missing.")
    })?;
    world.set_reaction(request.user(), message, emoji, request.flag("shouldReact"))?;
    Ok(json!({}))
}

pub(super) fn update(world: &mut World, request: &Request<'_>) -> Result<Value, Failure> {
    let id = named_message(world, request)?.id.clone();
    let text = request.text("text").unwrap_or_default().to_owned();
    let updated = world.update(request.user(), &id, text)?;
    Ok(json!({ "message": updated.document(Some(request.user())) }))
}

pub(super) fn delete(world: &mut World, request: &Request<'_>) -> Result<Value, Failure> {
    let message = named_message(world, request)?.clone();
    let user = request.user();
    let as_author = request.flag("asUser") == Some(true);
    if as_author && message.user_id != user && !world.may(user, "force-delete-message") {
        return Err(Refusal::plain(
            "Unauthorized. You must have the permission \"force-delete-message\" to delete other's message as them.",
        )
        .into());
    }
    let deleter = if as_author { message.user_id.clone() } else { user.to_owned() };
    world.delete_as(&deleter, &message.id)?;
    let short = json!({ "_id": message.id, "rid": message.room_id, "u": message.document(None)["u"] });
    Ok(json!({ "_id": message.id, "ts": world.now().to_string(), "message": short }))
}

/// The message that `msgId` and `roomId` name together.
fn named_message<'w>(world: &'w World, request: &Request<'_>) -> Result<&'w Message, Failure> {
    let id = request.text("msgId").unwrap_or_default();
    let message = world
        .messages
        .get(id)
        .ok_or_else(|| Refusal::plain(format!("No message found with the id of \"{id}\".")))?;
    if request.text("roomId") != Some(&message.room_id) {
        return Err(Refusal::plain("The room id provided does not match where the message is from.").into());
    }
    Ok(message)
}

pub(super) fn get(world: &mut World, request: &Request<'_>) -> Result<Value, Failure> {
    let id = request.text("msgId").unwrap_or_default();
    let message = world.messages.get(id).ok_or(Failure::Silent)?;
    let room = world.room(&message.room_id)?;
    if !world.can_access(request.user(), room) {
        return Err(Refusal::meteor("error-not-allowed", "Not allowed")
            .with_details(json!({ "method": "getSingleMessage" }))
            .into());
    }
    Ok(json!({ "message": message.document(Some(request.user())) }))
}
