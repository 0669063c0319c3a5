//! The history of one alert in chronological order: the message that raised it, its deliveries, and SIGNL4's events.

use jiff::Timestamp;
use url::Url;

use super::{Directory, QueueLabel};
use crate::{
    alerting::{message_url, room_label},
    store::{Alert, AlertState, DeliveryKind, DeliveryState, DeliveryTrail, EventTrail, LastAlerts},
};
use rocketchat::{Room, RoomId, RoomKind};

/// Maximum length of a person's name, in characters.
const MAX_NAME: usize = 80;

/// An alert as the page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AlertTimeline {
    /// The ID that the log uses.
    pub(super) id: String,
    pub(super) trigger: String,
    /// The room's display name.
    pub(super) room: String,
    /// The URL of the message in Rocket.Chat.
    pub(super) link: String,
    pub(super) queued_at: Timestamp,
    /// Its state, in a word or two.
    pub(super) state: &'static str,
    pub(super) tone: Tone,
    /// In chronological order; at least one.
    pub(super) steps: Vec<Step>,
}

/// One step of an alert's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) at: Timestamp,
    pub(super) tone: Tone,
    pub(super) what: String,
    /// An ID or a reason.
    pub(super) detail: Option<String>,
}

/// How good or bad something is. Displayed, it is its name in the style sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub(super) enum Tone {
    /// As expected.
    Good,
    /// Neutral: in progress.
    Plain,
    /// Not yet as expected.
    Waiting,
    /// Failed.
    Bad,
    /// Finished, or suppressed.
    Quiet,
}

/// The history of one of the last alerts, with names that the store does not contain.
pub(super) fn alert_timeline(
    alert: &Alert,
    last: &LastAlerts,
    server: &Url,
    names: &dyn Directory,
    queues: &[QueueLabel],
) -> AlertTimeline {
    let room = names.room(&alert.room).unwrap_or_else(|| unknown(&alert.room));
    let deliveries = last.deliveries.iter().filter(|delivery| delivery.alert == alert.id);
    let events: Vec<&EventTrail> = last.events.iter().filter(|event| event.alert == alert.id).collect();
    let mut steps = vec![first_step(alert)];
    steps.extend(deliveries.map(|delivery| {
        let label = queues.iter().find(|label| label.queue == delivery.queue);
        let name = label.map_or(delivery.queue.as_str(), |label| label.name.as_str());
        delivery_step(alert, delivery, label.map(|label| label.carries), name)
    }));
    steps.extend(events.iter().map(|event| event_step(event)));
    steps.sort_by_key(|step| step.at);
    let (state, tone) = current_state(alert, &events);
    AlertTimeline {
        id: alert.id.to_string(),
        trigger: alert.trigger.clone(),
        room: room_label(&room),
        link: message_url(server, &room, &alert.message).into(),
        queued_at: alert.created_at,
        state,
        tone,
        steps,
    }
}

fn unknown(id: &RoomId) -> Room {
    Room::new(id.clone(), None, RoomKind::Other)
}

fn first_step(alert: &Alert) -> Step {
    let (tone, what) = match alert.state {
        AlertState::Suppressed => (Tone::Quiet, "Message matched, suppressed by the trigger's cooldown"),
        _ => (Tone::Plain, "Message matched, alert queued"),
    };
    Step { at: alert.created_at, tone, what: what.to_owned(), detail: None }
}

