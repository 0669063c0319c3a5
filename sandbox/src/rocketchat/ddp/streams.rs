//! The streams: who may read one (`allowRead`), and the frames of a change for one session (`allowEmit` and the emitters
//! in `notifications.module.ts`).

use serde_json::{Value, json};

use super::frames;
use super::registry::{Session, Subscribed};
use crate::rocketchat::change::{Action, Change};
use crate::rocketchat::faults::Switches;
use crate::rocketchat::message::Message;
use crate::rocketchat::refusal::Refusal;
use crate::rocketchat::room::{Room, RoomKind};
use crate::rocketchat::world::World;

/// One subscription for the messages of all rooms.
pub(super) const MY_MESSAGES: &str = "__my_messages__";
pub(super) const ROOM_MESSAGES: &str = "stream-room-messages";
const NOTIFY_USER: &str = "stream-notify-user";
const NOTIFY_ROOM: &str = "stream-notify-room";

/// All publications. The streams among them take the name of an event.
const PUBLICATIONS: &[&str] = &[
    ROOM_MESSAGES,
    NOTIFY_USER,
    NOTIFY_ROOM,
    "stream-notify-all",
    "stream-notify-logged",
    "stream-roles",
    "stream-room-data",
    "stream-user-presence",
    "activeUsers",
    "meteor.loginServiceConfiguration",
    "meteor_autoupdate_clientVersions",
    "userData",
];

/// Whether this user may subscribe to this event of a publication that exists.
pub(super) fn may_read(world: &World, user: Option<&str>, stream: &str, event: &str) -> Result<(), Refusal> {
    if event.is_empty() {
        return Err(Refusal::bare("invalid-event-name"));
    }
    let allowed = match stream {
        ROOM_MESSAGES => event == MY_MESSAGES || may_read_room(world, user, event),
        "stream-notify-all" => true,
        "stream-notify-logged" | "stream-roles" | "stream-user-presence" => user.is_some(),
        NOTIFY_USER => user.is_some() && event.split('/').next() == user,
        NOTIFY_ROOM => {
            let room = event.split('/').next().unwrap_or_default();
            user.is_some_and(|user| world.is_member(user, room))
        }
        "stream-room-data" => {
            user.is_some_and(|user| world.rooms.get(event).is_some_and(|room| world.can_access(user, room)))
        }
        _ => !takes_event(stream),
    };
    if allowed { Ok(()) } else { Err(Refusal::bare("not-allowed")) }
}

/// Whether there is a publication of this name.
pub(super) fn exists(stream: &str) -> bool {
    PUBLICATIONS.contains(&stream)
}

/// Whether the publication is a stream, which takes the name of an event.
pub(super) fn takes_event(stream: &str) -> bool {
    stream.starts_with("stream-")
}

fn may_read_room(world: &World, user: Option<&str>, room_id: &str) -> bool {
    let (Some(user), Some(room)) = (user, world.rooms.get(room_id)) else { return false };
    world.can_access(user, room) || (room.kind == RoomKind::Channel && world.may(user, "preview-c-room"))
}

/// The frames of a change for one session; messages are marked, because faults can hold back or reorder them.
pub(super) fn frames_for(
    world: &World,
    change: &Change,
    session: &Session,
    switches: &Switches,
) -> Vec<(Value, bool)> {
    let mut made = Vec::new();
    for sub in &session.subs {
        match change {
            Change::Message { message, .. } => {
                if let Some(frame) = message_frame(world, message, session, sub, switches) {
                    made.push((frame, true));
                }
            }
            _ => made.extend(notices(world, change, session, sub).into_iter().map(|frame| (frame, false))),
        }
    }
    made
}

fn message_frame(
    world: &World,
    message: &Message,
    session: &Session,
    sub: &Subscribed,
    switches: &Switches,
) -> Option<Value> {
    if sub.stream != ROOM_MESSAGES || sub.silenced {
        return None;
    }
    let viewer = session.user_id.as_deref();
    if sub.event == message.room_id {
        return Some(frames::changed(ROOM_MESSAGES, &sub.event, json!([message.document(viewer)])));
    }
    if sub.event != MY_MESSAGES {
        return None;
    }
    let (user, room) = (viewer?, world.rooms.get(&message.room_id)?);
    if !world.can_access(user, room) {
        return None;
    }
    let document = message.document(viewer);
    let meta = meta(user, room, switches);
    let args = if switches.nested_args { json!([[document], meta]) } else { json!([document, meta]) };
    Some(frames::changed(ROOM_MESSAGES, MY_MESSAGES, args))
}

/// The second argument of `__my_messages__`.
fn meta(user: &str, room: &Room, switches: &Switches) -> Value {
    let mut meta = json!({ "roomParticipant": room.members.contains(user), "roomType": room.kind.letter() });
    // A direct message has no name, and JSON has no `undefined`.
    if !switches.omit_room_name && !room.name.is_empty() {
        meta["roomName"] = json!(room.name);
    }
    meta
}

/// The frame of a change in the other streams.
fn notices(world: &World, change: &Change, session: &Session, sub: &Subscribed) -> Option<Value> {
    let user = session.user_id.as_deref()?;
    let mine = |what: &str| sub.stream == NOTIFY_USER && sub.event == format!("{user}/{what}");
    let (stream, args) = match change {
        Change::MessageDeleted { message_id, room_id } => {
            let receives = sub.stream == NOTIFY_ROOM && sub.event == format!("{room_id}/deleteMessage");
            (NOTIFY_ROOM, receives.then(|| json!([{ "_id": message_id }])))
        }
        Change::Room(room) => {
            let receives = mine("rooms-changed") && room.members.contains(user);
            (NOTIFY_USER, receives.then(|| json!([Action::Updated.word(), room.document()])))
        }
        Change::Subscription { action, user_id, room_id } if user_id == user => {
            (NOTIFY_USER, membership(world, *action, user_id, room_id, &mine))
        }
        Change::LoggedOut { user_id } if user_id == user => {
            (NOTIFY_USER, mine("force_logout").then(|| json!([])))
        }
        _ => return None,
    };
    args.map(|args| frames::changed(stream, &sub.event, args))
}

/// A membership's change: `subscriptions-changed`, and the room itself if it is new to the user.
fn membership(
    world: &World,
    action: Action,
    user_id: &str,
    room_id: &str,
    mine: &impl Fn(&str) -> bool,
) -> Option<Value> {
    if mine("rooms-changed") && action == Action::Inserted {
        return Some(json!([action.word(), world.rooms.get(room_id)?.document()]));
    }
    if !mine("subscriptions-changed") {
        return None;
    }
    if action == Action::Removed {
        let gone = world.removed_subscriptions.iter().rev();
        let (entry, _) =
            gone.into_iter().find(|(entry, _)| entry.user_id == user_id && entry.room_id == room_id)?;
        return Some(json!([action.word(), { "_id": entry.id, "rid": room_id, "u": { "_id": user_id } }]));
    }
    let entry =
        world.subscriptions.iter().find(|entry| entry.user_id == user_id && entry.room_id == room_id)?;
    Some(json!([action.word(), world.subscription_document(entry)?]))
}
