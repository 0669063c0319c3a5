//! The promises of `DESIGN.md`, each tried end to end: the real binary between a simulated Rocket.Chat and a simulated
//! SIGNL4, over real sockets. One file a promise; `stage` is where they are played.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod delivery_ends_well;
mod events_appear_once;
mod every_match_pages;
mod nobody_gets_in;
mod nothing_is_passed_over;
mod pairs_alert_once;
mod rejected_replies_hold_up_nobody;
mod stage;
mod storms;
mod the_author_learns;
