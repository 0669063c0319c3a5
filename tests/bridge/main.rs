//! The promises of `DESIGN.md`, each tried end to end: the real binary between a simulated Rocket.Chat and a simulated
//! SIGNL4, over real sockets. One file per promise; `harness` starts the servers and the bot.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "what fails here fails the test")]

mod account_failures;
mod answers_that_name_no_alert;
mod arbitrary_json_changes_nothing;
mod authors_are_informed;
mod backfill_is_bounded;
mod bots_do_not_page_each_other;
mod channel_lists_are_read;
mod clock_changes;
mod database_failures;
mod database_link;
mod database_server;
mod delays_are_short;
mod deliveries_finish;
mod each_version_of_rocketchat;
mod events_appear_once;
mod events_are_stored_whatever_their_bytes_are;
mod every_match_pages;
mod forgotten_connections_are_replaced;
mod harness;
mod long_run;
mod lost_connections_are_explained;
mod measured_faults;
mod memory_is_bounded;
mod messages_that_appear_late_page;
mod names_that_people_see;
mod no_message_is_missed;
mod no_needless_second_page;
mod pairs_alert_once;
mod refused_replies_take_another_form;
mod rejected_replies_block_no_others;
mod reload_needs_no_restart;
mod renamed_rooms_stay_watched;
mod replicas_in_network_namespaces;
mod replicas_take_over;
mod requests_without_the_secret_are_refused;
mod room_changes_are_followed;
mod store_failures;
mod storms;
mod systemd_is_notified;
mod test_send;
mod texts_are_read_as_people_see_them;
mod the_log_follows_an_alert;
mod through_a_proxy;
mod waiting_alerts_follow_their_messages;
