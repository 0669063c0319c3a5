//! The bridge: joins Rocket.Chat, the triggers, the store and SIGNL4, the only place that knows them all.
//!
//! Messages go `watch` → `intake` → store; alerts go store → `drain` → `pager`; events go listener → store → `inbox` →
//! store; replies go store → `drain` → `poster`. No part calls another one's servers, and every arrow into the store is
//! a commit.

mod backfill;
mod drain;
mod housekeeping;
mod inbox;
mod ingest;
mod intake;
mod notice;
mod pager;
mod pagers;
mod poster;
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
