//! The promises of `DESIGN.md`, each tried end to end: the real binary between a simulated Rocket.Chat and a simulated
//! SIGNL4, over real sockets. One file a promise; `stage` is where they are played.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "what fails here fails the test")]

mod a_lost_connection_is_named;
mod catching_up_is_bounded;
mod channels_are_told_of_by_a_list;
mod delivery_ends_well;
mod events_appear_once;
mod every_match_pages;
mod growth;
mod nobody_gets_in;
mod nothing_is_passed_over;
mod pairs_alert_once;
mod rejected_replies_hold_up_nobody;
mod reload_changes_live;
mod rooms_are_followed;
mod rubbish_changes_nothing;
mod stage;
mod storms;
mod systemd_is_told;
mod the_account_in_trouble;
mod the_author_learns;
mod the_clock_is_set;
mod the_log_tells;
mod the_store_in_trouble;
mod through_a_proxy;
