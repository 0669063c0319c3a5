//! The private HTTP listener: for the people who run the bot, and for what watches over it.
//!
//! | path | what |
//! | --- | --- |
//! | `/healthz` | the process is alive; open to everybody who reaches the listener |
//! | `/readyz` | 200 only while the bot can do its work; the body says what is missing |
//! | `/metrics` | for Prometheus |
//! | `/` | the status page, kept up to date by `/events` |
//!
//! It looks at the bot through a [`BotView`] and changes nothing. It knows states, ids and reasons, never the text of a
//! message: who may see that the pumps are down is for Rocket.Chat to decide, not for this listener.
//!
//! `door` decides who may come in, `readiness` what is missing, `status` takes the picture that `page` writes as HTML and
//! `live` sends again as it changes; `timeline` tells an alert's story in it.

mod door;
mod listener;
mod live;
mod metrics;
mod offline;
mod page;
mod readiness;
mod status;
mod timeline;
mod view;

pub use listener::serve;
pub use readiness::Readiness;
pub use view::{BotView, Carries, Directory, QueueLabel, Seat, WatchedBy};
