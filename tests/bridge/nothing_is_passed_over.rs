//! Promise 1 against its enemies on the way in: refusals in passing, a store that cannot be written for a while, and what
//! comes out of order just when a room is first heard of.

use std::time::Duration;

use sandbox::rocketchat::{NewMessage, NewRoom, RestFault};
use serde_json::json;
use signl4_rocketchat::bot::Tempo;

use crate::stage::{Stage, quick};

#[tokio::test]
async fn a_list_of_rooms_that_is_refused_once_after_a_restart_passes_over_no_message() {
    let stage = Stage::set().await;
    let bot = stage.start().await;
    stage.flush().await;
    bot.kill().await;
    stage.say("SIGNL4 nobody listens");
    // What a server says whose database is just changing its primary.
    stage.chat.faults().rest_next("rooms.get", 1, RestFault::status(400));
    let _bot = stage.start().await;
    stage.alert("SIGNL4 nobody listens").await;
}

#[tokio::test]
async fn a_room_that_was_not_read_is_read_later_and_its_cursor_stays_behind() {
    let stage = Stage::set().await;
    let _bot = stage.start_inside(quick()).await;
    stage.flush().await;
    stage.chat.faults().set(|switches| switches.refuse_connections = true);
    stage.chat.faults().cut_connections();
    stage.say("SIGNL4 the line is dead");
    // Long enough ago that the rounds that follow do not look at the room for another reason.
    stage.chat.clock_forward(Duration::from_secs(300));
    stage.chat.faults().rest_next("chat.syncMessages", 2, RestFault::status(400));
    stage.chat.faults().set(|switches| switches.refuse_connections = false);
    stage.alert("SIGNL4 the line is dead").await;
}

#[tokio::test]
async fn a_room_that_is_told_of_before_its_first_message_is_heard_from_the_start_of_the_session() {
    let stage = Stage::set().await;
    stage.chat.faults().rest_always("rooms.get", RestFault::status(503));
    let _bot = stage.start().await;
    let room = json!({"_id": stage.room.id, "t": "c", "name": "operations",
                      "_updatedAt": {"$date": stage.chat.now()}});
    let frame = json!({"msg": "changed", "collection": "stream-notify-user", "id": "id", "fields": {
        "eventName": format!("{}/rooms-changed", stage.bot.id), "args": ["updated", room]}});
    stage.chat.send_raw_to_all(&frame.to_string());
    let written = NewMessage::text("SIGNL4 right at the start").at(stage.chat.now() - 1_500);
    stage.chat.post(&stage.room, &stage.alice, written).unwrap();
    stage.alert("SIGNL4 right at the start").await;
}

#[tokio::test]
async fn a_message_missed_after_the_first_session_pages_though_a_later_one_was_heard_before_the_rooms_were_listed()
 {
    let stage = Stage::set().await;
    stage.chat.faults().rest_always("rooms.get", RestFault::status(503));
    let bot = stage.start().await;
    stage.chat.faults().set(|switches| switches.refuse_connections = true);
    stage.chat.faults().cut_connections();
    bot.wait_for_log(&["no realtime session"]).await;
    let written = NewMessage::text("SIGNL4 missed").at(stage.chat.now());
    stage.chat.post(&stage.room, &stage.alice, written).unwrap();
    // So that it is from well before the second session.
    stage.chat.clock_forward(Duration::from_secs(60));
    stage.chat.faults().set(|switches| switches.refuse_connections = false);
    bot.wait_for_logs(2, &["listening; reading what was missed"]).await;
    stage.flush().await;
    stage.chat.faults().clear_rest();
    stage.alert("SIGNL4 missed").await;
}

#[tokio::test]
async fn the_first_messages_of_a_channel_that_come_in_reverse_page_each() {
    let mut stage = Stage::set().await;
    stage.watch(&["operations", "new"]);
    let stage = stage.without_joining();
    let _bot = stage.start().await;
    stage.flush().await;
    let room = stage.chat.create_room(NewRoom::channel("new").members([&stage.alice])).unwrap();
    stage.chat.faults().set(|switches| switches.reverse_messages = true);
    let now = stage.chat.now();
    for (text, at) in [("SIGNL4 one", now - 500), ("SIGNL4 two", now)] {
        stage.chat.post(&room, &stage.alice, NewMessage::text(text).at(at)).unwrap();
    }
    stage.wait_for_texts(&["SIGNL4 one", "SIGNL4 two"]).await;
}

