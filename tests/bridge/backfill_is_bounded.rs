//! The cost of catching up depends on the number of new messages, and it looks back no further than configured.

use std::time::Duration;

use sandbox::rocketchat::{NewMessage, NewRoom, Room};

use crate::harness::Harness;

/// Rooms of the bot's beside #operations.
const ROOMS: usize = 30;

#[tokio::test]
async fn after_a_reconnect_only_rooms_with_changes_cost_calls() {
    let harness = Harness::new().await;
    let room = |at| NewRoom::channel(format!("room-{at}")).members([&harness.alice, &harness.bot]);
    let rooms: Vec<Room> = (0..ROOMS).map(|at| harness.chat.create_room(room(at)).unwrap()).collect();
    let bot = harness.start_bot().await;
    for room in &rooms {
        harness.chat.post(room, &harness.alice, "good morning").unwrap();
    }
    harness.flush().await;
    bot.wait_for_log(&["caught up"]).await;
    // Long enough for every room to be recorded as read, because the bot looks for late messages for a while.
    harness.chat.clock_forward(Duration::from_secs(600));
    harness.reconnect(&bot, || ()).await;
    let before = harness.chat.calls().len();
    harness
        .reconnect(&bot, || {
            for room in &rooms[..2] {
                harness.chat.post(room, &harness.alice, format!("SIGNL4 in {}", room.name)).unwrap();
            }
        })
        .await;
    harness.wait_for_texts(&["SIGNL4 in room-0", "SIGNL4 in room-1"]).await;
    let calls = harness.chat.calls().split_off(before);
    let read = calls.iter().filter(|call| call.route == "chat.syncMessages").count();
    assert_eq!(read, 2, "{calls:?}");
    let lists =
        calls.iter().filter(|call| call.route != "chat.syncMessages" && !call.route.contains("react"));
    assert!(lists.count() <= 8, "{calls:?}");
}

#[tokio::test]
async fn after_a_reconnect_only_channels_that_changed_are_read() {
    let mut harness = Harness::new().await;
    harness.watch(&["operations", "ops-*"]);
    let harness = harness.without_auto_join();
    for at in 0..250 {
        harness
            .chat
            .create_room(NewRoom::channel(format!("chatter-{at}")).members([&harness.alice]))
            .unwrap();
    }
    let room = |at| NewRoom::channel(format!("ops-{at}")).members([&harness.alice]);
    let rooms: Vec<Room> = (0..ROOMS).map(|at| harness.chat.create_room(room(at)).unwrap()).collect();
    let bot = harness.start_bot().await;
    bot.wait_for_log(&["caught up"]).await;
    let listed = harness.chat.calls_of("channels.list").len();
    assert!(listed >= 3, "the first list is whole: {listed}");
    harness.chat.clock_forward(Duration::from_secs(600));
    harness.reconnect(&bot, || ()).await;
    let before = harness.chat.calls().len();
    harness
        .reconnect(&bot, || {
            for room in &rooms[..2] {
                harness.chat.post(room, &harness.alice, format!("SIGNL4 in {}", room.name)).unwrap();
            }
        })
        .await;
    harness.wait_for_texts(&["SIGNL4 in ops-0", "SIGNL4 in ops-1"]).await;
    let calls = harness.chat.calls().split_off(before);
    let count = |route| calls.iter().filter(|call| call.route == route).count();
    assert_eq!(count("chat.syncMessages"), 2, "{calls:?}");
}

#[tokio::test]
async fn messages_older_than_catch_up_are_reported_once_and_do_not_alert() {
    let harness = Harness::new().await.with_catch_up("1h");
    let other = NewRoom::channel("other").members([&harness.alice, &harness.bot]);
    let other = harness.chat.create_room(other).unwrap();
    let bot = harness.start_bot().await;
    harness.flush().await;
    bot.wait_for_log(&["caught up"]).await;
    bot.kill().await;
    let old = harness.say("SIGNL4 three hours ago");
    harness.say("small talk");
    harness.chat.post(&other, &harness.alice, "SIGNL4 as long ago").unwrap();
    harness.chat.clock_forward(Duration::from_secs(3 * 3600));
    harness.say("SIGNL4 just now");
    // Changed recently, but as old as it is.
    harness.chat.react(&old, &harness.bob, ":eyes:").unwrap();
    let bot = harness.start_bot().await;
    harness.alert("SIGNL4 just now").await;
    bot.wait_for_log(&["caught up"]).await;
    harness.flush().await;
    assert_eq!(harness.pages(), ["SIGNL4 just now"]);
    const LOG_LINE: &str = "away for longer than rocketchat.catch_up";
    bot.wait_for_log(&[LOG_LINE]).await;
    harness.reconnect(&bot, || ()).await;
    harness.flush().await;
    let reported = (bot.count_in_log(&[LOG_LINE, r#""rooms":2"#]), bot.count_in_log(&[LOG_LINE]));
    assert_eq!(reported, (1, 1), "{}", bot.log());
}

#[tokio::test]
async fn with_catch_up_zero_no_room_is_read_and_missed_messages_do_not_alert() {
    let harness = Harness::new().await.with_catch_up("0s");
    let bot = harness.start_bot().await;
    harness.flush().await;
    bot.wait_for_log(&["caught up"]).await;
    bot.kill().await;
    let missed = NewMessage::text("SIGNL4 missed").at(harness.chat.now() - 5_000);
    let missed = harness.chat.post(&harness.room, &harness.alice, missed).unwrap();
    let bot = harness.start_bot().await;
    bot.wait_for_log(&["caught up"]).await;
    harness.chat.react(&missed, &harness.bob, ":eyes:").unwrap();
    harness.flush().await;
    assert!(harness.pages().is_empty(), "{:?}", harness.pages());
    assert!(harness.chat.calls_of("chat.syncMessages").is_empty());
}

#[tokio::test]
async fn more_messages_than_a_page_holds_are_read_page_by_page_from_old_and_new_servers() {
    for unpaged in [false, true] {
        let harness = Harness::new().await;
        harness.chat.faults().set(|switches| switches.unpaged_sync = unpaged);
        let bot = harness.start_bot().await;
        harness.flush().await;
        bot.kill().await;
        let now = harness.chat.now();
        for at in 0..250 {
            let text = if at % 50 == 0 { format!("SIGNL4 number {at}") } else { format!("small talk {at}") };
            // Many share a millisecond.
            harness
                .chat
                .post(&harness.room, &harness.alice, NewMessage::text(text).at(now + at / 100))
                .unwrap();
        }
        let _bot = harness.start_bot().await;
        let wanted: Vec<String> = (0..5).map(|at| format!("SIGNL4 number {}", at * 50)).collect();
        harness.wait_for_texts(&wanted.iter().map(String::as_str).collect::<Vec<_>>()).await;
        harness.flush().await;
        assert_eq!(harness.pages().len(), wanted.len(), "{:?}", harness.pages());
    }
}
