//! What the store promises, tried on real files.

mod contention;
mod copy;
mod fixture;
mod inbox;
mod inspect;
mod intake;
mod opening;
mod outbox;
mod plans;
mod postgres;
mod purge;
mod rooms;
mod status;
mod trouble;
