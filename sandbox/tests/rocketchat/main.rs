//! Tests of the simulated Rocket.Chat over real sockets. One binary, so that its clients are compiled and linked once.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails here fails the test")]

mod ddp_login;
mod handle;
mod limits;
mod rest_faults;
mod rest_history;
mod rest_login;
mod rest_messages;
mod rest_rooms;
mod rights;
mod streams;
mod switches;
mod wire;
