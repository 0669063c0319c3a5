//! The metrics: their names, their counters, and their text format for Prometheus.
//!
//! Counters live in the recorder of the `metrics` facade, one per process. Values that the store or a part of the bot already
//! knows are not counted again, but read at each scrape. `catalogue` describes every metric.
//!
//! Labels are names of triggers, queues, reasons and types, whose number is fixed by the configuration. They never contain IDs or
//! texts.

mod catalogue;
mod exposition;

pub(crate) use catalogue::*;
pub use catalogue::{Kind, METRICS, Metric};
pub(crate) use exposition::{render, start, upkeep};
