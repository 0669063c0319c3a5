//! Placeholders for rooms and messages, so that triggers can be tried without a server.

use jiff::Timestamp;
use serde_json::json;

use crate::alerting::{RoomPattern, Trigger, UserPattern};
use rocketchat::{Author, Message, Room, RoomId, RoomKind, ServerUrl, UserId};

/// The author if any author will do.
const ANYBODY: &str = "alice";
/// The placeholder for the `_id` of a room of which only the name is known.
const ROOM_ID: &str = "ROOM-ID";
/// The placeholder for the `_id` of the message.
const MESSAGE_ID: &str = "MESSAGE-ID";
/// Explains them.
pub(super) const STAND_INS: &str =
    "ROOM-ID, MESSAGE-ID and @alice are placeholders; --room and --user name another room and author.";

/// A room that this entry of `rooms` matches.
pub(super) fn room_of(pattern: &RoomPattern) -> Room {
    match pattern {
        RoomPattern::Any => channel("general"),
        RoomPattern::Id(id) => room(id.as_str(), None),
        RoomPattern::Name(name) => channel(name),
        RoomPattern::Glob(glob, _) => {
            let room = channel(&glob.replace(['*', '?'], "x"));
            // With brackets or braces, the glob itself is a name that it matches.
            if pattern.matches(&room, true) { room } else { channel(glob) }
        }
    }
}

/// An author that the trigger accepts.
pub(super) fn author_of(trigger: &Trigger) -> Author {
    let excluded = |author: &Author| trigger.exclude_users.iter().any(|user| user.matches(author));
    let accepted = trigger.users.iter().map(author).find(|author| !excluded(author));
    accepted.unwrap_or_else(|| author(&UserPattern::Username(ANYBODY.to_owned())))
}

/// The author that an entry of `users` matches.
pub(super) fn author(pattern: &UserPattern) -> Author {
    let (id, username, name) = match pattern {
        UserPattern::Username(username) => ("USER-ID", username.as_str(), None),
        UserPattern::Id(id) => (id.as_str(), ANYBODY, None),
        UserPattern::ShownName(name) => ("USER-ID", ANYBODY, Some(name.clone())),
    };
    Author { id: UserId::new(id), username: username.to_owned(), name }
}

/// The message that the bot reads where somebody types this now. `None` if it could not read it.
pub(super) fn message(typed: &str, room: &Room, author: &Author, server: &ServerUrl) -> Option<Message> {
    let user = json!({"_id": author.id.as_str(), "username": author.username, "name": author.name});
    let now = Timestamp::now().to_string();
    let document = json!({"_id": MESSAGE_ID, "rid": room.id.as_str(), "u": user, "ts": now, "msg": typed});
    Message::from_document(&document, server).ok()
}

fn channel(name: &str) -> Room {
    // The ID of the channel that every server has.
    let id = if name == "general" { "GENERAL" } else { ROOM_ID };
    // Others are only displayed: the server generates their URLs.
    match name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        true => room(id, Some(name)),
        false => Room { display_name: Some(name.into()), ..room(id, None) },
    }
}

fn room(id: &str, name: Option<&str>) -> Room {
    Room::new(RoomId::new(id), name.map(Into::into), RoomKind::Channel)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_glob_has_a_matching_room() {
        for glob in ["ops-*", "*x", "?ps", "[ab]-room*", "a{b,c}?\\*"] {
            let trigger = Trigger {
                rooms: vec![RoomPattern::parse(glob).unwrap()],
                ..crate::alerting::fixtures::trigger("t", &["x"])
            };
            assert!(trigger.watches(&room_of(&trigger.rooms[0]), false), "{glob}");
        }
    }
}
