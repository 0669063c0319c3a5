//! Connects Rocket.Chat, the triggers, the store and SIGNL4. The only module that knows them all.
//!
//! Messages go through `ingest`, and missed ones through `backfill`, to the store. Events go from the listener through
//! the store and `events` back to the store. `outbox` delivers alerts and replies from the store. Every write to the
//! store is a commit.

mod backfill;
mod context;
mod events;
mod housekeeping;
mod ingest;
mod intake;
mod outbox;
mod progress;
mod retry;
mod run;
mod saved_login;
mod session;
mod settings;
mod view;

#[cfg(any(test, fuzzing))]
pub(crate) use outbox::fuzzing;
pub(crate) use outbox::labels;
pub use run::{Bot, RunError, StartError, Tempo};
pub use settings::Reloader;
