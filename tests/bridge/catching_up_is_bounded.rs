//! Catching up costs what there is to read, and looks back no further than it is told to.

use std::time::Duration;

use sandbox::rocketchat::{NewMessage, NewRoom, Room};

use crate::stage::Stage;

/// Rooms of the bot's beside #operations.
const ROOMS: usize = 30;

#[tokio::test]
async fn the_calls_after_a_reconnect_follow_the_rooms_with_news_and_not_the_rooms() {
    let stage = Stage::set().await;
    let room = |at| NewRoom::channel(format!("room-{at}")).members([&stage.alice, &stage.bot]);
    let rooms: Vec<Room> = (0..ROOMS).map(|at| stage.chat.create_room(room(at)).unwrap()).collect();
    let bot = stage.start().await;
    for room in &rooms {
        stage.chat.post(room, &stage.alice, "good morning").unwrap();
    }
    stage.flush().await;
    bot.wait_for_log(&["caught up"]).await;
    // Long enough for every room to be noted as read: what comes late is looked for a while.
    stage.chat.clock_forward(Duration::from_secs(600));
    stage.reconnect(&bot, || ()).await;
    let before = stage.chat.calls().len();
    stage
        .reconnect(&bot, || {
            for room in &rooms[..2] {
                stage.chat.post(room, &stage.alice, format!("SIGNL4 in {}", room.name)).unwrap();
            }
        })
        .await;
    stage.wait_for_texts(&["SIGNL4 in room-0", "SIGNL4 in room-1"]).await;
    let calls = stage.chat.calls().split_off(before);
    let read = calls.iter().filter(|call| call.route == "chat.syncMessages").count();
    assert_eq!(read, 2, "{calls:?}");
    let lists =
        calls.iter().filter(|call| call.route != "chat.syncMessages" && !call.route.contains("react"));
    assert!(lists.count() <= 8, "{calls:?}");
}

#[tokio::test]
async fn after_a_reconnect_only_channels_that_changed_are_listed_and_read() {
    let mut stage = Stage::set().await;
    stage.watch(&["operations", "ops-*"]);
    let stage = stage.without_joining();
    for at in 0..250 {
        stage.chat.create_room(NewRoom::channel(format!("chatter-{at}")).members([&stage.alice])).unwrap();
    }
    let room = |at| NewRoom::channel(format!("ops-{at}")).members([&stage.alice]);
    let rooms: Vec<Room> = (0..ROOMS).map(|at| stage.chat.create_room(room(at)).unwrap()).collect();
    let bot = stage.start().await;
    bot.wait_for_log(&["caught up"]).await;
    let listed = stage.chat.calls_of("channels.list").len();
    assert!(listed >= 3, "the first list is whole: {listed}");
    stage.chat.clock_forward(Duration::from_secs(600));
    stage.reconnect(&bot, || ()).await;
    let before = stage.chat.calls().len();
    stage
        .reconnect(&bot, || {
            for room in &rooms[..2] {
                stage.chat.post(room, &stage.alice, format!("SIGNL4 in {}", room.name)).unwrap();
            }
        })
        .await;
    stage.wait_for_texts(&["SIGNL4 in ops-0", "SIGNL4 in ops-1"]).await;
    let calls = stage.chat.calls().split_off(before);
    let count = |route| calls.iter().filter(|call| call.route == route).count();
    assert_eq!((count("channels.list"), count("chat.syncMessages")), (1, 2), "{calls:?}");
}

