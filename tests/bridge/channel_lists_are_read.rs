//! Channels that the bot is not in appear in the list of channels, the most recently changed first. Whatever hides a
//! channel from the bot's reading of that list, no message in it is skipped, and no message from before it was watched
//! pages.

use std::time::Duration;

use sandbox::rocketchat::{Call, NewRoom, RestFault, RocketChat, Room};
use signl4_rocketchat::bot::Tempo;

use crate::harness::{Harness, SOON, fast_rounds};

const MINUTE: Duration = Duration::from_secs(60);
/// More channels than fit on two pages of the list.
const CHANNELS: usize = 250;

/// A harness whose bot watches #operations and every channel named ops-…, without joining them.
async fn listening() -> Harness {
    let mut harness = Harness::new().await;
    harness.watch(&["operations", "ops-*"]);
    harness.without_auto_join()
}

/// Rounds that are some seconds apart.
fn slow_rounds() -> Tempo {
    let every = Duration::from_secs(4);
    Tempo { look_again: every, search_again: every, ..Tempo::default() }
}

impl Harness {
    fn channel(&self, name: &str) -> Room {
        self.chat.create_room(NewRoom::channel(name).members([&self.alice])).unwrap()
    }

    fn chatter(&self) -> Vec<Room> {
        (0..CHANNELS).map(|at| self.channel(&format!("chatter-{at}"))).collect()
    }

    fn write(&self, room: &Room, text: &str) {
        self.chat.post(room, &self.alice, text).unwrap();
    }

    fn listed(&self) -> usize {
        self.chat.calls_of("channels.list").len()
    }

    async fn wait_for_lists(&self, more: usize) {
        let wanted = self.listed() + more;
        let listed = |chat: &RocketChat| (chat.calls_of("channels.list").len() >= wanted).then_some(());
        self.chat.wait_for(SOON, listed).await.unwrap();
    }
}

#[tokio::test]
async fn a_refused_list_or_lookup_skips_no_message() {
    for (watched, route) in [("ops-*", "channels.list"), ("ops-1", "rooms.info")] {
        let mut harness = Harness::new().await.with_fast_tempo();
        harness.watch(&["operations", watched]);
        let harness = harness.without_auto_join();
        let room = harness.channel("ops-1");
        let bot = harness.start_bot().await;
        bot.wait_for_log(&["caught up"]).await;
        // Long ago, so that reports from then do not count as new.
        harness.chat.clock_forward(10 * MINUTE);
        harness.reconnect(&bot, || ()).await;
        harness.chat.faults().rest_always(route, RestFault::status(400));
        harness
            .reconnect(&bot, || {
                harness.write(&room, "SIGNL4 while it was away");
                harness.chat.clock_forward(10 * MINUTE);
            })
            .await;
        harness.chat.faults().clear_rest();
        harness.reconnect(&bot, || ()).await;
        harness.alert("SIGNL4 while it was away").await;
    }
}

#[tokio::test]
async fn a_room_that_is_newly_named_pages_no_old_message_also_if_the_list_is_always_refused() {
    let mut harness = Harness::new().await.with_fast_tempo();
    harness.watch(&["zzz-*"]);
    harness.chat.faults().rest_always("channels.list", RestFault::forbidden());
    // The room existed long before.
    harness.chat.clock_forward(10 * MINUTE);
    let bot = harness.start_bot().await;
    bot.wait_for_log(&["caught up"]).await;
    harness.say("SIGNL4 before the room was watched");
    harness.chat.clock_forward(10 * MINUTE);
    bot.kill().await;
    harness.reconfigure("");
    harness.watch(&["zzz-*", "operations"]);
    let bot = harness.start_bot().await;
    bot.wait_for_log(&["caught up"]).await;
    harness.say("SIGNL4 now");
    harness.alert("SIGNL4 now").await;
    assert_eq!(harness.pages(), ["SIGNL4 now"]);
}

#[tokio::test]
async fn a_server_clock_set_back_ends_no_list_too_early() {
    let harness = listening().await;
    let room = harness.channel("ops-1");
    let chatter = harness.chatter();
    let bot = harness.start_bot().await;
    bot.wait_for_log(&["caught up"]).await;
    harness.chat.clock_forward(180 * MINUTE);
    for other in &chatter {
        harness.write(other, "small talk");
    }
    harness.chat.clock_forward(10 * MINUTE);
    harness.reconnect(&bot, || ()).await;
    // The bot learns the time, and does not read the channel for some minutes.
    harness.chat.clock_forward(5 * MINUTE);
    harness.chat.faults().rest_always("channels.list", RestFault::status(400));
    harness.chat.faults().rest_always_in(&room, "chat.syncMessages", RestFault::status(400));
    harness.reconnect(&bot, || ()).await;
    harness.chat.faults().clear_rest();
    harness
        .reconnect(&bot, || {
            harness.chat.clock_back(60 * MINUTE);
            harness.write(&room, "SIGNL4 by another time");
            harness.chat.clock_forward(2 * MINUTE);
        })
        .await;
    harness.alert("SIGNL4 by another time").await;
}

