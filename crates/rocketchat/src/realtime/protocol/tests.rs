//! The protocol without a socket: frames in, frames and events out.

mod harness;
mod login;
mod messages;
mod random_frames;
mod subscribing;
