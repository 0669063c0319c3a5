//! `test`: which trigger a text would match, and what would be sent. Nothing leaves this process.

use std::path::PathBuf;

use jiff::Timestamp;

use super::Failure;
use crate::{
    alerting::{Match, RoomPattern, TriggerSet},
    bot::event_of,
    config::{Config, Sources},
    rocketchat::{Author, Message, MessageId, MessageKind, Room, RoomId, RoomKind, UserId},
};

/// Prints what would happen to a message of this text.
///
/// # Errors
/// When the configuration is wrong or the room cannot be understood.
#[expect(clippy::print_stdout, reason = "what the command is for")]
pub fn test(path: Option<PathBuf>, text: &str, room: Option<&str>) -> Result<(), Failure> {
    let config = Config::load(&Sources::of_process(path))?;
    let rooms = match room {
        Some(room) => vec![room_named(room)?],
        None => rooms_of(&config.triggers),
    };
    let server = &config.rocketchat.url;
    for room in &rooms {
        let message = message(text, room);
        let found = config.triggers.matches(&message, room, true);
        if found.is_empty() {
            continue;
        }
        println!("In {}, written by \"{}\":", shown(room), message.author.username);
        for found in &found {
            println!("\n{}", describe(found));
            let (event, faults) = event_of(found, &message, room, server);
            for fault in faults {
                println!("  a template fails here, and its default stands in: {fault}");
            }
            println!("{:#}", event.to_json());
        }
        return Ok(());
    }
    match room {
        Some(_) => println!("No trigger matches this text in {}.", shown(&rooms[0])),
        None => println!("No trigger matches this text in any room."),
    }
    Ok(())
}

fn describe(found: &Match<'_>) -> String {
    let team = &found.trigger.team;
    let cooldown = match found.trigger.cooldown {
        cooldown if cooldown.is_zero() => String::new(),
        cooldown => format!(", at most once in {} a room", humantime::format_duration(cooldown)),
    };
    format!("Trigger \"{}\" matches. It would page {team}{cooldown}, with this event:", found.trigger.name)
}

/// A room for each entry of each trigger's `rooms`, such as it might be.
fn rooms_of(triggers: &TriggerSet) -> Vec<Room> {
    triggers
        .room_patterns()
        .map(|(_, pattern)| match pattern {
            RoomPattern::Any => channel("GENERAL", Some("general")),
            RoomPattern::Id(id) => channel(id.as_str(), None),
            RoomPattern::Name(name) => channel("ROOM-ID", Some(name)),
            RoomPattern::Glob(glob) => channel("ROOM-ID", Some(&glob.as_str().replace(['*', '?'], "x"))),
        })
        .collect()
}

fn room_named(room: &str) -> Result<Room, Failure> {
    match RoomPattern::parse(room) {
        Ok(RoomPattern::Id(id)) => Ok(channel(id.as_str(), None)),
        Ok(RoomPattern::Name(name)) => {
            Ok(channel(if name == "general" { "GENERAL" } else { "ROOM-ID" }, Some(&name)))
        }
        Ok(RoomPattern::Any | RoomPattern::Glob(_)) => Err(Failure::Usage(format!(
            "--room {room}: name one room, as in --room general or --room id:GENERAL"
        ))),
        Err(error) => Err(Failure::Usage(format!(
            "--room {room}: {error}; name one room, as in --room general or --room id:GENERAL"
        ))),
    }
}

fn channel(id: &str, name: Option<&str>) -> Room {
    Room { id: RoomId::new(id), name: name.map(Into::into), kind: RoomKind::Channel }
}

fn shown(room: &Room) -> String {
    room.name.as_ref().map_or_else(|| format!("the room with the id {}", room.id), |name| format!("#{name}"))
}

fn message(text: &str, room: &Room) -> Message {
    let now = Timestamp::now();
    Message {
        id: MessageId::new("MESSAGE-ID"),
        room: room.id.clone(),
        thread: None,
        text: text.to_owned(),
        author: Author { id: UserId::new("USER-ID"), username: "alice".into(), name: Some("Alice".into()) },
        kind: MessageKind::Plain,
        from_integration: false,
        sent_at: now,
        edited_at: None,
        updated_at: now,
    }
}
