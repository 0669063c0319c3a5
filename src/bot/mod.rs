//! Connects Rocket.Chat, the triggers, the store and SIGNL4. The only module that knows them all.
//!
//! Messages go through `ingest`, and missed ones through `backfill`, to the store. Events go from the listener through
//! the store and `events` back to the store. `outbox` delivers alerts and replies from the store. Every write to the
//! store is a commit.
//!
//! | module | what it does |
//! | --- | --- |
//! | `run` | starts, monitors and stops the parts |
//! | `ingest` | settles the messages of the stream, and keeps the directory of rooms |
//! | `backfill` | reads the messages that the stream did not deliver, and polls without a stream |
//! | `progress` | the cursors: how far each room was read |
//! | `outbox` | the workers that deliver alerts, replies and reactions |
//! | `events` | turns SIGNL4's events into replies |
//! | `housekeeping` | reports late alerts, and deletes old rows |
//! | `session` | one session, realtime or polling: the bot's user, its settings, and the server's time |
//! | `saved_login` | keeps the login of a password over restarts |
//! | `settings` | the current configuration, replaced by a reload |
//! | `context` | what all parts share |
//! | `retry` | repeats failed operations of the store or the server |
//! | `view` | what the admin listener can read |

mod backfill;
mod context;
mod events;
mod housekeeping;
mod ingest;
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
