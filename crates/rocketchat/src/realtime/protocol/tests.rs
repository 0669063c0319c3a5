//! The conversation without a socket: frames in, what it says and tells out.

mod entering;
mod hearing;
mod storm;
mod subscribing;
mod talk;
