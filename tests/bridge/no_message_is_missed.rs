//! Promise 1 despite failures on the way in: temporary refusals, a store that cannot be written for a while, and
//! events that arrive out of order when a room first appears.

use std::time::Duration;

use sandbox::rocketchat::{NewMessage, NewRoom, RestFault, RocketChat};
use serde_json::json;
use signl4_rocketchat::bot::Tempo;

use crate::harness::{Harness, SOON, fast, fast_rounds};

#[tokio::test]
async fn a_room_list_refused_after_a_restart_skips_no_message() {
    let harness = Harness::new().await.with_fast_tempo();
    harness.chat.store_last_message(false);
    let bot = harness.start_bot().await;
    harness.flush().await;
    bot.kill().await;
    harness.say("SIGNL4 nobody listens");
    // The error of a server whose database is changing its primary.
    harness.chat.faults().rest_next("rooms.get", 1, RestFault::status(400));
    let _bot = harness.start_bot().await;
    harness.alert("SIGNL4 nobody listens").await;
}

#[tokio::test]
async fn a_gateway_that_answers_for_the_server_does_not_end_the_membership_of_all_rooms() {
    let harness = Harness::new().await;
    harness.chat.store_last_message(false);
    let tempo = Tempo { poll_after: Duration::from_secs(1), ..fast_rounds() };
    let _bot = harness.start_in_process(tempo).await;
    harness.flush().await;
    let body = r#"{"status":"maintenance"}"#.to_owned();
    let maintenance = RestFault::Answer { status: 200, content_type: "application/json", body };
    harness.chat.faults().rest_always("*", maintenance);
    harness.chat.faults().set(|switches| switches.refuse_websockets = true);
    harness.chat.faults().cut_connections();
    harness.say("SIGNL4 during the maintenance");
    // Long enough ago that the room is not read again for being new.
    harness.chat.clock_forward(Duration::from_secs(300));
    let so_far = harness.chat.calls_of("rooms.get").len();
    let listed = |chat: &RocketChat| (chat.calls_of("rooms.get").len() > so_far + 2).then_some(());
    harness.chat.wait_for(SOON, listed).await.unwrap();
    harness.chat.faults().clear();
    harness.alert("SIGNL4 during the maintenance").await;
}

#[tokio::test]
async fn a_room_that_was_not_read_is_read_later_and_its_cursor_stays_behind() {
    let harness = Harness::new().await;
    harness.chat.store_last_message(false);
    let _bot = harness.start_in_process(fast_rounds()).await;
    harness.flush().await;
    harness.chat.faults().set(|switches| switches.refuse_connections = true);
    harness.chat.faults().cut_connections();
    harness.say("SIGNL4 the line is dead");
    // Long enough ago that the following rounds do not read the room for another reason.
    harness.chat.clock_forward(Duration::from_secs(300));
    harness.chat.faults().rest_next("chat.syncMessages", 2, RestFault::status(400));
    harness.chat.faults().set(|switches| switches.refuse_connections = false);
    harness.alert("SIGNL4 the line is dead").await;
}

#[tokio::test]
async fn a_room_announced_before_its_first_message_is_watched_from_the_sessions_start() {
    let harness = Harness::new().await;
    harness.chat.faults().rest_always("rooms.get", RestFault::status(503));
    let _bot = harness.start_bot().await;
    let room = json!({"_id": harness.room.id, "t": "c", "name": "operations",
                      "_updatedAt": {"$date": harness.chat.now()}});
    let frame = json!({"msg": "changed", "collection": "stream-notify-user", "id": "id", "fields": {
        "eventName": format!("{}/rooms-changed", harness.bot.id), "args": ["updated", room]}});
    harness.chat.send_raw_to_all(&frame.to_string());
    let written = NewMessage::text("SIGNL4 right at the start").at(harness.chat.now() - 1_500);
    harness.chat.post(&harness.room, &harness.alice, written).unwrap();
    harness.alert("SIGNL4 right at the start").await;
}

#[tokio::test]
async fn a_missed_message_pages_even_if_a_later_one_arrives_before_the_room_list() {
    let harness = Harness::new().await;
    harness.chat.faults().rest_always("rooms.get", RestFault::status(503));
    let bot = harness.start_bot().await;
    harness.chat.faults().set(|switches| switches.refuse_connections = true);
    harness.chat.faults().cut_connections();
    bot.wait_for_log(&["no realtime session"]).await;
    let written = NewMessage::text("SIGNL4 missed").at(harness.chat.now());
    harness.chat.post(&harness.room, &harness.alice, written).unwrap();
    // So that it is from well before the second session.
    harness.chat.clock_forward(Duration::from_secs(60));
    harness.chat.faults().set(|switches| switches.refuse_connections = false);
    bot.wait_for_logs(2, &["connected; reading missed messages"]).await;
    harness.flush().await;
    harness.chat.faults().clear_rest();
    harness.alert("SIGNL4 missed").await;
}

