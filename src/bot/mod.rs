//! The bridge: joins Rocket.Chat, the triggers, the store and SIGNL4, the only place that knows them all.
//!
//! Messages go `watch` → `intake` → store; events go listener → store → `events` → store; alerts and replies go store →
//! `outbox`. No part calls another one's servers, and every arrow into the store is a commit.

mod backfill;
mod events;
mod housekeeping;
mod ingest;
mod intake;
mod outbox;
mod progress;
mod reload;
mod retry;
mod run;
mod session;
mod settings;
mod view;

pub use ingest::event_of;
pub use reload::Reloader;
pub use run::{Bot, RunError, StartError, Tempo};
