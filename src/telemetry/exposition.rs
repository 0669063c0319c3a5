//! Renders the metrics as text for Prometheus.

use std::sync::LazyLock;

use metrics::{
    Counter, counter, describe_counter, describe_gauge, describe_histogram, histogram, with_local_recorder,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::{
    ALERT_DELIVERY, ALERTS, CONNECTIONS_CLOSED, EVENTS, HTTP_ERRORS, Kind, MESSAGES_SEEN,
    MESSAGES_UNREADABLE, METRICS, PANICS, REPLIES,
};

/// The upper bounds of the histogram of delivery times, in seconds.
const DELIVERY_BUCKETS: [f64; 12] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0];

/// The counters of this process. All bots in it share them.
static COUNTERS: LazyLock<PrometheusHandle> = LazyLock::new(|| {
    let recorder = recorder();
    let handle = recorder.handle();
    // Fails only if another recorder is installed; this one then stays empty.
    let _ = metrics::set_global_recorder(recorder);
    describe();
    begin_at_zero();
    handle
});

/// Starts counting, unless this process already does. Returns the counter of messages, for code where the look-up by name is too
/// slow. A handle that was created before the start would count nothing.
pub(crate) fn start() -> Counter {
    LazyLock::force(&COUNTERS);
    counter!(MESSAGES_SEEN.name)
}

/// All metrics in Prometheus' text format: the counters of this process, and the values that `read` sets.
pub(crate) fn render(read: impl FnOnce()) -> String {
    // A new recorder for each scrape: a removed queue or trigger must not stay in the output.
    let recorder = recorder();
    with_local_recorder(&recorder, || {
        describe();
        read();
    });
    COUNTERS.render() + &recorder.handle().render()
}

/// Adds recorded times to their histogram, which otherwise happens only at a scrape.
pub(crate) fn upkeep() {
    COUNTERS.run_upkeep();
}

/// Creates the series with the value zero. Prometheus sees no increase in a series that starts at one, so its rules would not fire.
fn begin_at_zero() {
    MESSAGES_SEEN.add(&[], 0);
    MESSAGES_UNREADABLE.add(&[], 0);
    EVENTS.add(&[("type", "unreadable"), ("correlation", "unreadable")], 0);
    // Registered without a value: a bot that has sent nothing yet shows an empty histogram.
    let _ = histogram!(ALERT_DELIVERY.name);
    for state in ["queued", "sent", "not_sent", "suppressed", "withdrawn"] {
        ALERTS.add(&[("state", state)], 0);
    }
    for what in ["message", "event", "delivery"] {
        PANICS.add(&[("what", what)], 0);
    }
    for listener in ["public", "admin"] {
        CONNECTIONS_CLOSED.add(&[("listener", listener)], 0);
    }
    for (kind, result) in
        [("reply", "posted"), ("reply", "failed"), ("reaction", "posted"), ("reaction", "failed")]
    {
        REPLIES.add(&[("kind", kind), ("result", result)], 0);
    }
    for code in ["400", "401", "403", "404", "429", "500", "502", "503", "connect", "timeout", "broken"] {
        HTTP_ERRORS.add(&[("peer", "signl4"), ("code", code)], 0);
        HTTP_ERRORS.add(&[("peer", "rocketchat"), ("code", code)], 0);
    }
}

fn recorder() -> PrometheusRecorder {
    let histogram = Matcher::Full(ALERT_DELIVERY.name.to_owned());
    let builder = PrometheusBuilder::new().set_buckets_for_metric(histogram, &DELIVERY_BUCKETS);
    // Fails only for an empty list of bounds.
    builder.unwrap_or_default().build_recorder()
}

fn describe() {
    for metric in METRICS {
        match metric.kind {
            Kind::Counter => describe_counter!(metric.name, metric.help),
            Kind::Gauge => describe_gauge!(metric.name, metric.help),
            Kind::Histogram => describe_histogram!(metric.name, metric.help),
        }
    }
}

#[cfg(test)]
mod tests {
    use metrics::gauge;

    use super::*;
    use crate::telemetry::{FRAMES_RECEIVED, MATCHES, OUTBOX_DELIVERIES};

    #[test]
    fn values_and_counters_are_rendered_together_each_with_its_help() {
        let _ = start();
        MATCHES.add(&[("trigger", "night watch")], 0);
        let text = render(|| {
            gauge!(OUTBOX_DELIVERIES.name, "queue" => "signl4:\"odd\"\nname").set(3.0);
            counter!(FRAMES_RECEIVED.name).absolute(7);
        });
        for line in [
            "signl4_bot_matches_total{trigger=\"night watch\"} 0",
            "signl4_bot_outbox_deliveries{queue=\"signl4:\\\"odd\\\"\\nname\"} 3",
            "signl4_bot_frames_received_total 7",
            "signl4_bot_alert_delivery_seconds_bucket{le=\"+Inf\"} 0",
            "# TYPE signl4_bot_alert_delivery_seconds histogram",
        ] {
            assert!(text.lines().any(|written| written == line), "{line}\n{text}");
        }
        let families: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        for family in families {
            assert_eq!(text.matches(&format!("# HELP {family} ")).count(), 1, "{family}");
        }
    }

    #[test]
    fn a_value_of_an_earlier_scrape_is_removed() {
        let queue = || gauge!(OUTBOX_DELIVERIES.name, "queue" => "gone").set(3.0);
        assert!(render(queue).contains("gone"));
        assert!(!render(|| ()).contains("gone"));
    }

    #[test]
    fn several_bots_in_one_process_share_the_counters() {
        for trigger in ["one", "other"] {
            let _ = start();
            MATCHES.add(&[("trigger", trigger)], 0);
        }
        let text = render(|| ());
        assert!(text.contains("trigger=\"one\"") && text.contains("trigger=\"other\""), "{text}");
    }
}
