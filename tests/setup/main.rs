//! From nothing to a watched room, as an administrator does it: `init`, `check`, `run`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what fails here fails the test")]

mod encryption;
mod fixture;
#[path = "../bridge/free_port.rs"]
mod free_port;
mod init;
mod outside;
mod pages;
mod secrets_dir;
mod terminal;
mod transcript;
