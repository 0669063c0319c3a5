//! Rooms that are joined, renamed, left, archived or deleted while the bot runs are followed without a restart.

use std::time::Duration;

use sandbox::rocketchat::{NewMessage, NewRoom, RestFault, RocketChat, Room};

use crate::harness::{Harness, SOON, fast_rounds};

/// A harness whose bot watches #operations, every room named ops-…, and the group "night".
async fn watching() -> Harness {
    let mut harness = Harness::new().await;
    harness.watch(&["operations", "ops-*", "night"]);
    harness.without_auto_join()
}

impl Harness {
    /// A message that is already a little old, so that a room that is watched from now on ignores it.
    fn say_earlier(&self, room: &Room, text: &str) {
        let written =
            NewMessage::text(text).at(self.chat.now() - 10_000).updated_at(self.chat.now() - 10_000);
        self.chat.post(room, &self.alice, written).unwrap();
    }

    /// Waits until the bot has looked this many more times for messages that the stream may have dropped.
    async fn wait_for_rounds(&self, more: usize) {
        let rounds = self.chat.calls_of("rooms.get").len() + more;
        let looked = |chat: &RocketChat| (chat.calls_of("rooms.get").len() > rounds).then_some(());
        self.chat.wait_for(SOON, looked).await.unwrap();
    }

    fn say_in(&self, room: &Room, text: &str) {
        self.chat.post(room, &self.alice, text).unwrap();
    }
}

#[tokio::test]
async fn a_room_renamed_into_a_pattern_is_watched_from_then_on() {
    let harness = watching().await;
    let room =
        harness.chat.create_room(NewRoom::group("dev").members([&harness.alice, &harness.bot])).unwrap();
    let _bot = harness.start_bot().await;
    harness.say_earlier(&room, "SIGNL4 before");
    harness.flush().await;
    harness.chat.rename(&room, "ops-dev").unwrap();
    harness.say_in(&room, "SIGNL4 after");
    harness.alert("SIGNL4 after").await;
    harness.flush().await;
    assert_eq!(harness.pages(), ["SIGNL4 after"]);
}

#[tokio::test]
async fn a_room_renamed_out_of_every_pattern_is_no_longer_watched() {
    let harness = watching().await;
    let room =
        harness.chat.create_room(NewRoom::group("ops-dev").members([&harness.alice, &harness.bot])).unwrap();
    let bot = harness.start_bot().await;
    // A round in progress reads the room by the name it had when the round began.
    bot.wait_for_log(&["caught up"]).await;
    harness.say_in(&room, "SIGNL4 before");
    harness.alert("SIGNL4 before").await;
    harness.chat.rename(&room, "dev").unwrap();
    harness.say_in(&room, "SIGNL4 between");
    harness.flush().await;
    bot.kill().await;
    // A room is watched from a little too early: the messages must be older than that.
    harness.chat.clock_forward(Duration::from_secs(60));
    harness.say_earlier(&room, "SIGNL4 while down");
    let _bot = harness.start_bot().await;
    harness.flush().await;
    harness.chat.rename(&room, "ops-dev").unwrap();
    harness.say_in(&room, "SIGNL4 after");
    harness.alert("SIGNL4 after").await;
    harness.flush().await;
    assert_eq!(harness.pages(), ["SIGNL4 before", "SIGNL4 after"]);
}

#[tokio::test]
async fn a_group_left_and_joined_again_alerts_on_nothing_in_between() {
    let harness = watching().await;
    let group =
        harness.chat.create_room(NewRoom::group("night").members([&harness.alice, &harness.bot])).unwrap();
    let _bot = harness.start_in_process(crate::harness::fast_rounds()).await;
    harness.say_in(&group, "SIGNL4 before");
    harness.alert("SIGNL4 before").await;
    harness.chat.kick(&group, &harness.bot, &harness.alice).unwrap();
    harness.flush().await;
    harness.say_earlier(&group, "SIGNL4 among ourselves");
    harness.chat.join(&group, &harness.bot).unwrap();
    harness.say_in(&group, "SIGNL4 after");
    harness.alert("SIGNL4 after").await;
    let rounds = harness.chat.calls_of("rooms.get").len();
    // The room has new messages, so the next rounds read it.
    let read =
        harness.chat.wait_for(SOON, |chat| (chat.calls_of("rooms.get").len() > rounds + 3).then_some(()));
    tokio::join!(async { read.await.unwrap() }, async {
        for _ in 0..10 {
            harness.flush().await;
        }
    });
    assert_eq!(harness.pages(), ["SIGNL4 before", "SIGNL4 after"]);
}

