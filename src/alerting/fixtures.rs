//! Messages, rooms and triggers for the tests of this module.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{DEFAULT_TITLE, EventTemplates, Pattern, RoomPattern, TeamName, Template, Trigger};
use jiff::Timestamp;
use rocketchat::{Author, Message, MessageId, Room, RoomId, RoomKind, UserId};

/// A message by Anna in `#general`, written at noon on 2026-01-02.
pub(crate) fn message(text: &str) -> Message {
    let noon: Timestamp = "2026-01-02T12:00:00Z".parse().unwrap();
    Message {
        id: MessageId::new("m1"),
        room: RoomId::new("GENERAL"),
        thread: None,
        text: text.to_owned(),
        author: Author { id: UserId::new("u1"), username: "anna".into(), name: Some("Anna Berg".into()) },
        has_type: false,
        from_integration: false,
        sent_at: noon,
        edited_at: None,
        updated_at: noon,
    }
}

pub(super) fn room(kind: RoomKind, id: &str, name: Option<&str>) -> Room {
    Room::new(RoomId::new(id), name.map(Into::into), kind)
}

pub(super) fn general() -> Room {
    room(RoomKind::Channel, "GENERAL", Some("general"))
}

/// A trigger with these patterns that accepts every message.
pub(crate) fn trigger(name: &str, patterns: &[&str]) -> Trigger {
    let patterns: Vec<Pattern> =
        patterns.iter().map(|pattern| Pattern::expression(pattern).unwrap()).collect();
    let event = event(&patterns, &[]);
    Trigger {
        name: name.to_owned(),
        patterns,
        unless: None,
        rooms: vec![RoomPattern::Any],
        users: Vec::new(),
        exclude_users: Vec::new(),
        bots: true,
        threads: true,
        run_on_edits: true,
        page_deleted: false,
        cooldown: Duration::ZERO,
        continue_matching: false,
        team: TeamName::Default,
        event,
    }
}

/// The default templates, except for those given: `title`, `message`, `external_id`, `service`, `location` or a field.
pub(super) fn event(patterns: &[Pattern], templates: &[(&str, &str)]) -> EventTemplates {
    let vocabulary = EventTemplates::vocabulary(patterns.iter().flat_map(Pattern::groups));
    let compile = |source: &str| Template::compile(source, &vocabulary).unwrap();
    let mut event = EventTemplates {
        title: compile(DEFAULT_TITLE),
        message: compile("{{ text }}"),
        external_id: compile("{{ room.id }}"),
        service: None,
        location: None,
        alerting_scenario: None,
        filtering: None,
        fields: BTreeMap::new(),
    };
    for (key, source) in templates {
        let template = compile(source);
        match *key {
            "title" => event.title = template,
            "message" => event.message = template,
            "external_id" => event.external_id = template,
            "service" => event.service = Some(template),
            "location" => event.location = Some(template),
            field => {
                event.fields.insert(field.to_owned(), template);
            }
        }
    }
    event
}
