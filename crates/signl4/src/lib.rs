//! A client for [SIGNL4](https://www.signl4.com): raises alerts through a team's webhook, and reads the notifications
//! that SIGNL4 posts about them.
//!
//! ```no_run
//! use signl4::{AlertEvent, Notification, WebhookClient, WebhookUrl};
//!
//! # async fn raise(body: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//! let client = WebhookClient::new(reqwest::Client::builder())?;
//! let url = WebhookUrl::parse("https://connect.signl4.com/webhook/team-secret")?;
//! let event = AlertEvent { title: "Pump 3".into(), message: "Pressure is low".into(), ..AlertEvent::default() };
//! let raised = client.raise(&url, &event.to_json()).await?;
//!
//! // Later, in the handler of the outbound webhook:
//! let notification = Notification::parse(body)?;
//! if notification.alert.is_some_and(|alert| alert.event_id == raised.event_id) {
//!     println!("{}", notification.event_kind.name());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Sources: SIGNL4's [inbound webhook] and [outbound webhook]. Neither documents retries, timeouts, the order of
//! notifications or deduplication, so this crate assumes none of them.
//!
//! [inbound webhook]: https://docs.signl4.com/integrations/webhook/webhook.html
//! [outbound webhook]: https://www.signl4.com/outbound-webhooks/

mod event;
mod ids;
mod notification;
mod webhook;

pub use event::AlertEvent;
pub use ids::{EventId, NotificationId};
pub use notification::{AlertRef, EventKind, NotAnEvent, Notification};
pub use webhook::{InvalidWebhookUrl, RaiseError, Raised, WebhookClient, WebhookUrl};
