//! Counts what happens. Before [`start`](super::start) nothing is counted.

use std::time::Duration;

use metrics::{counter, histogram};

use super::catalogue::{
    ALERT_DELIVERY, ALERTS, CONNECTIONS_CLOSED, EVENTS, HTTP_ERRORS, MATCHES, MESSAGES_SEEN,
    MESSAGES_UNREADABLE, PANICS, RECONNECTS, REPLIES,
};

/// A message was matched against the triggers.
pub(crate) fn message_seen() {
    counter!(MESSAGES_SEEN.name).increment(1);
}

/// A message of a watched room could not be read.
pub(crate) fn message_unreadable() {
    counter!(MESSAGES_UNREADABLE.name).increment(1);
}

/// A message, an event or a delivery made the bot panic.
pub(crate) fn panicked(what: &'static str) {
    counter!(PANICS.name, "what" => what).increment(1);
}

/// A message matched a trigger.
pub(crate) fn matched(trigger: &str) {
    counter!(MATCHES.name, "trigger" => trigger.to_owned()).increment(1);
}

/// An alert entered this state, named as in the store.
pub(crate) fn alert(state: &'static str) {
    counter!(ALERTS.name, "state" => state).increment(1);
}

/// SIGNL4 accepted an alert, this long after it was queued.
pub(crate) fn alert_sent(after: Duration) {
    histogram!(ALERT_DELIVERY.name).record(after);
}

/// A realtime session ended, or could not be established.
pub(crate) fn reconnect(reason: &'static str) {
    counter!(RECONNECTS.name, "reason" => reason).increment(1);
}

/// An event from SIGNL4 was processed.
pub(crate) fn event(event_kind: &'static str, correlation: &'static str) {
    counter!(EVENTS.name, "type" => event_kind, "correlation" => correlation).increment(1);
}

/// A `reply` or a `reaction` was posted, or given up.
pub(crate) fn posted(kind: &'static str, posted: bool) {
    counter!(REPLIES.name, "kind" => kind, "result" => result(posted)).increment(1);
}

/// A connection without a request was closed to make room.
pub(crate) fn connection_closed(listener: &'static str) {
    counter!(CONNECTIONS_CLOSED.name, "listener" => listener).increment(1);
}

/// An HTTP call failed, with this status or, without an answer, for this reason.
pub(crate) fn http_error(peer: &'static str, code: &str) {
    counter!(HTTP_ERRORS.name, "peer" => peer, "code" => code.to_owned()).increment(1);
}

fn result(posted: bool) -> &'static str {
    if posted { "posted" } else { "failed" }
}

/// Creates the series with the value zero. Prometheus sees no increase in a series that starts at one, so its rules would not fire.
pub(super) fn begin_at_zero() {
    counter!(MESSAGES_SEEN.name).increment(0);
    counter!(MESSAGES_UNREADABLE.name).increment(0);
    for state in ["queued", "sent", "not_sent", "suppressed", "withdrawn"] {
        counter!(ALERTS.name, "state" => state).increment(0);
    }
    // Registered without a value: a bot that has sent nothing yet shows an empty histogram.
    let _ = histogram!(ALERT_DELIVERY.name);
    for kind in ["reply", "reaction"] {
        for posted in [true, false] {
            counter!(REPLIES.name, "kind" => kind, "result" => result(posted)).increment(0);
        }
    }
    counter!(EVENTS.name, "type" => "unreadable", "correlation" => "unreadable").increment(0);
    for what in ["message", "event", "delivery"] {
        counter!(PANICS.name, "what" => what).increment(0);
    }
    for listener in ["public", "admin"] {
        counter!(CONNECTIONS_CLOSED.name, "listener" => listener).increment(0);
    }
    for peer in ["signl4", "rocketchat"] {
        for code in ["400", "401", "403", "404", "429", "500", "502", "503", "connect", "timeout", "broken"] {
            counter!(HTTP_ERRORS.name, "peer" => peer, "code" => code).increment(0);
        }
    }
}

/// The same for a trigger, which may be added while the bot runs.
pub(crate) fn expect_matches(trigger: &str) {
    counter!(MATCHES.name, "trigger" => trigger.to_owned()).increment(0);
}
