//! The realtime session over real sockets, against the simulated Rocket.Chat: one test for each difference between
//! servers, and for each of their failures.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test sets up and does not get fails the test"
)]

mod account;
mod failures;
mod listener;
mod rooms;
mod server_versions;
