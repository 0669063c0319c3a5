//! The metrics: what is counted, under which name, and how it becomes text for Prometheus.
//!
//! Counters live in the recorder of the `metrics` facade, one for the process. What the store or a part knows anyway is
//! not counted a second time: whoever is asked for the metrics reads it at that moment and hands it over as
//! [`Sample`]s. `catalogue` describes every metric of both kinds; what does not stand there is not exported.
//!
//! Labels are the names of triggers, queues, reasons and kinds, of which a configuration has a fixed number: never an id,
//! never a text.

mod catalogue;
mod counted;
mod exposition;

pub(crate) use catalogue::{
    BUILD_INFO, CONNECTION_STATE, FRAMES_RECEIVED, FRAMES_SKIPPED, INBOX_EVENTS, INBOX_OLDEST_AGE,
    OUTBOX_DELIVERIES, OUTBOX_OLDEST_AGE, READY, START_TIME, STORE_UP, WATCHED_ROOMS,
};
pub use catalogue::{Kind, METRICS, Metric};
pub(crate) use counted::{
    NoticeKind, alert, alert_sent, event, http_error, matched, message_seen, notice, reconnect,
};
pub use exposition::{Exposition, Sample};
