//! The map of the house.
//!
//! A message in Rocket.Chat that matches a trigger pages people through SIGNL4; what becomes of the alert comes back
//! into the message's thread. Data flows one way, and whatever must survive a crash is a row in the store before anybody
//! is told of it:
//!
//! ```text
//! Rocket.Chat ──DDP──▶ rocketchat::realtime ──▶ bot: watch, intake ──▶ store: alert + outbox row
//!                                                  │ alerting: which trigger, what words
//! SIGNL4 ◀──POST── signl4::webhook ◀── bot: pager ◀┘ drains the outbox, keeps the eventId
//! SIGNL4 ──POST──▶ listener ──▶ store: event inbox (committed before 2xx)
//!                                  └─▶ bot: inbox ── alerting::place ──▶ store: reply outbox
//! Rocket.Chat ◀──REST── rocketchat::rest ◀── bot: poster drains it
//! ```
//!
//! | room | what it is for | what it may not know |
//! | --- | --- | --- |
//! | [`config`] | `bot.toml`, environment and secret files, read once into a checked [`config::Config`] | sockets, the store |
//! | [`rocketchat`] | the DDP session, the message model, the REST client: a client one could lift into a crate of its own | alerts, triggers, SIGNL4 |
//! | [`signl4`] | the event we raise, the answer to it, the notifications that come back | rooms, threads, the store |
//! | [`alerting`] | plain decisions: which trigger fires, what the alert says, which thread an event belongs to, the words of a reply | sockets, files, the database |
//! | [`store`] | SQLite: alerts, the outbox, the inbox of events, what was seen, how far each room was read | what a row means to a server |
//! | [`bot`] | the only place that joins them: watches, settles, drains, stops | the command line |
//! | [`check`] | tries all that [`bot`] needs and says what to mend, without paging anybody | how to mend it by itself |
//! | [`setup`] | `bot.toml` made by asking, each answer tried | the running bot |
//! | [`listener`] | the public HTTP listener that SIGNL4 posts to | rooms and threads |
//! | [`admin`] | the private HTTP listener: alive, ready, metrics, the status page | message texts |
//! | [`command`] | `init`, `check`, `run`, `test`, `health`, `demo` and the rest: each in a file, each printing for a person | — |
//! | `auth_throttle` | who comes to either listener without the secret: counted by address, and kept from filling the log | what the secret opens |
//! | [`systemd`] | readiness, status and watchdog by `sd_notify` | everything but the connection's state and the store |
//! | [`telemetry`] | what is counted and measured, and its text for Prometheus | ids and texts |
//! | [`logging`] | what is written to the log, and what never is | — |
//!
//! Start reading at [`bot::Bot::start`], which names every part, then follow a message through `bot::intake` and an
//! event through `bot::inbox`.

pub mod admin;
pub mod alerting;
mod auth_throttle;
pub mod bot;
pub mod check;
pub mod command;
pub mod config;
pub mod listener;
pub mod logging;
mod rate_limited_log;
pub mod setup;
pub mod store;
pub mod systemd;
pub mod telemetry;

/// `User-Agent` of every request to Rocket.Chat and SIGNL4.
pub(crate) const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
