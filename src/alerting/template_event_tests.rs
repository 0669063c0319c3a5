//! The content of an alert.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::fixtures::{event, general, message, room, trigger};
use super::{RenderError, Trigger, TriggerSet, is_location, message_url, render_event};
use rocketchat::{Author, Message, MessageId, Room, RoomKind, ServerUrl};
use signl4::AlertEvent;

fn server() -> ServerUrl {
    "https://chat.example.com/sub/".parse().unwrap()
}

/// A trigger with this pattern and these templates.
fn with(pattern: &str, templates: &[(&str, &str)]) -> Trigger {
    let mut trigger = trigger("pumps", &[pattern]);
    trigger.event = event(&trigger.patterns, templates);
    trigger
}

/// The alert for a message that sets off the trigger.
fn alert_and_faults(trigger: &Trigger, message: &Message, room: &Room) -> (AlertEvent, Vec<RenderError>) {
    let set = TriggerSet::new(vec![trigger.clone()]).unwrap();
    let found = set.matches(message, room, true).pop().unwrap();
    render_event(&found, message, room, &server())
}

fn alert_in(trigger: &Trigger, message: &Message, room: &Room) -> AlertEvent {
    let (alert, faults) = alert_and_faults(trigger, message, room);
    assert_eq!(faults, []);
    alert
}

fn alert(trigger: &Trigger, text: &str) -> AlertEvent {
    alert_in(trigger, &message(text), &general())
}

/// The parameters that every alert has.
fn origin(user: &str, channel: &str, link: &str) -> BTreeMap<String, String> {
    [("user", user), ("channel", channel), ("link", link)]
        .map(|(name, value)| (name.into(), value.into()))
        .into()
}

#[test]
fn without_templates_of_its_own_an_alert_says_what_the_message_says() {
    let alert = alert(&with("SIGNL4", &[]), "SIGNL4 pump 3 is down");
    assert_eq!(
        alert,
        AlertEvent {
            title: "Alert from Rocket.Chat".into(),
            message: "SIGNL4 pump 3 is down".into(),
            external_id: Some("GENERAL".into()),
            source_system: Some("RocketChat".into()),
            service: None,
            location: None,
            alerting_scenario: None,
            filtering: None,
            fields: origin("anna", "general", "https://chat.example.com/sub/channel/general?msg=m1"),
        }
    );
}

#[test]
fn every_variable_has_its_value() {
    let all = "{{ text }}|{{ user.username }}|{{ user.name }}|{{ room.id }}|{{ room.name }}|{{ room.type }}|\
               {{ message.id }}|{{ message.url }}|{{ message.ts }}|{{ trigger }}|{{ pump }}";
    let alert = alert(&with(r"pump (?<pump>\d+)", &[("message", all)]), "pump 3");
    assert_eq!(
        alert.message,
        "pump 3|anna|Anna Berg|GENERAL|general|channel|m1|https://chat.example.com/sub/channel/general?msg=m1|\
         2026-01-02T12:00:00Z|pumps|3"
    );
}

#[test]
fn missing_values_are_empty_and_the_authors_name_is_then_the_username() {
    let trigger = with(
        r"pump(?<pump> \d+)?",
        &[("message", "[{{ pump }}] {{ user.name }} [{{ room.name }}] {{ room.type }}")],
    );
    let nameless = Message { author: Author { name: None, ..message("").author }, ..message("pump") };
    let alert = alert_in(&trigger, &nameless, &room(RoomKind::Direct, "d1", None));
    assert_eq!(alert.message, "[] anna [] direct");
    assert_eq!(alert.fields["channel"], "@anna");
    assert_eq!(alert.external_id.as_deref(), Some("d1"));
}

#[test]
fn a_room_is_called_by_the_name_that_people_see_and_linked_by_its_address() {
    let trigger = with("pump", &[("message", "{{ room.name }}: {{ text }}")]);
    let discussion = Room {
        display_name: Some("Störung Halle 3".into()),
        ..room(RoomKind::Group, "r1", Some("kXw9mGzR2uQ7"))
    };
    let alert = alert_in(&trigger, &message("pump"), &discussion);
    assert_eq!(
        (alert.fields["channel"].as_str(), alert.message.as_str()),
        ("Störung Halle 3", "Störung Halle 3: pump")
    );
    assert_eq!(alert.fields["link"], "https://chat.example.com/sub/group/kXw9mGzR2uQ7?msg=m1");
}

#[test]
fn templates_make_every_part_of_the_alert() {
    let templates = [
        ("title", "Pump {{ pump }} in\n {{ hall|upper }}"),
        ("external_id", "{{ room.id }}/{{ message.id }}"),
        ("service", "Hall {{ hall }}"),
        ("location", "{{ pump }}.5, 13"),
        ("Severity", "{{ 'high' if pump == '3' else 'low' }}"),
        ("Hall", "{{ hall }}"),
    ];
    let alert = alert(&with(r"pump (?<pump>\d+) (?<hall>\w+)", &templates), "pump 3 north");
    assert_eq!(alert.title, "Pump 3 in NORTH", "a title is one line");
    assert_eq!(alert.external_id.as_deref(), Some("GENERAL/m1"));
    assert_eq!(alert.service.as_deref(), Some("Hall north"));
    assert_eq!(alert.location.as_deref(), Some("3.5, 13"));
    let mut fields = origin("anna", "general", "https://chat.example.com/sub/channel/general?msg=m1");
    fields.extend([("Hall".into(), "north".into()), ("Severity".into(), "high".into())]);
    assert_eq!(alert.fields, fields);
}

