//! The map of the house.

pub mod alerting;
pub mod rocketchat;
pub mod signl4;
