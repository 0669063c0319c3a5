//! The content of an alert: a trigger's templates, rendered with the message that fired it.

use std::collections::BTreeMap;

use minijinja::{Value, context};
use url::Url;

use super::{Match, RenderError, Template, Vocabulary};
use rocketchat::{Message, MessageId, Room, RoomKind, ServerUrl};
use signl4::AlertEvent;

/// The default title of an alert.
pub(crate) const DEFAULT_TITLE: &str = "Alert from Rocket.Chat";

/// The maximum length of a headline, external ID, category or location, in characters. SIGNL4 documents no limits.
/// People on duty read one line, and the whole text follows below it.
const LONGEST_LINE: usize = 500;

/// The maximum length of any other parameter, in characters.
const LONGEST_FIELD: usize = 2_000;

/// The names that a trigger's templates may use, in addition to the named groups of its patterns.
const VARIABLES: [&str; 10] = [
    "text",
    "user.username",
    "user.name",
    "room.id",
    "room.name",
    "room.type",
    "message.id",
    "message.url",
    "message.ts",
    "trigger",
];

/// Keywords of the template language, which are not names.
const RESERVED: [&str; 14] =
    ["true", "True", "false", "False", "none", "None", "and", "or", "not", "in", "is", "if", "else", "loop"];

/// A trigger's templates and its other settings for SIGNL4.
#[derive(Clone, Debug)]
pub struct EventTemplates {
    /// The headline.
    pub title: Template,
    /// The text.
    pub message: Template,
    /// `X-S4-ExternalID`.
    pub external_id: Template,
    /// `X-S4-Service`: the category in SIGNL4.
    pub service: Option<Template>,
    /// `X-S4-Location`: "lat,lon".
    pub location: Option<Template>,
    /// `X-S4-AlertingScenario`.
    pub alerting_scenario: Option<AlertingScenario>,
    /// `X-S4-Filtering`.
    pub filtering: Option<bool>,
    /// Further parameters of the alert, by their display name.
    pub fields: BTreeMap<String, Template>,
}

impl EventTemplates {
    /// The names that these templates may use if the trigger's patterns have these named groups.
    pub fn vocabulary<'a>(groups: impl IntoIterator<Item = &'a str>) -> Vocabulary {
        VARIABLES.into_iter().chain(groups).map(str::to_owned).collect()
    }

    /// Whether a group's name has another meaning in a template: it would hide a variable, or be hidden.
    pub fn is_taken(group: &str) -> bool {
        VARIABLES.iter().any(|name| name.split('.').next() == Some(group)) || RESERVED.contains(&group)
    }
}

/// How SIGNL4 pages a team (`X-S4-AlertingScenario`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum AlertingScenario {
    /// One person's acknowledgement is enough.
    SingleAck,
    /// Several people have to acknowledge.
    MultiAck,
    /// Everybody, whether on duty or not.
    Emergency,
}