#[test]
fn no_field_replaces_a_standard_one() {
    let alert = alert(&with("pump", &[("User", "nobody"), ("LINK", "nowhere")]), "pump");
    assert_eq!(
        alert.fields,
        origin("anna", "general", "https://chat.example.com/sub/channel/general?msg=m1")
    );
}

#[test]
fn markup_and_line_breaks_are_rendered_unchanged() {
    let text = "**PROBLEM** <b>pump</b> & \"tank\"\n> quoted {{ room.id }}\n```\ncode\n```";
    assert_eq!(alert(&with("(?s)PROBLEM", &[]), text).message, text);
}

#[test]
fn a_blank_result_is_replaced_by_the_default_or_left_out() {
    let blank = "  {{ nothing }}\n";
    let parts =
        ["title", "message", "external_id", "service", "location", "Severity"].map(|key| (key, blank));
    let alert = alert(&with("pump(?<nothing>x)?", &parts), "pump 3");
    assert_eq!(alert.title, "Alert from Rocket.Chat");
    assert_eq!(alert.message, "pump 3");
    assert_eq!(alert.external_id.as_deref(), Some("GENERAL"));
    assert_eq!((alert.service, alert.location), (None, None));
    assert!(!alert.fields.contains_key("Severity"));
}

#[test]
fn a_failing_template_is_reported_and_the_alert_is_still_sent() {
    let parts = ["title", "message", "external_id", "service", "Severity"].map(|key| (key, "{{ text + 1 }}"));
    let (alert, faults) = alert_and_faults(&with("pump", &parts), &message("pump 3"), &general());
    assert_eq!(alert.title, "Alert from Rocket.Chat");
    assert_eq!(alert.message, "pump 3");
    assert_eq!(alert.external_id.as_deref(), Some("GENERAL"));
    let failed: Vec<_> = faults.iter().map(|fault| fault.what.as_str()).collect();
    assert_eq!(failed, ["title", "message", "external_id", "service", "fields.Severity"]);
    assert!(faults.iter().all(|fault| !fault.to_string().contains("pump 3")));
}

#[test]
fn an_invalid_location_is_left_out() {
    for (text, is_one) in [
        ("52.39,13.06", true),
        ("-90, 180", true),
        ("+1.5,-0", true),
        ("91,0", false),
        ("0,181", false),
        ("NaN,0", false),
        ("inf,0", false),
        ("52.39", false),
        ("52.39;13.06", false),
        ("1,2,3", false),
        ("Potsdam", false),
        ("", false),
    ] {
        assert_eq!(is_location(text), is_one, "{text}");
        let alert = alert(&with("(?s)^(?<place>.*)!", &[("location", "{{ place }}")]), &format!("{text}!"));
        assert_eq!(alert.location.is_some(), is_one, "{text}");
    }
}

#[test]
fn a_long_message_does_not_lengthen_the_short_parts() {
    let parts = ["title", "external_id", "service", "Detail"].map(|key| (key, "{{ text }}"));
    let alert = alert(&with("ä", &parts), &"ä".repeat(20_000));
    let length = |text: &str| text.chars().count();
    assert_eq!(length(&alert.title), 500);
    assert!(alert.title.ends_with('…'));
    assert_eq!(length(alert.external_id.as_deref().unwrap()), 500);
    assert_eq!(length(alert.service.as_deref().unwrap()), 500);
    assert_eq!(length(&alert.fields["Detail"]), 2_000);
}

#[test]
fn a_link_leads_to_the_message_as_rocket_chats_own_does() {
    let link = |kind, name| {
        message_url(server().base(), &room(kind, "r1", name), &MessageId::new("m/1 &x")).to_string()
    };
    assert_eq!(
        link(RoomKind::Channel, Some("general")),
        "https://chat.example.com/sub/channel/general?msg=m%2F1+%26x"
    );
    assert_eq!(link(RoomKind::Group, Some("ops")), "https://chat.example.com/sub/group/ops?msg=m%2F1+%26x");
    assert_eq!(link(RoomKind::Direct, Some("anna")), "https://chat.example.com/sub/direct/r1?msg=m%2F1+%26x");
    assert_eq!(link(RoomKind::Livechat, None), "https://chat.example.com/sub/live/r1?msg=m%2F1+%26x");
    assert_eq!(link(RoomKind::Channel, None), "https://chat.example.com/sub/channel/r1?msg=m%2F1+%26x");
    assert_eq!(
        link(RoomKind::Channel, Some("a/b?c")),
        "https://chat.example.com/sub/channel/a%2Fb%3Fc?msg=m%2F1+%26x"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_makes_an_alert_with_a_title_and_an_id(
        text in "\\PC{0,300}",
        name in "\\PC{0,30}",
        username in "\\PC{0,30}",
    ) {
        let trigger = with(
            r"(?s)^(?<first>\S*)\s*(?<rest>.*)$",
            &[("title", "{{ first }}"), ("external_id", "{{ rest }}"), ("location", "{{ rest }}"), ("First", "{{ first }}")],
        );
        let message = Message { author: Author { username, ..message("").author }, ..message(&text) };
        let alert = alert_in(&trigger, &message, &room(RoomKind::Group, "r1", Some(&name)));
        prop_assert!(!alert.title.trim().is_empty() && alert.title.lines().count() == 1);
        prop_assert!(alert.external_id.is_some_and(|id| !id.is_empty()));
        prop_assert!(alert.location.is_none_or(|location| is_location(&location)));
        prop_assert_eq!(alert.message, text.trim());
    }
}
