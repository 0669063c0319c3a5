//! Every metric: its name, with the unit in it, and what it tells.

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from zero at the start of the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts values by their size.
    Histogram,
}

/// A metric.
#[derive(Debug)]
pub struct Metric {
    /// The name that Prometheus knows.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// What it tells, for a person.
    pub help: &'static str,
}

const fn metric(name: &'static str, kind: Kind, help: &'static str) -> Metric {
    Metric { name, kind, help }
}

pub(super) const MESSAGES_SEEN: Metric = metric(
    "signl4_bot_messages_seen_total",
    Kind::Counter,
    "Messages of watched rooms that the triggers were asked about; once for each text of a message.",
);
pub(super) const MATCHES: Metric =
    metric("signl4_bot_matches_total", Kind::Counter, "Messages that set off a trigger, by trigger.");
pub(super) const ALERTS: Metric = metric(
    "signl4_bot_alerts_total",
    Kind::Counter,
    "Alerts that came into a state: queued; sent, which is taken by SIGNL4; not_sent, which is given up; suppressed by a cooldown.",
);
pub(super) const ALERT_DELIVERY: Metric = metric(
    "signl4_bot_alert_delivery_seconds",
    Kind::Histogram,
    "Time from queuing an alert to the answer by which SIGNL4 took it.",
);
pub(super) const RECONNECTS: Metric = metric(
    "signl4_bot_reconnects_total",
    Kind::Counter,
    "Realtime sessions with Rocket.Chat that ended, and attempts at one that failed, by reason.",
);
pub(super) const EVENTS: Metric = metric(
    "signl4_bot_events_total",
    Kind::Counter,
    "Events from SIGNL4 that were handled, by what happened and by how their alert was found.",
);
pub(super) const REPLIES: Metric = metric(
    "signl4_bot_replies_total",
    Kind::Counter,
    "Replies and reactions for Rocket.Chat that were posted, or given up as failed.",
);
pub(super) const HTTP_ERRORS: Metric = metric(
    "signl4_bot_http_errors_total",
    Kind::Counter,
    "HTTP calls that failed, by whom they went to and by status; timeout, connect and broken stand for no answer.",
);

pub(crate) const BUILD_INFO: Metric =
    metric("signl4_bot_build_info", Kind::Gauge, "Always 1; the version that runs is in the label.");
pub(crate) const START_TIME: Metric =
    metric("signl4_bot_start_time_seconds", Kind::Gauge, "When the bot started, in Unix time.");
pub(crate) const READY: Metric = metric(
    "signl4_bot_ready",
    Kind::Gauge,
    "1 while the bot hears Rocket.Chat and can write its store, as /readyz says, else 0.",
);
pub(crate) const CONNECTION_STATE: Metric = metric(
    "signl4_bot_connection_state",
    Kind::Gauge,
    "1 for the state of the connection to Rocket.Chat (connecting, online, waiting, stopped), 0 for the others.",
);
pub(crate) const FRAMES_RECEIVED: Metric = metric(
    "signl4_bot_frames_received_total",
    Kind::Counter,
    "Frames that came over the realtime connection to Rocket.Chat.",
);
pub(crate) const FRAMES_SKIPPED: Metric = metric(
    "signl4_bot_frames_skipped_total",
    Kind::Counter,
    "Frames and messages among them that could not be read, and were skipped.",
);
pub(crate) const WATCHED_ROOMS: Metric =
    metric("signl4_bot_watched_rooms", Kind::Gauge, "Rooms that a trigger watches, by trigger.");
pub(crate) const STORE_UP: Metric = metric(
    "signl4_bot_store_up",
    Kind::Gauge,
    "1 where the store answered this scrape, else 0; then what is read from it is missing.",
);
pub(crate) const OUTBOX_DELIVERIES: Metric = metric(
    "signl4_bot_outbox_deliveries",
    Kind::Gauge,
    "Deliveries that wait, by queue: signl4 and signl4:<team> carry alerts, the others what is posted to Rocket.Chat.",
);
pub(crate) const OUTBOX_OLDEST_AGE: Metric = metric(
    "signl4_bot_outbox_oldest_age_seconds",
    Kind::Gauge,
    "How long the oldest delivery of a queue has waited; 0 where none does.",
);
pub(crate) const INBOX_EVENTS: Metric =
    metric("signl4_bot_inbox_events", Kind::Gauge, "Events from SIGNL4 that are stored and not handled yet.");
pub(crate) const INBOX_OLDEST_AGE: Metric = metric(
    "signl4_bot_inbox_oldest_age_seconds",
    Kind::Gauge,
    "How long the oldest event from SIGNL4 has waited to be handled; 0 where none does.",
);

/// All of them.
pub const METRICS: [&Metric; 20] = [
    &BUILD_INFO,
    &START_TIME,
    &READY,
    &CONNECTION_STATE,
    &RECONNECTS,
    &FRAMES_RECEIVED,
    &FRAMES_SKIPPED,
    &WATCHED_ROOMS,
    &MESSAGES_SEEN,
    &MATCHES,
    &ALERTS,
    &ALERT_DELIVERY,
    &STORE_UP,
    &OUTBOX_DELIVERIES,
    &OUTBOX_OLDEST_AGE,
    &INBOX_EVENTS,
    &INBOX_OLDEST_AGE,
    &EVENTS,
    &REPLIES,
    &HTTP_ERRORS,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_follow_the_conventions_of_prometheus() {
        let names: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), METRICS.len(), "each once");
        for metric in METRICS {
            assert!(metric.name.starts_with("signl4_bot_"), "{}", metric.name);
            assert_eq!(metric.name.ends_with("_total"), metric.kind == Kind::Counter, "{}", metric.name);
            assert!(metric.help.ends_with('.'), "{}", metric.help);
        }
    }
}
