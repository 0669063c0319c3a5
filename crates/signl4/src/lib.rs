//! Everything that speaks to SIGNL4: the event we raise, the answer to it, and the notifications it sends back.
//!
//! This part knows SIGNL4's wire and nothing else: no rooms, no threads, no store.

mod event;
mod ids;
mod notification;
mod webhook;

pub use event::AlertEvent;
pub use ids::{EventId, NotificationId};
pub use notification::{AlertRef, EventKind, NotAnEvent, Notification};
pub use webhook::{InvalidWebhookUrl, RaiseError, Raised, WebhookClient, WebhookUrl};