#[tokio::test]
async fn the_first_messages_of_a_channel_page_in_reverse_order_too() {
    let mut harness = Harness::new().await;
    harness.watch(&["operations", "new"]);
    let harness = harness.without_auto_join();
    let _bot = harness.start_bot().await;
    harness.flush().await;
    let room = harness.chat.create_room(NewRoom::channel("new").members([&harness.alice])).unwrap();
    harness.chat.faults().set(|switches| switches.reverse_messages = true);
    let now = harness.chat.now();
    for (text, at) in [("SIGNL4 one", now - 500), ("SIGNL4 two", now)] {
        harness.chat.post(&room, &harness.alice, NewMessage::text(text).at(at)).unwrap();
    }
    harness.wait_for_texts(&["SIGNL4 one", "SIGNL4 two"]).await;
}

#[tokio::test]
async fn while_the_store_takes_no_writes_nothing_becomes_too_old() {
    let harness = Harness::new().await.with_fast_tempo().with_catch_up("2s");
    let bot = harness.start_bot().await;
    harness.flush().await;
    let lock = harness.lock_store().await;
    harness.say("SIGNL4 first in line");
    harness.say("SIGNL4 second in line");
    bot.wait_for_log(&["cannot store the alerts of messages"]).await;
    lock.release().await;
    harness.wait_for_texts(&["SIGNL4 first in line", "SIGNL4 second in line"]).await;
    harness.flush().await;
    assert_eq!(harness.pages().len(), 2, "{:?}", harness.pages());
}

#[tokio::test]
async fn a_message_that_waits_for_the_store_does_not_become_too_old() {
    let harness = Harness::new().await.with_fast_tempo().with_catch_up("0s");
    let bot = harness.start_bot().await;
    harness.flush().await;
    let lock = harness.lock_store().await;
    harness.say("SIGNL4 holds up the line");
    bot.wait_for_log(&["cannot store the alerts of messages"]).await;
    let sessions = harness.chat.sessions_of(&harness.bot);
    harness.chat.faults().cut_connections();
    bot.wait_for_log(&["no realtime session"]).await;
    bot.wait_for_logs(2, &["the realtime session is online"]).await;
    assert_eq!(sessions, 1);
    harness.say("SIGNL4 of the second session");
    lock.hold_for_another_failure(&bot).await;
    lock.release().await;
    harness.wait_for_texts(&["SIGNL4 holds up the line", "SIGNL4 of the second session"]).await;
}

#[tokio::test]
async fn a_repeated_old_message_delays_no_other_while_rest_is_down() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    harness.flush().await;
    let long_ago = harness.chat.now() - 600_000;
    let old = NewMessage::text("old news").at(long_ago).updated_at(long_ago);
    let old = harness.chat.post(&harness.room, &harness.alice, old).unwrap();
    harness.chat.faults().rest_always("*", RestFault::NoAnswer);
    harness.chat.replay(&old);
    harness.say("SIGNL4 by the stream alone");
    harness.alert("SIGNL4 by the stream alone").await;
}

#[tokio::test]
async fn a_failed_join_is_not_repeated_for_each_message() {
    let mut harness = Harness::new().await;
    harness.watch(&["operations", "walled"]);
    let bot = harness.start_bot().await;
    // It has looked for channels by then.
    bot.wait_for_log(&["caught up"]).await;
    let room = harness.chat.create_room(NewRoom::channel("walled").members([&harness.alice])).unwrap();
    harness.chat.faults().rest_always("channels.join", RestFault::status(400));
    let texts = ["SIGNL4 a", "SIGNL4 b", "SIGNL4 c", "SIGNL4 d"];
    for text in texts {
        harness.chat.post(&room, &harness.alice, text).unwrap();
    }
    harness.wait_for_texts(&texts).await;
    harness.flush().await;
    assert_eq!(harness.chat.calls_of("channels.join").len(), 1);
}

#[tokio::test]
async fn an_unanswered_join_delays_messages_only_briefly() {
    let mut harness = Harness::new().await;
    harness.watch(&["operations", "walled"]);
    let hour = Duration::from_hours(1);
    let _bot =
        harness.start_in_process(Tempo { look_again: hour, poll_every: hour, ..Tempo::default() }).await;
    harness.flush().await;
    let room = harness.chat.create_room(NewRoom::channel("walled").members([&harness.alice])).unwrap();
    harness.chat.faults().rest_always("channels.join", RestFault::NoAnswer);
    harness.chat.post(&room, &harness.alice, "SIGNL4 walled").unwrap();
    harness.alert("SIGNL4 walled").await;
    harness.say("SIGNL4 operations");
    // Less than the time limit of a call.
    harness.wait_for_texts_within(&["SIGNL4 walled", "SIGNL4 operations"], Duration::from_secs(20)).await;
}

