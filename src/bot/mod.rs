//! Connects Rocket.Chat, the triggers, the store and SIGNL4. The only module that knows them all.
//!
//! Messages go from `stream`, and missed ones from `backfill`, through `ingest` to the store. Events go from the listener
//! through the store and `events` back to the store. `outbox` delivers alerts and replies from the store. Every write to
//! the store is a commit. There are no dependency cycles: the table lists the modules from the top down.
//!
//! | module | what it does |
//! | --- | --- |
//! | `run` | starts, monitors and stops the parts |
//! | `view` | what the admin listener can read |
//! | `stream` | consumes the realtime events: messages in bursts, changes of rooms, and sessions, each with its backfill |
//! | `backfill` | reads the messages that the stream did not deliver, and polls without a stream |
//! | `ingest` | decides about messages, and stores their alerts |
//! | `events` | turns SIGNL4's events into replies |
//! | `housekeeping` | reports late alerts, and deletes old rows |
//! | `outbox` | the workers that deliver alerts, replies and reactions |
//! | `saved_login` | keeps the login of a password over restarts |
//! | `session` | one session, realtime or polling: the bot's user, its settings, and the server's time |
//! | `context` | what all parts share |
//! | `rooms` | the directory of rooms |
//! | `progress` | the cursors: how far each room was read |
//! | `seen` | which messages were processed, and with which text |
//! | `retry` | repeats failed operations of the store or the server |
//! | `settings` | the current configuration, replaced by a reload |
//! | `tempo` | the waits and intervals |

mod backfill;
mod context;
mod events;
mod housekeeping;
mod ingest;
mod outbox;
mod progress;
mod retry;
mod rooms;
mod run;
mod saved_login;
mod seen;
mod session;
mod settings;
mod stream;
mod tempo;
mod view;

#[cfg(any(test, fuzzing))]
pub(crate) use outbox::fuzzing;
pub(crate) use outbox::labels;
pub(crate) use run::cannot_listen;
pub use run::{Bot, RunError, StartError};
pub use settings::Reloader;
pub use tempo::Tempo;