#[tokio::test]
async fn while_the_store_takes_no_writes_nothing_becomes_too_old() {
    let stage = Stage::set().await.looking_back("2s");
    let bot = stage.start().await;
    stage.flush().await;
    let lock = stage.lock_store().await;
    stage.say("SIGNL4 first in line");
    stage.say("SIGNL4 second in line");
    bot.wait_for_log(&["a message cannot be settled"]).await;
    lock.release().await;
    stage.wait_for_texts(&["SIGNL4 first in line", "SIGNL4 second in line"]).await;
    stage.flush().await;
    assert_eq!(stage.pages().len(), 2, "{:?}", stage.pages());
}

#[tokio::test]
async fn a_message_heard_before_the_look_back_began_to_count_is_not_too_old_when_its_turn_comes() {
    let stage = Stage::set().await.looking_back("0s");
    let bot = stage.start().await;
    stage.flush().await;
    let lock = stage.lock_store().await;
    stage.say("SIGNL4 holds up the line");
    bot.wait_for_log(&["a message cannot be settled"]).await;
    let sessions = stage.chat.sessions_of(&stage.bot);
    stage.chat.faults().cut_connections();
    bot.wait_for_log(&["no realtime session"]).await;
    bot.wait_for_logs(2, &["the realtime session stands"]).await;
    assert_eq!(sessions, 1);
    stage.say("SIGNL4 of the second session");
    lock.hold_for_another_failure(&bot).await;
    lock.release().await;
    stage.wait_for_texts(&["SIGNL4 holds up the line", "SIGNL4 of the second session"]).await;
}

#[tokio::test]
async fn an_old_message_that_comes_again_while_rest_is_dead_holds_up_no_other() {
    let stage = Stage::set().await;
    let _bot = stage.start().await;
    stage.flush().await;
    let long_ago = stage.chat.now() - 600_000;
    let old = NewMessage::text("old news").at(long_ago).updated_at(long_ago);
    let old = stage.chat.post(&stage.room, &stage.alice, old).unwrap();
    stage.chat.faults().rest_always("*", RestFault::NoAnswer);
    stage.chat.replay(&old);
    stage.say("SIGNL4 by the stream alone");
    stage.alert("SIGNL4 by the stream alone").await;
}

#[tokio::test]
async fn a_channel_that_cannot_be_joined_is_not_tried_again_at_each_message() {
    let mut stage = Stage::set().await;
    stage.watch(&["operations", "walled"]);
    let bot = stage.start().await;
    // It has looked for channels by then.
    bot.wait_for_log(&["caught up"]).await;
    let room = stage.chat.create_room(NewRoom::channel("walled").members([&stage.alice])).unwrap();
    stage.chat.faults().rest_always("channels.join", RestFault::status(400));
    let texts = ["SIGNL4 a", "SIGNL4 b", "SIGNL4 c", "SIGNL4 d"];
    for text in texts {
        stage.chat.post(&room, &stage.alice, text).unwrap();
    }
    stage.wait_for_texts(&texts).await;
    stage.flush().await;
    assert_eq!(stage.chat.calls_of("channels.join").len(), 1);
}

#[tokio::test]
async fn rounds_that_find_nothing_new_move_no_cursor_past_a_message_of_the_stream() {
    let stage = Stage::set().await;
    let _bot = stage.start_inside(Tempo { look_again: Duration::from_millis(50), ..Tempo::default() }).await;
    let texts: Vec<String> = (0..40).map(|at| format!("SIGNL4 number {at}")).collect();
    for text in &texts {
        stage.say(text);
    }
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    stage.wait_for_texts(&texts).await;
    stage.flush().await;
    assert_eq!(stage.pages().len(), texts.len(), "{:?}", stage.pages());
}

/// A stage whose bot also watches the channel "plaza", which it is not in.
async fn with_a_plaza() -> Stage {
    let mut stage = Stage::set().await;
    stage.watch(&["operations", "plaza"]);
    stage
}

#[tokio::test]
async fn a_room_that_cannot_be_looked_up_keeps_no_other_from_being_read() {
    let stage = with_a_plaza().await;
    let bot = stage.start().await;
    bot.wait_for_log(&["caught up"]).await;
    bot.kill().await;
    stage.say("SIGNL4 nobody listens");
    stage.chat.faults().rest_always("rooms.info", RestFault::status(503));
    let _bot = stage.start().await;
    stage.alert("SIGNL4 nobody listens").await;
}

