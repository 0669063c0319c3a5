//! The private HTTP listener, for the people who run the bot and for monitoring.
//!
//! | path | what |
//! | --- | --- |
//! | `/healthz` | 200 while the process runs; needs no token |
//! | `/readyz` | 503 while the bot is down; the body says what is missing, and why it is degraded where it is |
//! | `/metrics` | for Prometheus |
//! | `/` | the status page, kept up to date through `/events` |
//!
//! It reads the bot through a [`BotView`] and changes nothing. It knows states, ids and reasons, never the text of a message:
//! who may read a message is decided by Rocket.Chat, not by this listener.
//!
//! `authentication` decides which calls are answered, `readiness` asks what [`health`](crate::health) judges by, `status` collects what `page` renders as
//! HTML, `live` sends it again as it changes, and `timeline` derives the story of one alert.

mod authentication;
mod listener;
mod live;
mod metrics;
mod page;
mod readiness;
mod status;
mod timeline;
mod view;

pub use listener::serve;
pub use readiness::ReadinessProbe;
pub use view::{BotView, Directory, QueueLabel, WatchedBy, WatchedRoom};
