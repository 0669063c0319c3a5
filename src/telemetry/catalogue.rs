//! Every metric: its name, which includes the unit, and its help text.

use std::time::Duration;

use metrics::{Label, counter, gauge, histogram};

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from zero at the start of the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts values by size.
    Histogram,
}

/// A metric.
#[derive(Debug)]
pub struct Metric {
    /// Its name in Prometheus.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// What it measures, for people.
    pub help: &'static str,
}

/// Names and values of labels.
type Labels<'a> = &'a [(&'static str, &'a str)];

fn owned(labels: Labels<'_>) -> Vec<Label> {
    labels.iter().map(|(name, value)| Label::new(*name, (*value).to_owned())).collect()
}

impl Metric {
    /// Counts one more of a counter.
    pub(crate) fn count(&self, labels: Labels<'_>) {
        self.add(labels, 1);
    }

    /// Adds to a counter. Zero creates the series.
    pub(crate) fn add(&self, labels: Labels<'_>, number: u64) {
        counter!(self.name, owned(labels)).increment(number);
    }

    /// Sets a gauge.
    pub(crate) fn set(&self, labels: Labels<'_>, value: f64) {
        gauge!(self.name, owned(labels)).set(value);
    }

    /// Adds a value to a histogram.
    pub(crate) fn record(&self, value: Duration) {
        histogram!(self.name).record(value);
    }
}

/// Defines a constant for each metric, and the list of all.
macro_rules! metrics {
    ($($constant:ident: $kind:ident $name:literal $help:literal,)*) => {
        $(pub(crate) const $constant: Metric = Metric { name: $name, kind: Kind::$kind, help: $help };)*

        /// All metrics.
        pub const METRICS: &[&Metric] = &[$(&$constant),*];
    };
}

metrics! {
    BUILD_INFO: Gauge "signl4_bot_build_info"
        "Always 1; the label has the running version.",
    START_TIME: Gauge "signl4_bot_start_time_seconds"
        "When the bot started, in Unix time.",
    READY: Gauge "signl4_bot_ready"
        "1 while the bot receives messages from Rocket.Chat, can write to its store and may send alerts, as /readyz reports, else 0.",
    DEGRADED: Gauge "signl4_bot_degraded"
        "1 while the bot runs but people may not be paged, as the warnings of /readyz explain, else 0.",
    STANDBY: Gauge "signl4_bot_standby"
        "1 while another replica is active and this one is a standby, else 0.",
    CONNECTION_STATE: Gauge "signl4_bot_connection_state"
        "1 for the state of the connection to Rocket.Chat (connecting, online, waiting, stopped), 0 for the others.",
    RECONNECTS: Counter "signl4_bot_reconnects_total"
        "Realtime sessions with Rocket.Chat that ended, and failed attempts to start one, by reason.",
    FRAMES_RECEIVED: Counter "signl4_bot_frames_received_total"
        "Frames received over the realtime connection to Rocket.Chat.",
    FRAMES_SKIPPED: Counter "signl4_bot_frames_skipped_total"
        "Frames and messages among them that could not be read and were skipped.",
    WATCHED_ROOMS: Gauge "signl4_bot_watched_rooms"
        "Rooms that a trigger watches, by trigger.",
    MESSAGES_SEEN: Counter "signl4_bot_messages_seen_total"
        "Messages of watched rooms that were matched against the triggers, counted once for each text of a message.",
    MESSAGES_UNREADABLE: Counter "signl4_bot_messages_unreadable_total"
        "Messages of watched rooms that could not be read and were skipped; the log has their IDs.",
    MATCHES: Counter "signl4_bot_matches_total"
        "Messages that matched a trigger, by trigger.",
    PANICS: Counter "signl4_bot_panics_total"
        "Messages, events and deliveries that made the bot panic. Each is a bug.",
    ALERTS: Counter "signl4_bot_alerts_total"
        "Alerts that entered a state: queued; sent, accepted by SIGNL4; not_sent, given up; suppressed by a cooldown; withdrawn, because the message was deleted.",
    ALERT_DELIVERY: Histogram "signl4_bot_alert_delivery_seconds"
        "Time from queuing an alert to SIGNL4's accepting answer.",
    STORE_UP: Gauge "signl4_bot_store_up"
        "1 if the store answered this scrape, else 0; then the metrics read from it are missing.",
    OUTBOX_DELIVERIES: Gauge "signl4_bot_outbox_deliveries"
        "Waiting deliveries by queue: signl4 and signl4:<team> contain alerts, the others replies and reactions for Rocket.Chat.",
    OUTBOX_OLDEST_AGE: Gauge "signl4_bot_outbox_oldest_age_seconds"
        "Age of the oldest waiting delivery of a queue; 0 if there is none.",
    INBOX_EVENTS: Gauge "signl4_bot_inbox_events"
        "Events from SIGNL4 that are stored but not processed yet.",
    INBOX_OLDEST_AGE: Gauge "signl4_bot_inbox_oldest_age_seconds"
        "Age of the oldest event from SIGNL4 that is not processed yet; 0 if there is none.",
    EVENTS: Counter "signl4_bot_events_total"
        "Events from SIGNL4 that were processed, by type and by how their alert was found.",
    REPLIES: Counter "signl4_bot_replies_total"
        "Replies and reactions that were posted to Rocket.Chat, or given up as failed.",
    CONNECTIONS_CLOSED: Counter "signl4_bot_connections_closed_total"
        "Connections without a request that were closed because a listener (public, admin) had too many.",
    HTTP_ERRORS: Counter "signl4_bot_http_errors_total"
        "Failed HTTP calls, by peer and status. timeout, connect and broken mean that there was no answer, html means that a gateway answered instead of SIGNL4.",
}

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
