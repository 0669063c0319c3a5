#![doc = include_str!("../README.md")]
//!
//! # Sources
//!
//! SIGNL4's [inbound webhook] and [outbound webhook] pages. Neither documents retries, timeouts, the order of
//! notifications or deduplication, so this crate assumes none of them.
//!
//! [inbound webhook]: https://docs.signl4.com/integrations/webhook/webhook.html
//! [outbound webhook]: https://www.signl4.com/outbound-webhooks/

#![warn(clippy::missing_errors_doc)]

mod event;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod ids;
mod notification;
mod webhook;

pub use event::AlertEvent;
pub use ids::{EventId, NotificationId};
pub use notification::{AlertRef, EventKind, NotAnEvent, Notification};
pub use webhook::{Doubt, InvalidWebhookUrl, RaiseError, Raised, WebhookClient, WebhookUrl};
