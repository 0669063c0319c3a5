//! The map of the house.

pub mod rocketchat;