#[tokio::test]
async fn a_room_joined_while_running_is_watched_at_once_and_backfilled_after_an_outage() {
    let harness = watching().await;
    let bot = harness.start_bot().await;
    let room = harness.chat.create_room(NewRoom::group("ops-new").members([&harness.alice])).unwrap();
    harness.say_earlier(&room, "SIGNL4 before the invitation");
    harness.chat.join(&room, &harness.bot).unwrap();
    harness.say_in(&room, "SIGNL4 at once");
    harness.alert("SIGNL4 at once").await;
    harness.flush().await;
    bot.kill().await;
    harness.say_in(&room, "SIGNL4 while down");
    let _bot = harness.start_bot().await;
    harness.alert("SIGNL4 while down").await;
    harness.flush().await;
    assert_eq!(harness.pages(), ["SIGNL4 at once", "SIGNL4 while down"]);
}

#[tokio::test]
async fn a_room_joined_while_down_alerts_on_messages_since_then() {
    let harness = watching().await;
    let bot = harness.start_bot().await;
    harness.flush().await;
    // The rooms are recorded as read up to a little before now; the invitation comes later.
    bot.wait_for_log(&["caught up"]).await;
    bot.kill().await;
    let room = harness.chat.create_room(NewRoom::group("ops-new").members([&harness.alice])).unwrap();
    harness.say_earlier(&room, "SIGNL4 before the invitation");
    harness.chat.join(&room, &harness.bot).unwrap();
    harness.say_in(&room, "SIGNL4 since");
    let _bot = harness.start_bot().await;
    harness.alert("SIGNL4 since").await;
    harness.flush().await;
    assert_eq!(harness.pages(), ["SIGNL4 since"]);
}

#[tokio::test]
async fn a_deleted_or_archived_room_affects_no_other_even_after_a_restart() {
    let harness = watching().await;
    let members = [&harness.alice, &harness.bot];
    let gone = harness.chat.create_room(NewRoom::channel("ops-gone").members(members)).unwrap();
    let shelved = harness.chat.create_room(NewRoom::channel("ops-shelved").members(members)).unwrap();
    let bot = harness.start_bot().await;
    for room in [&gone, &shelved] {
        harness.say_in(room, &format!("SIGNL4 in {}", room.name));
    }
    harness.wait_for_texts(&["SIGNL4 in ops-gone", "SIGNL4 in ops-shelved"]).await;
    harness.chat.delete_room(&gone).unwrap();
    harness.chat.set_archived(&shelved, true).unwrap();
    harness.flush().await;
    bot.kill().await;
    harness.say("SIGNL4 while down");
    let mut bot = harness.start_bot().await;
    harness.alert("SIGNL4 while down").await;
    harness.chat.set_archived(&shelved, false).unwrap();
    harness.say_in(&shelved, "SIGNL4 taken up again");
    harness.alert("SIGNL4 taken up again").await;
    harness.flush().await;
    assert_eq!(harness.pages().len(), 4, "{:?}", harness.pages());
    bot.assert_runs();
}

#[tokio::test]
async fn a_room_that_the_server_will_not_look_up_after_a_restart_loses_nothing() {
    let mut harness = Harness::new().await.with_fast_tempo().without_auto_join();
    harness.watch(&["operations", "plaza"]);
    let plaza = harness.chat.create_room(NewRoom::channel("plaza").members([&harness.alice])).unwrap();
    let bot = harness.start_bot().await;
    harness.say_in(&plaza, "SIGNL4 one");
    bot.wait_for_log(&["alert sent"]).await;
    bot.kill().await;
    harness.say_in(&plaza, "SIGNL4 two");
    // So that it is from well before the sessions that follow.
    harness.chat.clock_forward(std::time::Duration::from_secs(60));
    harness.chat.faults().rest_always("rooms.info", RestFault::status(400));
    let bot = harness.start_bot().await;
    bot.wait_for_log(&["caught up"]).await;
    bot.kill().await;
    harness.chat.faults().clear();
    let _bot = harness.start_bot().await;
    harness.alert("SIGNL4 two").await;
    assert_eq!(harness.texts(), ["SIGNL4 one", "SIGNL4 two"]);
}

