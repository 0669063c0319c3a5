//! The map of the house.

pub mod rocketchat;
pub mod signl4;
