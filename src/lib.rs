//! The map of the house.

pub mod alerting;
pub mod config;
pub mod listener;
pub mod rocketchat;
pub mod signl4;
pub mod store;
