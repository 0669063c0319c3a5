//! The story of one alert: what it was raised by, what was done for it and what came back, in the order of time.

use jiff::Timestamp;

use super::{BotView, Carries};
use crate::{
    alerting::message_url,
    rocketchat::{Room, RoomId, RoomKind},
    store::{Alert, AlertState, AlertTrail, DeliveryState, DeliveryTrail, EventTrail},
};

/// Longest name of a person that is shown, in characters.
const LONGEST_NAME: usize = 80;

/// An alert as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Story {
    /// The id that follows it through the log.
    pub(super) id: String,
    pub(super) trigger: String,
    /// The room's name for people.
    pub(super) room: String,
    /// The message in Rocket.Chat.
    pub(super) link: String,
    pub(super) queued_at: Timestamp,
    /// How it stands, in a word or two.
    pub(super) state: &'static str,
    pub(super) tone: Tone,
    /// In the order of time; at least one.
    pub(super) steps: Vec<Step>,
}

/// One step of an alert's story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) at: Timestamp,
    pub(super) tone: Tone,
    pub(super) what: String,
    /// An id or a reason.
    pub(super) detail: Option<String>,
    /// When it is tried again.
    pub(super) next: Option<Timestamp>,
}

/// Whether something is good news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// As it should be, and somebody cares for it.
    Good,
    /// On its way.
    Plain,
    /// Not yet as it should be.
    Waiting,
    /// As it should not be.
    Bad,
    /// Over, or never meant to be.
    Quiet,
}

/// Tells an alert's story.
pub(super) fn tell(trail: &AlertTrail, bot: &BotView) -> Story {
    let alert = &trail.alert;
    let room = bot.rooms.room(&alert.room).unwrap_or_else(|| unknown(&alert.room));
    let mut steps = vec![beginning(alert)];
    steps.extend(trail.deliveries.iter().map(|delivery| {
        let label = bot.label(&delivery.lane);
        let name = label.map_or(delivery.lane.as_str(), |label| label.name.as_str());
        step(alert, delivery, label.map(|label| label.carries), name)
    }));
    steps.extend(trail.events.iter().map(happened));
    steps.sort_by_key(|step| step.at);
    let (state, tone) = standing(alert, &trail.events);
    Story {
        id: alert.id.to_string(),
        trigger: alert.trigger.clone(),
        room: shown(&room),
        link: message_url(bot.account.server().base(), &room, &alert.message).into(),
        queued_at: alert.created_at,
        state,
        tone,
        steps,
    }
}

/// A room's name for people.
pub(super) fn shown(room: &Room) -> String {
    match (&room.name, room.kind) {
        (_, RoomKind::Direct) => "direct message".to_owned(),
        (Some(name), _) => format!("#{name}"),
        (None, _) => room.id.to_string(),
    }
}

fn unknown(id: &RoomId) -> Room {
    Room { id: id.clone(), name: None, kind: RoomKind::Other }
}

fn beginning(alert: &Alert) -> Step {
    let (tone, what) = match alert.state {
        AlertState::Suppressed => (Tone::Quiet, "Message matched, held back by the trigger's cooldown"),
        _ => (Tone::Plain, "Message matched, alert queued"),
    };
    Step { at: alert.created_at, tone, what: what.to_owned(), detail: None, next: None }
}

fn step(alert: &Alert, delivery: &DeliveryTrail, carries: Option<Carries>, name: &str) -> Step {
    let (subject, done) = match carries {
        Some(Carries::Alerts) => ("Alert", format!("Sent to {name}")),
        Some(Carries::Replies) => ("Reply", "Reply posted in the thread".to_owned()),
        Some(Carries::Reactions) => ("Reaction", "Reaction put on the message".to_owned()),
        None => ("Delivery", format!("Delivered to {name}")),
    };
    let error = delivery.last_error.clone();
    let (at, tone, what, detail, next) = match delivery.state {
        DeliveryState::Delivered(at) => {
            let detail = answer(alert).filter(|_| carries == Some(Carries::Alerts));
            (at, Tone::Good, done, detail, None)
        }
        DeliveryState::Failed(at) => (at, Tone::Bad, format!("{subject} given up"), error, None),
        DeliveryState::Waiting(_) if delivery.attempts == 0 => {
            (delivery.created_at, Tone::Waiting, format!("{subject} waits for its turn"), None, None)
        }
        DeliveryState::Waiting(next) => {
            let what = format!("{subject} not delivered yet, {}", tried(delivery.attempts));
            (delivery.created_at, Tone::Waiting, what, error, Some(next))
        }
    };
    Step { at, tone, what, detail, next }
}

/// How often something was tried.
pub(super) fn tried(attempts: u32) -> String {
    match attempts {
        1 => "tried once".to_owned(),
        times => format!("tried {times} times"),
    }
}

/// What SIGNL4 answered, and whether it may have been paged more than once.
fn answer(alert: &Alert) -> Option<String> {
    let named = alert.event_id.as_ref().map(|event_id| format!("eventId {event_id}"));
    let again = (alert.unanswered > 0 && alert.event_id.is_some()).then(|| {
        format!("calls without an answer before: {}, so there may be a second page", alert.unanswered)
    });
    let answer: Vec<String> =
        named.or_else(|| Some("without an eventId".into())).into_iter().chain(again).collect();
    Some(answer.join("; "))
}

fn happened(event: &EventTrail) -> Step {
    let (tone, what) = match event.happening.as_str() {
        "raised" => (Tone::Plain, "Raised at SIGNL4"),
        "acknowledged" => (Tone::Good, "Acknowledged"),
        "closed" => (Tone::Good, "Closed"),
        "annotated" => (Tone::Plain, "Annotated"),
        "escalated" => (Tone::Waiting, "Escalated"),
        "unattended" => (Tone::Bad, "Nobody answered or is on duty"),
        "failed" => (Tone::Bad, "SIGNL4 could reach nobody"),
        other => (Tone::Plain, other),
    };
    let by = event.actor.as_ref().map(|actor| actor.chars().take(LONGEST_NAME).collect::<String>());
    let what = by.map_or_else(|| what.to_owned(), |by| format!("{what} by {by}"));
    let detail = match event.correlation.as_str() {
        "external_id" => Some("its alert was found by the ExternalID".to_owned()),
        "unanswered" => Some("taken to be about this alert, whose call was never answered".to_owned()),
        _ => None,
    };
    Step { at: event.received_at, tone, what, detail, next: None }
}

/// How an alert stands: by the last event that changed it, or else by what became of its call.
fn standing(alert: &Alert, events: &[EventTrail]) -> (&'static str, Tone) {
    let changed = events.iter().rev().find_map(|event| match event.happening.as_str() {
        "acknowledged" => Some(("acknowledged", Tone::Good)),
        "closed" => Some(("closed", Tone::Quiet)),
        "unattended" => Some(("unattended", Tone::Bad)),
        "failed" => Some(("reached nobody", Tone::Bad)),
        "escalated" => Some(("escalated", Tone::Waiting)),
        _ => None,
    });
    changed.unwrap_or(match alert.state {
        AlertState::Queued => ("waiting", Tone::Waiting),
        AlertState::Sent => ("sent", Tone::Plain),
        AlertState::NotSent => ("not sent", Tone::Bad),
        AlertState::Suppressed => ("held back", Tone::Quiet),
    })
}
