//! The map of the house.

pub mod admin;
pub mod alerting;
pub mod bot;
pub mod command;
pub mod config;
pub mod listener;
pub mod logging;
pub mod rocketchat;
#[cfg(test)]
mod rubbish;
pub mod signl4;
pub mod store;
