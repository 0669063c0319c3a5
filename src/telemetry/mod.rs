//! The metrics: their names, their counters, and their text format for Prometheus.
//!
//! Counters live in the recorder of the `metrics` facade, one per process. Values that the store or a part of the bot already
//! knows are not counted again, but read at each scrape. `catalogue` describes every metric.
//!
//! Labels are names of triggers, queues, reasons and types, whose number is fixed by the configuration. They never contain IDs or
//! texts.

mod catalogue;
mod counted;
mod exposition;

pub(crate) use catalogue::{
    BUILD_INFO, CONNECTION_STATE, DEGRADED, FRAMES_RECEIVED, FRAMES_SKIPPED, INBOX_EVENTS, INBOX_OLDEST_AGE,
    OUTBOX_DELIVERIES, OUTBOX_OLDEST_AGE, READY, STANDBY, START_TIME, STORE_UP, WATCHED_ROOMS,
};
pub use catalogue::{Kind, METRICS, Metric};
pub(crate) use counted::{
    alert, alert_sent, connection_closed, event, expect_matches, http_error, matched, message_seen,
    message_unreadable, panicked, posted, reconnect,
};
pub(crate) use exposition::{render, start, upkeep};