#[tokio::test]
async fn what_is_older_than_the_look_back_is_counted_and_told_of_once_and_alerts_not() {
    let stage = Stage::set().await.looking_back("1h");
    let other = NewRoom::channel("other").members([&stage.alice, &stage.bot]);
    let other = stage.chat.create_room(other).unwrap();
    let bot = stage.start().await;
    stage.flush().await;
    bot.wait_for_log(&["caught up"]).await;
    bot.kill().await;
    let old = stage.say("SIGNL4 three hours ago");
    stage.say("small talk");
    stage.chat.post(&other, &stage.alice, "SIGNL4 as long ago").unwrap();
    stage.chat.clock_forward(Duration::from_secs(3 * 3600));
    stage.say("SIGNL4 just now");
    // Changed lately, and yet as old as it is.
    stage.chat.react(&old, &stage.bob, ":eyes:").unwrap();
    let bot = stage.start().await;
    stage.alert("SIGNL4 just now").await;
    bot.wait_for_log(&["caught up"]).await;
    stage.flush().await;
    assert_eq!(stage.pages(), ["SIGNL4 just now"]);
    const TOLD: &str = "away for longer than rocketchat.catch_up";
    bot.wait_for_log(&[TOLD]).await;
    stage.reconnect(&bot, || ()).await;
    stage.flush().await;
    let counted = [TOLD, r#""rooms":2"#, r#""messages":3"#, r#""matching":2"#, r#""all_counted":true"#];
    assert_eq!((bot.count_in_log(&counted), bot.count_in_log(&[TOLD])), (1, 1), "{}", bot.log());
}

/// What a round reads only for a number takes no calls from the rooms that have news.
#[tokio::test]
async fn no_more_than_some_pages_are_read_only_to_count() {
    let stage = Stage::set().await.looking_back("1h");
    let bot = stage.start().await;
    stage.flush().await;
    bot.wait_for_log(&["caught up"]).await;
    bot.kill().await;
    for at in 0..700 {
        stage.say(&format!("small talk {at}"));
        stage.chat.clock_forward(Duration::from_secs(1));
    }
    stage.chat.clock_forward(Duration::from_secs(3 * 3600));
    let before = stage.chat.calls_of("chat.syncMessages").len();
    let bot = stage.start().await;
    bot.wait_for_log(&["away for longer than rocketchat.catch_up", r#""all_counted":false"#]).await;
    let read = stage.chat.calls_of("chat.syncMessages").len() - before;
    assert_eq!(read, 6, "one for what may alert, and five to count");
}

#[tokio::test]
async fn without_a_look_back_nothing_that_was_missed_alerts_and_no_room_is_read() {
    let stage = Stage::set().await.looking_back("0s");
    let bot = stage.start().await;
    stage.flush().await;
    bot.wait_for_log(&["caught up"]).await;
    bot.kill().await;
    let missed = NewMessage::text("SIGNL4 missed").at(stage.chat.now() - 5_000);
    let missed = stage.chat.post(&stage.room, &stage.alice, missed).unwrap();
    let bot = stage.start().await;
    bot.wait_for_log(&["caught up"]).await;
    stage.chat.react(&missed, &stage.bob, ":eyes:").unwrap();
    stage.flush().await;
    assert!(stage.pages().is_empty(), "{:?}", stage.pages());
    assert!(stage.chat.calls_of("chat.syncMessages").is_empty());
}

#[tokio::test]
async fn more_messages_than_a_page_holds_are_read_page_by_page_by_old_servers_and_new_ones() {
    for unpaged in [false, true] {
        let stage = Stage::set().await;
        stage.chat.faults().set(|switches| switches.unpaged_sync = unpaged);
        let bot = stage.start().await;
        stage.flush().await;
        bot.kill().await;
        let now = stage.chat.now();
        for at in 0..250 {
            let text = if at % 50 == 0 { format!("SIGNL4 number {at}") } else { format!("small talk {at}") };
            // Many share a millisecond.
            stage.chat.post(&stage.room, &stage.alice, NewMessage::text(text).at(now + at / 100)).unwrap();
        }
        let _bot = stage.start().await;
        let wanted: Vec<String> = (0..5).map(|at| format!("SIGNL4 number {}", at * 50)).collect();
        stage.wait_for_texts(&wanted.iter().map(String::as_str).collect::<Vec<_>>()).await;
        stage.flush().await;
        assert_eq!(stage.pages().len(), wanted.len(), "{:?}", stage.pages());
    }
}