fn delivery_step(alert: &Alert, delivery: &DeliveryTrail, carries: Option<DeliveryKind>, name: &str) -> Step {
    let (subject, done) = match carries {
        Some(DeliveryKind::Alert) => ("Alert", format!("Sent to {name}")),
        Some(DeliveryKind::Reply) => ("Reply", "Reply posted".to_owned()),
        Some(DeliveryKind::Reaction) => ("Reaction", "Reaction added to the message".to_owned()),
        None => ("Delivery", format!("Delivered to {name}")),
    };
    let error = delivery.last_error.clone();
    let (tone, what, detail) = match delivery.state {
        DeliveryState::Delivered => {
            (Tone::Good, done, (carries == Some(DeliveryKind::Alert)).then(|| answer(alert)))
        }
        DeliveryState::Failed => (Tone::Bad, format!("{subject} given up"), error),
        DeliveryState::UnderWay => (Tone::Waiting, format!("{subject} is being sent"), error),
        DeliveryState::Waiting if delivery.attempts == 0 => {
            (Tone::Waiting, format!("{subject} not tried yet"), None)
        }
        DeliveryState::Waiting => {
            let what = format!("{subject} not delivered yet, {}", attempts(delivery.attempts));
            (Tone::Waiting, what, error)
        }
    };
    Step { at: delivery.at, tone, what, detail }
}

/// How often something was tried, in words.
pub(super) fn attempts(attempts: u32) -> String {
    match attempts {
        1 => "tried once".to_owned(),
        times => format!("tried {times} times"),
    }
}

/// SIGNL4's answer, and whether there may have been more than one page.
fn answer(alert: &Alert) -> String {
    match &alert.event_id {
        None => "SIGNL4's answer has no eventId".to_owned(),
        Some(event_id) if alert.unanswered == 0 => format!("eventId {event_id}"),
        Some(event_id) => format!(
            "eventId {event_id}; earlier calls without an answer: {}, so there may be a second page",
            alert.unanswered
        ),
    }
}

