//! The private HTTP listener, for the people who run the bot and for monitoring.
//!
//! | path | what |
//! | --- | --- |
//! | `/healthz` | 200 while the process runs; needs no token |
//! | `/readyz` | 503 while the bot is down; the body says what is missing, or why the bot is degraded |
//! | `/metrics` | for Prometheus |
//! | `/` | the status page, which its script fetches again every few seconds |
//!
//! It reads the bot through a [`BotView`] and changes nothing. It shows states, IDs and reasons, never the text of a
//! message: Rocket.Chat decides who may read a message, not this listener.
//!
//! `authentication` decides which calls are answered, `readiness` collects the input of [`health`](crate::health),
//! `status` collects what `page` renders as HTML, and `timeline` derives the history of
//! one alert.

mod authentication;
mod listener;
mod metrics;
mod page;
mod readiness;
mod status;
mod timeline;
mod view;

pub use listener::serve;
pub use readiness::ReadinessProbe;
pub use view::{BotView, Directory, QueueLabel};