#[tokio::test]
async fn rounds_that_find_nothing_new_move_no_cursor_past_a_message_of_the_stream() {
    let harness = Harness::new().await;
    let _bot =
        harness.start_in_process(Tempo { look_again: Duration::from_millis(50), ..Tempo::default() }).await;
    let texts: Vec<String> = (0..40).map(|at| format!("SIGNL4 number {at}")).collect();
    for text in &texts {
        harness.say(text);
    }
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    harness.wait_for_texts(&texts).await;
    harness.flush().await;
    assert_eq!(harness.pages().len(), texts.len(), "{:?}", harness.pages());
}

/// A harness whose bot also watches the channel "plaza", which it is not in.
async fn with_a_plaza() -> Harness {
    let mut harness = Harness::new().await;
    harness.watch(&["operations", "plaza"]);
    harness
}

#[tokio::test]
async fn a_failed_room_lookup_blocks_no_other_room() {
    let harness = with_a_plaza().await;
    let bot = harness.start_bot().await;
    bot.wait_for_log(&["caught up"]).await;
    bot.kill().await;
    harness.say("SIGNL4 nobody listens");
    harness.chat.faults().rest_always("rooms.info", RestFault::status(503));
    let _bot = harness.start_bot().await;
    harness.alert("SIGNL4 nobody listens").await;
}

#[tokio::test]
async fn unreadable_rooms_block_no_other_and_are_read_later() {
    let harness = Harness::new().await;
    harness.chat.store_last_message(false);
    let members = [&harness.alice, &harness.bot];
    let rooms: Vec<_> = (0..4)
        .map(|at| harness.chat.create_room(NewRoom::group(format!("room-{at}")).members(members)).unwrap())
        .collect();
    let _bot = harness.start_in_process(fast_rounds()).await;
    harness.flush().await;
    harness.chat.faults().set(|switches| switches.refuse_connections = true);
    harness.chat.faults().cut_connections();
    let texts: Vec<String> = rooms.iter().map(|room| format!("SIGNL4 in {}", room.name)).collect();
    for (room, text) in rooms.iter().zip(&texts) {
        harness.chat.post(room, &harness.alice, text.as_str()).unwrap();
    }
    // In whatever order they are read, a broken one comes before a valid one.
    for room in &rooms[..3] {
        harness.chat.faults().rest_always_in(room, "chat.syncMessages", RestFault::status(503));
    }
    harness.chat.clock_forward(Duration::from_secs(300));
    harness.chat.faults().set(|switches| switches.refuse_connections = false);
    harness.wait_for_texts(&[&texts[3]]).await;
    harness.chat.faults().clear_rest();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    harness.wait_for_texts(&texts).await;
    harness.flush().await;
    assert_eq!(harness.pages().len(), texts.len(), "{:?}", harness.pages());
}

#[tokio::test]
async fn a_message_of_an_unresolved_room_delays_no_other_and_pages_later() {
    let harness = with_a_plaza().await.without_auto_join();
    harness.chat.faults().set(|switches| switches.omit_room_name = true);
    let _bot = harness.start_bot().await;
    harness.flush().await;
    harness.chat.faults().rest_always("rooms.info", RestFault::status(503));
    let plaza = harness.chat.create_room(NewRoom::channel("plaza").members([&harness.alice])).unwrap();
    harness.chat.post(&plaza, &harness.alice, "SIGNL4 on the plaza").unwrap();
    harness.say("SIGNL4 not behind it");
    harness.alert("SIGNL4 not behind it").await;
    harness.chat.faults().clear_rest();
    harness.alert("SIGNL4 on the plaza").await;
}

#[tokio::test]
async fn a_first_message_stamped_by_a_fast_clock_hides_no_later_one() {
    let harness = with_a_plaza().await.without_auto_join();
    let _bot = harness.start_bot().await;
    harness.flush().await;
    let plaza = harness.chat.create_room(NewRoom::channel("plaza").members([&harness.alice])).unwrap();
    let ahead = NewMessage::text("hello").updated_at(harness.chat.now() + 3_600_000);
    harness.chat.post(&plaza, &harness.alice, ahead).unwrap();
    harness.chat.post(&plaza, &harness.alice, "SIGNL4 by a clock that is right").unwrap();
    harness.alert("SIGNL4 by a clock that is right").await;
}