#[tokio::test]
async fn a_channel_created_while_down_alerts_on_its_messages() {
    let mut harness = Harness::new().await;
    harness.watch(&["operations", "ops-*"]);
    let bot = harness.start_bot().await;
    harness.flush().await;
    bot.wait_for_log(&["caught up"]).await;
    bot.kill().await;
    let room = harness.chat.create_room(NewRoom::channel("ops-new").members([&harness.alice])).unwrap();
    harness.say_in(&room, "SIGNL4 in the new channel");
    // So that it is from well before the next session.
    harness.chat.clock_forward(Duration::from_secs(60));
    let _bot = harness.start_bot().await;
    harness.alert("SIGNL4 in the new channel").await;
    harness.flush().await;
    assert_eq!(harness.pages(), ["SIGNL4 in the new channel"]);
}

/// Because of a message that the stream delivers before the rooms are listed, the bot joins the channel.
#[tokio::test]
async fn a_reload_before_the_room_list_hides_no_message_of_a_room_created_while_down() {
    let harness = Harness::new().await;
    let bot = harness.start_bot().await;
    bot.wait_for_log(&["caught up"]).await;
    bot.kill().await;
    let members = [&harness.alice, &harness.bot];
    let room = harness.chat.create_room(NewRoom::group("new").members(members)).unwrap();
    harness.say_in(&room, "SIGNL4 in the new room");
    harness.chat.clock_forward(Duration::from_secs(600));
    harness.chat.faults().rest_always("rooms.get", RestFault::Slow(Duration::from_secs(2)));
    let bot = harness.spawn_bot();
    bot.wait_for_log(&["connected; reading missed messages"]).await;
    bot.reload().await;
    harness.alert("SIGNL4 in the new room").await;
}

#[tokio::test]
async fn a_channel_created_while_down_and_joined_before_it_is_listed_loses_nothing() {
    for watched in ["ops-*", "ops-new"] {
        let mut harness = Harness::new().await;
        harness.watch(&["operations", watched]);
        let bot = harness.start_bot().await;
        bot.wait_for_log(&["caught up"]).await;
        bot.kill().await;
        let room = harness.chat.create_room(NewRoom::channel("ops-new").members([&harness.alice])).unwrap();
        harness.say_in(&room, "SIGNL4 before anybody listened");
        harness.chat.clock_forward(Duration::from_secs(60));
        let slow = RestFault::Slow(Duration::from_secs(2));
        harness.chat.faults().rest_always("rooms.get", slow);
        let bot = harness.spawn_bot();
        bot.wait_for_log(&["connected; reading missed messages"]).await;
        harness.say_in(&room, "SIGNL4 by the stream");
        bot.wait_for_log(&["joined a watched channel"]).await;
        harness.wait_for_texts(&["SIGNL4 by the stream", "SIGNL4 before anybody listened"]).await;
    }
}

#[tokio::test]
async fn a_channel_created_while_down_and_announced_to_a_later_bot_loses_nothing() {
    let mut harness = Harness::new().await.with_fast_tempo();
    harness.watch(&["operations", "ops-*"]);
    let bot = harness.start_bot().await;
    bot.wait_for_log(&["caught up"]).await;
    bot.kill().await;
    let room = harness.chat.create_room(NewRoom::channel("ops-new").members([&harness.alice])).unwrap();
    harness.say_in(&room, "SIGNL4 in the new channel");
    // So that it is from well before the sessions that follow.
    harness.chat.clock_forward(Duration::from_secs(60));
    harness.chat.faults().rest_always("channels.list", RestFault::status(503));
    let bot = harness.start_bot().await;
    bot.wait_for_log(&["caught up"]).await;
    // Another write follows the one that records what is settled.
    harness.flush().await;
    bot.kill().await;
    harness.chat.clock_forward(Duration::from_secs(60));
    harness.chat.faults().clear();
    let _bot = harness.start_bot().await;
    harness.alert("SIGNL4 in the new channel").await;
}

