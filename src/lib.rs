//! A bot that raises SIGNL4 alerts for Rocket.Chat messages, and posts the events of the alerts as replies to those messages.
//!
//! Data flows one way, and everything that must survive a crash is committed to the store before anything is sent or confirmed:
//!
//! ```text
//! Rocket.Chat ──DDP───▶ rocketchat::realtime ─▶ bot::stream ─┐
//! Rocket.Chat ──REST──▶ bot::backfill ───────────────────────┴─▶ bot::ingest: trigger? new? ── no ─▶ dropped
//!                                                                     │ yes: alert + delivery, one commit
//! SIGNL4 ◀──POST── signl4::WebhookClient ◀── bot::outbox ◀── store ◀──┘
//!                                                 └─ the answer's eventId ──▶ store
//! SIGNL4 ──POST──▶ listener ──▶ store: event, committed before 2xx
//!                                └─▶ bot::events: which thread, which text ──▶ store: reply
//! Rocket.Chat ◀──REST── rocketchat::rest ◀── bot::outbox ◀──────────────────────┘
//! ```
//!
//! | module | purpose | what it does not know |
//! | --- | --- | --- |
//! | [`rocketchat`] (crate) | a client for Rocket.Chat's realtime (DDP) and REST APIs | alerts, SIGNL4 |
//! | [`signl4`] (crate) | a client for SIGNL4: the event that is sent, its answer, its notifications | rooms, threads |
//! | `http-outcome` (crate) | for both clients: why an HTTP call failed, and whether the server may have executed it | either API |
//! | `lenient-json` (crate) | for both clients: JSON that is compressed, differently encoded or slightly wrong | either API |
//! | [`config`] | `bot.toml`, the environment and secret files, read into a checked [`config::Config`] | sockets, the database |
//! | [`alerting`] | plain decisions: which trigger matches, what the alert says, which thread an event belongs to, what a reply says | sockets, files, the database |
//! | [`store`] | SQLite or PostgreSQL: alerts, the outbox, SIGNL4's events, how far each room was read | servers |
//! | [`store_url`] | where the store is: `store.url`, parsed | the database |
//! | [`bot`] | connects the parts: stream, backfill, ingest, outbox, events; starts, reloads and stops them | the command line |
//! | [`listener`] | the public HTTP listener, which SIGNL4 calls | rooms, threads |
//! | [`admin`] | the private HTTP listener: health, readiness, metrics, the status page | message texts |
//! | `http_server`, `auth_throttle`, `rate_limited_log` | for both listeners: bound connections, throttle wrong secrets, and keep both from filling the log | what the secret protects |
//! | [`check`] | tries everything that the bot needs, without paging anybody | the running bot |
//! | [`command`] | the commands: `init`, `check`, `run`, `test`, `health`, `demo` and others | |
//! | [`health`] | whether people can be paged: one state with its reasons | how the parts work |
//! | [`systemd`] | notifications to systemd: readiness, status, watchdog | |
//! | [`telemetry`] | the metrics | IDs, texts |
//! | [`logging`] | the log: format, levels, and what is never logged | |
//!
//! Start at [`bot::Bot::start`], which starts every part. `docs/architecture.md` follows a message and an event from module to
//! module.

pub mod admin;
pub mod alerting;
mod auth_throttle;
pub mod bot;
pub mod check;
pub mod command;
pub mod config;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod health;
mod http_server;
pub mod listener;
pub mod logging;
mod rate_limited_log;
pub mod store;
pub mod store_url;
pub mod systemd;
pub mod telemetry;

/// `1 alert`, `2 alerts`.
pub(crate) fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// `User-Agent` of every request to Rocket.Chat and SIGNL4.
pub(crate) const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