/// Renders the alert for a message that fired a trigger.
///
/// Always succeeds. The title is one line of at most 500 characters and, like the external ID, never empty. Blank parts are
/// omitted, long ones truncated. The templates that failed are returned too: their defaults are used instead, because a page
/// with a plain text is better than none, but somebody should be informed.
pub fn render_event(
    found: &Match<'_>,
    message: &Message,
    room: &Room,
    server: &ServerUrl,
) -> (AlertEvent, Vec<RenderError>) {
    let (templates, author) = (&found.trigger.event, &message.author);
    let link = message_url(server.base(), room, &message.id);
    let values = values(found, message, room, &link);
    let mut faults = Vec::new();
    // Trimmed and truncated to this many characters; `None` if the template failed or rendered to nothing.
    let mut text_of = |key: &str, template: &Template, most: usize| {
        let rendered = template.render(key, &values).map_err(|fault| faults.push(fault)).ok()?;
        Some(shortened(rendered.trim(), most)).filter(|text| !text.is_empty())
    };
    let title = text_of("title", &templates.title, LONGEST_LINE).map(|title| one_line(&title));
    let text = text_of("message", &templates.message, usize::MAX);
    let external_id = text_of("external_id", &templates.external_id, LONGEST_LINE);
    let service = templates.service.as_ref().and_then(|it| text_of("service", it, LONGEST_LINE));
    let location = templates.location.as_ref().and_then(|it| text_of("location", it, LONGEST_LINE));
    let fields = templates.fields.iter().filter_map(|(name, field)| {
        Some((name.clone(), text_of(&format!("fields.{name}"), field, LONGEST_FIELD)?))
    });
    let mut fields: BTreeMap<String, String> = fields.collect();
    // A direct message has no name.
    let channel = room.shown_name().map_or_else(|| format!("@{}", author.username), str::to_owned);
    for (name, value) in [("user", author.username.clone()), ("channel", channel), ("link", link.to_string())]
    {
        // SIGNL4 compares names case-insensitively.
        fields.retain(|other, _| !other.eq_ignore_ascii_case(name));
        fields.insert(name.to_owned(), value);
    }
    let event = AlertEvent {
        title: title.unwrap_or_else(|| DEFAULT_TITLE.to_owned()),
        message: text.unwrap_or_else(|| message.text.clone()),
        external_id: Some(external_id.unwrap_or_else(|| room.id.to_string())),
        source_system: Some("RocketChat".to_owned()),
        service,
        location: location.filter(|location| is_location(location)),
        alerting_scenario: templates.alerting_scenario.map(|scenario| scenario.to_string()),
        filtering: templates.filtering,
        fields,
    };
    (event, faults)
}

/// The same address as in Rocket.Chat's "copy link".
///
/// The address of a channel or group contains its name, that of a direct message or livechat its ID (Rocket.Chat,
/// `lib/rooms/roomTypes`, `app/livechat/lib/LivechatRoomType.ts`). If the name of a channel or group is unknown, the
/// ID works as well, because the server looks up both (`findByTypeAndNameOrId`).
pub fn message_url(base_url: &Url, room: &Room, message: &MessageId) -> Url {
    let has_address = !matches!(room.kind, RoomKind::Direct | RoomKind::Livechat);
    let name = room.name.as_deref().filter(|_| has_address);
    let kind = match room.kind {
        RoomKind::Channel | RoomKind::Other => "channel",
        RoomKind::Group => "group",
        RoomKind::Direct => "direct",
        RoomKind::Livechat => "live",
    };
    let mut url = base_url.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().push(kind).push(name.unwrap_or(room.id.as_str()));
    }
    url.query_pairs_mut().clear().append_pair("msg", message.as_str());
    url
}

/// Whether a text is "lat,lon" in degrees.
pub(crate) fn is_location(text: &str) -> bool {
    let within =
        |part: &str, limit: f64| part.trim().parse().is_ok_and(|degrees: f64| degrees.abs() <= limit);
    text.split_once(',').is_some_and(|(lat, lon)| within(lat, 90.0) && within(lon, 180.0))
}

/// The template variables of one message.
fn values(found: &Match<'_>, message: &Message, room: &Room, link: &Url) -> Value {
    let author = &message.author;
    let variables = context! {
        text => message.text.as_str(),
        user => context! {
            username => author.username.as_str(),
            name => author.name.as_deref().unwrap_or(&author.username),
        },
        room => context! {
            id => room.id.as_str(),
            name => room.shown_name().unwrap_or_default(),
            type => room.kind.to_string(),
        },
        message => context! {
            id => message.id.as_str(),
            url => link.as_str(),
            ts => message.sent_at.to_string(),
        },
        trigger => found.trigger.name.as_str(),
    };
    let captures = found.captures.iter().map(|(name, caught)| (name.as_str(), caught.as_str()));
    context! { ..variables, ..Value::from_pairs(captures) }
}

/// The text, truncated with an ellipsis if it is longer.
fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most - 1).chain(['…']).collect(),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
