//! The page's server over real sockets, with both simulators behind it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test panics")]

mod bot;
mod browser;
mod faults;
mod messages;
mod phone;
mod request_check;