#[tokio::test]
async fn a_channel_missing_from_the_stream_is_found_and_read_within_a_round() {
    let harness = watching().await;
    let _bot = harness.start_in_process(fast_rounds()).await;
    harness.flush().await;
    harness.wait_for_rounds(1).await;
    harness.chat.faults().set(|switches| switches.withhold_messages = true);
    let room = harness.chat.create_room(NewRoom::channel("ops-new").members([&harness.alice])).unwrap();
    harness.say_in(&room, "SIGNL4 in the new channel");
    harness.alert("SIGNL4 in the new channel").await;
    harness.say_in(&room, "SIGNL4 again");
    harness.alert("SIGNL4 again").await;
}

#[tokio::test]
async fn a_channel_renamed_out_of_a_pattern_while_disconnected_is_no_longer_watched() {
    let harness = watching().await;
    let room = harness.chat.create_room(NewRoom::channel("ops-old").members([&harness.alice])).unwrap();
    let _bot = harness.start_in_process(fast_rounds()).await;
    harness.flush().await;
    harness.wait_for_rounds(1).await;
    harness.chat.faults().set(|switches| switches.withhold_messages = true);
    harness.chat.rename(&room, "lounge").unwrap();
    harness.wait_for_rounds(2).await;
    harness.say_in(&room, "SIGNL4 in the lounge");
    harness.say_in(&harness.room, "SIGNL4 in operations");
    harness.wait_for_rounds(2).await;
    harness.alert("SIGNL4 in operations").await;
    assert_eq!(harness.pages(), ["SIGNL4 in operations"]);
}

#[tokio::test]
async fn a_rename_found_by_a_round_before_the_stream_pages_no_earlier_message() {
    let harness = watching().await;
    let room =
        harness.chat.create_room(NewRoom::group("dev").members([&harness.alice, &harness.bot])).unwrap();
    let _bot = harness.start_in_process(crate::harness::fast_rounds()).await;
    harness.flush().await;
    let before = harness.chat.post(&room, &harness.alice, "SIGNL4 before").unwrap();
    harness.flush().await;
    // A room is watched from two seconds before the last round, because clocks differ. So only an older message can show the
    // difference. Setting the clock forward would not help, because the start of the session moves with it.
    harness.wait_until_past(&before, Duration::from_secs(5)).await;
    harness.wait_for_rounds(2).await;
    harness.chat.faults().set(|switches| switches.stall = true);
    harness.chat.rename(&room, "ops-dev").unwrap();
    harness.say_in(&room, "SIGNL4 after");
    harness.alert("SIGNL4 after").await;
    harness.wait_for_rounds(3).await;
    assert_eq!(harness.pages(), ["SIGNL4 after"]);
}

#[tokio::test]
async fn a_room_renamed_into_a_pattern_while_disconnected_is_watched_since_the_last_list() {
    let harness = watching().await;
    let members = [&harness.alice, &harness.bot];
    let own = harness.chat.create_room(NewRoom::group("dev").members(members)).unwrap();
    let public = harness.chat.create_room(NewRoom::channel("lounge").members([&harness.alice])).unwrap();
    for room in [&own, &public] {
        harness.say_in(room, "SIGNL4 before");
    }
    harness.chat.clock_forward(Duration::from_secs(600));
    let bot = harness.start_bot().await;
    bot.wait_for_log(&["caught up"]).await;
    harness.chat.faults().set(|switches| switches.refuse_connections = true);
    harness.chat.faults().cut_connections();
    bot.wait_for_log(&["no realtime session"]).await;
    harness.chat.rename(&own, "ops-dev").unwrap();
    harness.chat.rename(&public, "ops-lounge").unwrap();
    harness.say_in(&own, "SIGNL4 in the group");
    let last = harness.chat.post(&public, &harness.alice, "SIGNL4 in the channel").unwrap();
    // So that both are from well before the next session.
    harness.wait_until_past(&last, Duration::from_secs(5)).await;
    harness.chat.faults().set(|switches| switches.refuse_connections = false);
    harness.wait_for_texts(&["SIGNL4 in the group", "SIGNL4 in the channel"]).await;
    harness.flush().await;
    assert_eq!(harness.pages().len(), 2, "{:?}", harness.pages());
}