#[tokio::test]
async fn a_channel_that_changes_during_paging_is_still_read() {
    let harness = listening().await;
    let room = harness.channel("ops-1");
    let chatter = harness.chatter();
    let bot = harness.start_bot().await;
    bot.wait_for_log(&["caught up"]).await;
    harness.chat.clock_forward(10 * MINUTE);
    harness.reconnect(&bot, || ()).await;
    harness.chat.faults().rest_next("channels.list", 1, RestFault::Slow(Duration::from_secs(2)));
    let missed = || {
        harness.write(&room, "SIGNL4 while it was away");
        harness.chat.clock_forward(5 * MINUTE);
        for other in &chatter {
            harness.write(other, "small talk");
        }
        harness.chat.clock_forward(MINUTE);
    };
    tokio::join!(harness.reconnect(&bot, missed), async {
        harness.wait_for_lists(1).await;
        // It was on the second page, and is on the first now.
        harness.write(&room, "SIGNL4 between the pages");
    });
    harness.wait_for_texts(&["SIGNL4 while it was away", "SIGNL4 between the pages"]).await;
}

#[tokio::test]
async fn a_channel_that_a_round_finds_and_joins_is_read_by_it() {
    let mut harness = Harness::new().await;
    harness.watch(&["operations", "ops-*"]);
    let _bot = harness.start_in_process(slow_rounds()).await;
    harness.wait_for_lists(2).await;
    harness.chat.faults().set(|switches| switches.withhold_messages = true);
    let room = harness.channel("ops-new");
    harness.write(&room, "SIGNL4 in the new channel");
    // Nearly as long as the time between two rounds.
    harness.chat.clock_forward(MINUTE - Duration::from_secs(10));
    harness.alert("SIGNL4 in the new channel").await;
}

#[tokio::test]
async fn messages_dropped_in_joined_rooms_do_not_wait_for_the_channel_list() {
    let harness = listening().await;
    let _bot = harness.start_in_process(slow_rounds()).await;
    // Right after it the next round is some seconds away.
    harness.wait_for_lists(2).await;
    harness.chat.faults().set(|switches| switches.withhold_messages = true);
    harness.chat.faults().rest_always("channels.list", RestFault::NoAnswer);
    harness.say("SIGNL4 in operations");
    harness.alert("SIGNL4 in operations").await;
}

#[tokio::test]
async fn a_channel_renamed_into_a_pattern_is_watched_since_the_last_round() {
    let harness = listening().await;
    let _bot = harness.start_in_process(fast_rounds()).await;
    harness.wait_for_lists(2).await;
    harness.chat.faults().set(|switches| switches.withhold_messages = true);
    harness.chat.clock_forward(MINUTE);
    let room = harness.channel("lounge");
    harness.write(&room, "SIGNL4 before");
    harness.chat.clock_forward(5 * MINUTE);
    harness.wait_for_lists(2).await;
    harness.chat.rename(&room, "ops-new").unwrap();
    harness.write(&room, "SIGNL4 after");
    harness.alert("SIGNL4 after").await;
    harness.wait_for_lists(2).await;
    harness.flush().await;
    assert_eq!(harness.pages(), ["SIGNL4 after"]);
}

#[tokio::test]
async fn an_unreadable_channel_is_requested_once_per_session() {
    let harness = listening().await;
    let room = harness.channel("ops-1");
    harness.chat.faults().rest_always_in(&room, "chat.syncMessages", RestFault::forbidden());
    let _bot = harness.start_in_process(fast_rounds()).await;
    harness.write(&room, "good morning");
    harness.wait_for_lists(6).await;
    let refused = |call: &Call| call.status == Some(403);
    assert_eq!(harness.chat.calls().iter().filter(|call| refused(call)).count(), 1);
}

#[tokio::test]
async fn a_channel_that_is_refused_without_a_code_is_read_again() {
    let harness = listening().await;
    let room = harness.channel("ops-1");
    let _bot = harness.start_in_process(fast_rounds()).await;
    harness.flush().await;
    harness.chat.faults().set(|switches| switches.withhold_messages = true);
    harness.chat.faults().rest_always_in(&room, "chat.syncMessages", RestFault::status(400));
    harness.write(&room, "SIGNL4 while the database fails");
    harness.wait_for_lists(3).await;
    harness.chat.faults().clear_rest();
    harness.alert("SIGNL4 while the database fails").await;
}

#[tokio::test]
async fn an_archived_channel_is_warned_of_once() {
    let harness = listening().await;
    let room = harness.channel("ops-old");
    harness.chat.set_archived(&room, true).unwrap();
    harness.chat.clock_forward(10 * MINUTE);
    let bot = harness.start_bot().await;
    bot.wait_for_log(&["caught up"]).await;
    harness.chat.clock_forward(10 * MINUTE);
    harness.reconnect(&bot, || ()).await;
    harness.reconnect(&bot, || ()).await;
    assert!(harness.listed() >= 3);
    assert_eq!(bot.count_in_log(&["a watched room is archived"]), 1, "{}", bot.log());
}

#[tokio::test]
async fn a_named_room_that_the_server_does_not_describe_makes_no_old_message_page() {
    let mut harness = Harness::new().await;
    let archived = harness.channel("closed");
    harness.chat.set_archived(&archived, true).unwrap();
    let known = NewRoom::group("incidents").members([&harness.alice, &harness.bot]);
    let known = harness.chat.create_room(known).unwrap();
    harness.watch(&["operations", "closed"]);
    let bot = harness.start_bot().await;
    bot.wait_for_log(&["caught up"]).await;
    harness.write(&known, "SIGNL4 before it was watched");
    harness.chat.clock_forward(10 * MINUTE);
    harness.reconnect(&bot, || ()).await;
    bot.kill().await;
    harness.reconfigure("");
    harness.watch(&["operations", "incidents", "closed"]);
    let bot = harness.start_bot().await;
    bot.wait_for_log(&["caught up"]).await;
    harness.write(&known, "SIGNL4 since then");
    harness.alert("SIGNL4 since then").await;
    harness.flush().await;
    assert_eq!(harness.pages(), ["SIGNL4 since then"]);
}