#[tokio::test]
async fn rooms_that_cannot_be_read_keep_no_other_from_being_read_and_are_read_later() {
    let stage = Stage::set().await;
    let members = [&stage.alice, &stage.bot];
    let rooms: Vec<_> = (0..4)
        .map(|at| stage.chat.create_room(NewRoom::group(format!("room-{at}")).members(members)).unwrap())
        .collect();
    let _bot = stage.start_inside(quick()).await;
    stage.flush().await;
    stage.chat.faults().set(|switches| switches.refuse_connections = true);
    stage.chat.faults().cut_connections();
    let texts: Vec<String> = rooms.iter().map(|room| format!("SIGNL4 in {}", room.name)).collect();
    for (room, text) in rooms.iter().zip(&texts) {
        stage.chat.post(room, &stage.alice, text.as_str()).unwrap();
    }
    // Whatever the order in which they are read, a broken one comes before a sound one.
    for room in &rooms[..3] {
        stage.chat.faults().rest_always_in(room, "chat.syncMessages", RestFault::status(503));
    }
    stage.chat.clock_forward(Duration::from_secs(300));
    stage.chat.faults().set(|switches| switches.refuse_connections = false);
    stage.wait_for_texts(&[&texts[3]]).await;
    stage.chat.faults().clear_rest();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    stage.wait_for_texts(&texts).await;
    stage.flush().await;
    assert_eq!(stage.pages().len(), texts.len(), "{:?}", stage.pages());
}

#[tokio::test]
async fn a_message_of_a_room_that_cannot_be_looked_up_holds_up_no_other_and_pages_later() {
    let stage = with_a_plaza().await.without_joining();
    stage.chat.faults().set(|switches| switches.omit_room_name = true);
    let _bot = stage.start().await;
    stage.flush().await;
    stage.chat.faults().rest_always("rooms.info", RestFault::status(503));
    let plaza = stage.chat.create_room(NewRoom::channel("plaza").members([&stage.alice])).unwrap();
    stage.chat.post(&plaza, &stage.alice, "SIGNL4 on the plaza").unwrap();
    stage.say("SIGNL4 not behind it");
    stage.alert("SIGNL4 not behind it").await;
    stage.chat.faults().clear_rest();
    stage.alert("SIGNL4 on the plaza").await;
}

#[tokio::test]
async fn a_first_message_stamped_by_a_clock_that_is_ahead_hides_none_of_those_after_it() {
    let stage = with_a_plaza().await.without_joining();
    let _bot = stage.start().await;
    stage.flush().await;
    let plaza = stage.chat.create_room(NewRoom::channel("plaza").members([&stage.alice])).unwrap();
    let ahead = NewMessage::text("hello").updated_at(stage.chat.now() + 3_600_000);
    stage.chat.post(&plaza, &stage.alice, ahead).unwrap();
    stage.chat.post(&plaza, &stage.alice, "SIGNL4 by a clock that is right").unwrap();
    stage.alert("SIGNL4 by a clock that is right").await;
}

#[tokio::test]
async fn a_room_of_which_nobody_says_when_the_bot_was_invited_keeps_no_other_from_being_read() {
    let stage = Stage::set().await;
    let bot = stage.start().await;
    stage.flush().await;
    bot.wait_for_log(&["caught up"]).await;
    bot.kill().await;
    let members = [&stage.alice, &stage.bot];
    let room = stage.chat.create_room(NewRoom::group("new").members(members)).unwrap();
    stage.chat.post(&room, &stage.alice, "SIGNL4 in the new room").unwrap();
    stage.say("SIGNL4 nobody listens");
    stage.chat.faults().rest_always("subscriptions.getOne", RestFault::status(503));
    let _bot = stage.start().await;
    stage.wait_for_texts(&["SIGNL4 nobody listens", "SIGNL4 in the new room"]).await;
}

#[tokio::test]
async fn what_was_missed_in_the_bots_own_rooms_waits_for_no_list_of_channels() {
    let mut stage = Stage::set().await;
    stage.watch(&["operations", "ops-*"]);
    let bot = stage.start().await;
    bot.wait_for_log(&["caught up"]).await;
    bot.kill().await;
    stage.say("SIGNL4 while down");
    let later = RestFault::TooManyRequests { reset_in: Duration::from_secs(300) };
    stage.chat.faults().rest_always("channels.list", later);
    let _bot = stage.start().await;
    stage.alert("SIGNL4 while down").await;
}