/// What an event says, and the alert's state after it if it changes that.
fn event_words(kind: &str) -> (Tone, &str, Option<(&'static str, Tone)>) {
    match kind {
        "raised" => (Tone::Plain, "Raised at SIGNL4", None),
        "acknowledged" => (Tone::Good, "Acknowledged", Some(("acknowledged", Tone::Good))),
        "closed" => (Tone::Good, "Closed", Some(("closed", Tone::Quiet))),
        "annotated" => (Tone::Plain, "Annotated", None),
        "escalated" => (Tone::Waiting, "Escalated", Some(("escalated", Tone::Waiting))),
        "unattended" => {
            (Tone::Bad, "Nobody acknowledged, or nobody is on duty", Some(("unattended", Tone::Bad)))
        }
        "failed" => (Tone::Bad, "SIGNL4 could not reach anybody", Some(("reached nobody", Tone::Bad))),
        other => (Tone::Plain, other, None),
    }
}

fn event_step(event: &EventTrail) -> Step {
    let (tone, what, _) = event_words(&event.event_kind);
    let by = event.actor.as_ref().map(|actor| actor.chars().take(MAX_NAME).collect::<String>());
    let what = by.map_or_else(|| what.to_owned(), |by| format!("{what} by {by}"));
    let detail = match event.correlation.as_str() {
        "external_id" => Some("matched by its ExternalID".to_owned()),
        "unanswered" => Some("attributed to this alert, whose call was never answered".to_owned()),
        _ => None,
    };
    Step { at: event.received_at, tone, what, detail }
}

/// The last event that changed the alert's state, or else the outcome of its delivery.
fn current_state(alert: &Alert, events: &[&EventTrail]) -> (&'static str, Tone) {
    let changed = events.iter().rev().find_map(|event| event_words(&event.event_kind).2);
    changed.unwrap_or(match alert.state {
        AlertState::Queued => ("waiting", Tone::Waiting),
        // SIGNL4 accepted the call, but neither its answer nor an event has named the alert.
        AlertState::Sent if alert.event_id.is_none() && events.is_empty() => {
            ("sent, unconfirmed", Tone::Waiting)
        }
        AlertState::Sent => ("sent", Tone::Plain),
        AlertState::NotSent => ("not sent", Tone::Bad),
        AlertState::Suppressed => ("suppressed", Tone::Quiet),
        AlertState::Withdrawn => ("withdrawn", Tone::Quiet),
    })
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;
    use crate::{
        health::WatchedBy,
        store::{AlertId, Queue},
    };
    use rocketchat::MessageId;

    /// Knows one room.
    #[derive(Debug)]
    struct OneRoom;

    impl Directory for OneRoom {
        fn room(&self, id: &RoomId) -> Option<Room> {
            let name = Some("operations".to_owned());
            (id.as_str() == "r1").then(|| Room::new(id.clone(), name, RoomKind::Group))
        }

        fn watched(&self) -> Vec<WatchedBy> {
            Vec::new()
        }

        fn queues(&self) -> Vec<QueueLabel> {
            Vec::new()
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + second.seconds()
    }

    fn alert(state: AlertState) -> Alert {
        Alert {
            id: AlertId::default(),
            message: MessageId::new("m1"),
            trigger: "signl4".into(),
            room: RoomId::new("r1"),
            thread: MessageId::new("m1"),
            author: None,
            external_id: "r1".into(),
            state,
            event_id: (state == AlertState::Sent).then(|| "2518_4ee5".to_owned()),
            unanswered: 0,
            told_waiting: false,
            created_at: at(0),
        }
    }

    fn delivery(queue: &str, state: DeliveryState, second: i64) -> DeliveryTrail {
        let (alert, queue) = (AlertId::default(), Queue::new(queue));
        DeliveryTrail { alert, queue, state, attempts: 1, at: at(second), last_error: None }
    }

    fn event(second: i64, event_kind: &str, actor: Option<&str>) -> EventTrail {
        EventTrail {
            alert: AlertId::default(),
            event_kind: event_kind.into(),
            actor: actor.map(Into::into),
            correlation: "event_id".into(),
            received_at: at(second),
        }
    }

    fn alert_timeline(
        alert: Alert,
        deliveries: Vec<DeliveryTrail>,
        events: Vec<EventTrail>,
    ) -> AlertTimeline {
        let label =
            |queue, carries| QueueLabel { queue: Queue::new(queue), name: format!("<{queue}>"), carries };
        let queues = [
            label("signl4", DeliveryKind::Alert),
            label("reply", DeliveryKind::Reply),
            label("reaction", DeliveryKind::Reaction),
        ];
        let server = Url::parse("https://chat.example.com/sub/").unwrap();
        let last = LastAlerts { alerts: vec![alert], deliveries, events };
        super::alert_timeline(&last.alerts[0], &last, &server, &OneRoom, &queues)
    }

    fn whats(alert_timeline: &AlertTimeline) -> Vec<&str> {
        alert_timeline.steps.iter().map(|step| step.what.as_str()).collect()
    }

    #[test]
    fn a_timeline_is_in_chronological_order() {
        let alert_timeline = alert_timeline(
            alert(AlertState::Sent),
            vec![
                delivery("signl4", DeliveryState::Delivered, 1),
                delivery("reaction", DeliveryState::Delivered, 2),
                delivery("reply", DeliveryState::Delivered, 4),
            ],
            vec![event(3, "acknowledged", Some("Rene")), event(5, "unknown type", None)],
        );
        assert_eq!(
            whats(&alert_timeline),
            [
                "Message matched, alert queued",
                "Sent to <signl4>",
                "Reaction added to the message",
                "Acknowledged by Rene",
                "Reply posted",
                "unknown type",
            ]
        );
        assert_eq!(alert_timeline.steps[1].detail.as_deref(), Some("eventId 2518_4ee5"));
        assert_eq!(alert_timeline.steps[4].detail, None);
        assert_eq!((alert_timeline.state, alert_timeline.tone), ("acknowledged", Tone::Good));
        assert_eq!(alert_timeline.link, "https://chat.example.com/sub/group/operations?msg=m1");
        assert_eq!(alert_timeline.room, "operations", "a private group has no #");
    }

    #[test]
    fn a_waiting_delivery_says_why() {
        let waiting = DeliveryTrail {
            attempts: 2,
            last_error: Some("SIGNL4 answered 503".into()),
            ..delivery("signl4", DeliveryState::Waiting, 9)
        };
        let alert_timeline = alert_timeline(alert(AlertState::Queued), vec![waiting], vec![]);
        assert_eq!((alert_timeline.state, alert_timeline.tone), ("waiting", Tone::Waiting));
        let step = &alert_timeline.steps[1];
        assert_eq!(step.what, "Alert not delivered yet, tried 2 times");
        assert_eq!(step.detail.as_deref(), Some("SIGNL4 answered 503"));
    }

    #[test]
    fn a_failed_delivery_says_why() {
        let failed = DeliveryTrail {
            last_error: Some("SIGNL4 does not know this team".into()),
            ..delivery("signl4", DeliveryState::Failed, 1)
        };
        let alert_timeline = alert_timeline(alert(AlertState::NotSent), vec![failed], vec![]);
        assert_eq!((alert_timeline.state, alert_timeline.tone), ("not sent", Tone::Bad));
        assert_eq!(whats(&alert_timeline)[1], "Alert given up");
        assert_eq!(alert_timeline.steps[1].detail.as_deref(), Some("SIGNL4 does not know this team"));
    }

    #[test]
    fn an_alert_without_an_event_id_is_sent_but_unconfirmed() {
        let unnamed = Alert { event_id: None, unanswered: 1, ..alert(AlertState::Sent) };
        let sent = vec![delivery("signl4", DeliveryState::Delivered, 1)];
        let unconfirmed = alert_timeline(unnamed.clone(), sent.clone(), vec![]);
        assert_eq!((unconfirmed.state, unconfirmed.tone), ("sent, unconfirmed", Tone::Waiting));
        assert_eq!(unconfirmed.steps[1].detail.as_deref(), Some("SIGNL4's answer has no eventId"));
        assert_eq!(alert_timeline(unnamed, sent, vec![event(2, "raised", None)]).state, "sent");
    }

    #[test]
    fn a_possible_second_page_is_mentioned() {
        let doubtful = Alert { unanswered: 1, ..alert(AlertState::Sent) };
        let alert_timeline =
            alert_timeline(doubtful, vec![delivery("signl4", DeliveryState::Delivered, 1)], vec![]);
        assert!(
            alert_timeline.steps[1].detail.as_ref().unwrap().contains("second page"),
            "{alert_timeline:?}"
        );
    }

    #[test]
    fn the_last_event_that_changes_the_state_decides_it() {
        for (happened, state, tone) in [
            (&["acknowledged", "closed", "annotated"][..], "closed", Tone::Quiet),
            (&["unattended", "acknowledged"], "acknowledged", Tone::Good),
            (&["acknowledged", "escalated"], "escalated", Tone::Waiting),
            (&["unattended"], "unattended", Tone::Bad),
            (&["failed"], "reached nobody", Tone::Bad),
            (&["raised", "annotated"], "sent", Tone::Plain),
        ] {
            let events =
                happened.iter().zip(1..).map(|(event_kind, at)| event(at, event_kind, None)).collect();
            let alert_timeline = alert_timeline(alert(AlertState::Sent), vec![], events);
            assert_eq!((alert_timeline.state, alert_timeline.tone), (state, tone), "{happened:?}");
        }
        assert_eq!(alert_timeline(alert(AlertState::Suppressed), vec![], vec![]).state, "suppressed");
    }

    #[test]
    fn unknown_rooms_and_queues_are_shown_by_their_ids() {
        let elsewhere = Alert { room: RoomId::new("r2"), ..alert(AlertState::Sent) };
        let alert_timeline =
            alert_timeline(elsewhere, vec![delivery("signl4:gone", DeliveryState::Delivered, 1)], vec![]);
        assert_eq!(alert_timeline.room, "the room with the ID r2");
        assert_eq!(whats(&alert_timeline)[1], "Delivered to signl4:gone");
    }
}