#[tokio::test]
async fn a_room_without_an_invitation_time_blocks_no_other_room() {
    let harness = Harness::new().await.with_fast_tempo();
    let bot = harness.start_bot().await;
    harness.flush().await;
    bot.wait_for_log(&["caught up"]).await;
    bot.kill().await;
    let members = [&harness.alice, &harness.bot];
    let room = harness.chat.create_room(NewRoom::group("new").members(members)).unwrap();
    harness.chat.post(&room, &harness.alice, "SIGNL4 in the new room").unwrap();
    harness.say("SIGNL4 nobody listens");
    harness.chat.faults().rest_always("subscriptions.getOne", RestFault::status(503));
    let _bot = harness.start_bot().await;
    harness.wait_for_texts(&["SIGNL4 nobody listens", "SIGNL4 in the new room"]).await;
}

#[tokio::test]
async fn missed_messages_of_joined_rooms_do_not_wait_for_the_channel_list() {
    let mut harness = Harness::new().await;
    harness.watch(&["operations", "ops-*"]);
    let bot = harness.start_bot().await;
    bot.wait_for_log(&["caught up"]).await;
    bot.kill().await;
    harness.say("SIGNL4 while down");
    let later = RestFault::TooManyRequests { reset_in: Duration::from_secs(300) };
    harness.chat.faults().rest_always("channels.list", later);
    let _bot = harness.start_bot().await;
    harness.alert("SIGNL4 while down").await;
}

#[tokio::test]
async fn sessions_that_end_before_every_room_was_read_still_read_every_room() {
    const ROOMS: usize = 40;
    let harness = Harness::new().await;
    let members = [&harness.alice, &harness.bot];
    let rooms: Vec<_> = (0..ROOMS)
        .map(|at| harness.chat.create_room(NewRoom::group(format!("room-{at}")).members(members)).unwrap())
        .collect();
    let _bot = harness.start_in_process(fast()).await;
    harness.flush().await;
    harness.chat.faults().set(|switches| switches.refuse_connections = true);
    harness.chat.faults().cut_connections();
    let texts: Vec<String> = rooms.iter().map(|room| format!("SIGNL4 in {}", room.name)).collect();
    for (room, text) in rooms.iter().zip(&texts) {
        harness.chat.post(room, &harness.alice, text.as_str()).unwrap();
        // The list of rooms contains this one, and not the one before.
        harness.chat.post(room, &harness.alice, "small talk").unwrap();
    }
    harness.chat.clock_forward(Duration::from_secs(300));
    harness.chat.faults().rest_always("chat.syncMessages", RestFault::Slow(Duration::from_millis(600)));
    harness.chat.faults().set(|switches| switches.refuse_connections = false);
    for _ in 0..12 {
        let online = |chat: &RocketChat| (chat.sessions_of(&harness.bot) > 0).then_some(());
        harness.chat.wait_for(SOON, online).await.unwrap();
        // Not enough time for all rooms.
        tokio::time::sleep(Duration::from_secs(2)).await;
        harness.chat.faults().cut_connections();
        harness
            .chat
            .wait_for(SOON, |chat| (chat.sessions_of(&harness.bot) == 0).then_some(()))
            .await
            .unwrap();
    }
    let missing: Vec<_> = texts.iter().filter(|text| !harness.texts().contains(text)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test]
async fn a_room_that_a_start_adds_is_watched_from_the_start_on_while_the_server_is_unreachable() {
    let mut harness = Harness::new().await;
    let members = [&harness.alice, &harness.bot];
    let plant = harness.chat.create_room(NewRoom::channel("plant").members(members)).unwrap();
    // The bot has been in the room for so long that the last list of rooms had it.
    harness.chat.clock_forward(Duration::from_secs(600));
    harness.watch(&["operations"]);
    let bot = harness.start_bot().await;
    bot.wait_for_log(&["caught up"]).await;
    bot.stop().await;
    harness.chat.post(&plant, &harness.alice, "pump 0").unwrap();
    // A room is watched from two seconds too early, because clocks differ.
    harness.chat.clock_forward(Duration::from_secs(60));
    harness.chat.faults().set(|switches| switches.refuse_connections = true);
    harness.configure("[[trigger]]\nname = \"pumps\"\npattern = 'pump'\nrooms = [\"plant\"]");
    let bot = harness.spawn_bot();
    bot.wait_for_log(&["no realtime session"]).await;
    let missed = harness.chat.post(&plant, &harness.alice, "pump 1").unwrap();
    harness.wait_until_past(&missed, Duration::from_secs(4)).await;
    harness.chat.faults().set(|switches| switches.refuse_connections = false);
    harness.alert("pump 1").await;
    harness.flush().await;
    assert_eq!(harness.pages(), ["pump 1"], "none from before the settings applied");
}
