//! The bridge: joins Rocket.Chat, the triggers, the store and SIGNL4, the only place that knows them all.
//!
//! Messages go `watch` → `intake` → store; alerts go store → `drain` → `pager`; events go listener → store → `inbox` →
//! store; replies go store → `drain` → `poster`. No part calls another one's servers, and every arrow into the store is
//! a commit.

mod catch_up;
mod drain;
mod ears;
mod housekeeping;
mod inbox;
mod intake;
mod notice;
mod our_clock;
mod pager;
mod pagers;
mod patience;
mod poster;
mod reload;
mod rooms;
mod run;
mod session;
mod settings;
mod unplaced;
mod view;
mod watch;

pub use intake::event_of;
pub use reload::Reloader;
pub use run::{Bot, RunError, StartError, Tempo};
