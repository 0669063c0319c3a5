//! The server's clock or our own is set while rooms are joined and messages are written. No new message is treated as
//! old because of that, and no old one as new.

use std::time::Duration;

use sandbox::rocketchat::NewRoom;
use signl4_rocketchat::bot::Tempo;

use crate::harness::{FakeClock, Harness};

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn a_room_joined_before_the_clock_was_set_back_still_alerts() {
    let harness = Harness::new().await;
    let bot = harness.start_bot().await;
    bot.wait_for_log(&["caught up"]).await;
    bot.kill().await;
    let room =
        harness.chat.create_room(NewRoom::group("new").members([&harness.alice, &harness.bot])).unwrap();
    harness.chat.clock_back(HOUR);
    harness.chat.post(&room, &harness.alice, "SIGNL4 in the new room").unwrap();
    let _bot = harness.start_bot().await;
    harness.alert("SIGNL4 in the new room").await;
}

#[tokio::test]
async fn after_a_clock_set_back_seen_in_a_message_the_next_round_skips_nothing() {
    let harness = Harness::new().await;
    harness.chat.store_last_message(false);
    let tempo = Tempo { look_again: Duration::from_secs(4), ..Tempo::default() };
    let _bot = harness.start_in_process(tempo).await;
    harness.flush().await;
    harness.chat.clock_back(HOUR);
    harness.flush().await;
    harness.chat.faults().set(|switches| switches.withhold_messages = true);
    harness.say("SIGNL4 dropped by the stream");
    // Old enough that a round without new messages considers it settled.
    harness.chat.clock_forward(HOUR / 60);
    harness.alert("SIGNL4 dropped by the stream").await;
}

#[tokio::test]
#[ignore = "needs libfaketime: LIBFAKETIME=…/libfaketimeMT.so.1"]
async fn setting_our_clock_forward_pages_nothing_from_before_a_room_was_watched() {
    let mut harness = Harness::new().await;
    let clock = FakeClock::of(&mut harness).unwrap();
    let room = harness.chat.create_room(NewRoom::group("new").members([&harness.alice])).unwrap();
    harness.chat.post(&room, &harness.alice, "SIGNL4 before the bot came").unwrap();
    harness.chat.clock_forward(HOUR / 60);
    let bot = harness.start_bot().await;
    bot.wait_for_log(&["caught up"]).await;
    harness.chat.join(&room, &harness.bot).unwrap();
    harness.chat.post(&room, &harness.alice, "SIGNL4 to the bot").unwrap();
    harness.alert("SIGNL4 to the bot").await;
    clock.set(3600);
    harness.reconnect(&bot, || ()).await;
    harness.chat.post(&room, &harness.alice, "SIGNL4 after that").unwrap();
    harness.alert("SIGNL4 after that").await;
    harness.flush().await;
    assert_eq!(harness.pages(), ["SIGNL4 to the bot", "SIGNL4 after that"]);
}

#[tokio::test]
#[ignore = "needs libfaketime: LIBFAKETIME=…/libfaketimeMT.so.1"]
async fn a_message_dropped_by_the_stream_pages_once_however_our_clock_is_set() {
    let mut harness = Harness::new().await;
    let clock = FakeClock::of(&mut harness).unwrap();
    let bot = harness.start_bot().await;
    bot.wait_for_log(&["caught up"]).await;
    let mut texts = Vec::new();
    for ahead in [90_000, -90_000, 3_600, 0] {
        harness.chat.faults().set(|switches| switches.withhold_messages = true);
        let dropped = format!("SIGNL4 before {ahead}");
        harness.say(&dropped);
        clock.set(ahead);
        let missed = format!("SIGNL4 after {ahead}");
        harness.reconnect(&bot, || drop(harness.say(&missed))).await;
        harness.chat.faults().set(|switches| switches.withhold_messages = false);
        let received = format!("SIGNL4 received at {ahead}");
        harness.say(&received);
        texts.extend([dropped, missed, received]);
        harness.wait_for_texts(&texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
    harness.flush().await;
    assert_eq!(harness.pages().len(), texts.len(), "{:?}", harness.pages());
}

#[tokio::test]
#[ignore = "needs libfaketime: LIBFAKETIME=…/libfaketimeMT.so.1"]
async fn setting_our_clock_and_the_servers_back_hides_no_message() {
    let mut harness = Harness::new().await;
    let clock = FakeClock::of(&mut harness).unwrap();
    let bot = harness.start_bot().await;
    bot.wait_for_log(&["caught up"]).await;
    harness.flush().await;
    // One machine, whose clock was wrong when it started.
    clock.set(-3600);
    harness.chat.clock_back(HOUR);
    harness.chat.faults().set(|switches| switches.withhold_messages = true);
    harness.say("SIGNL4 dropped by the stream");
    harness.reconnect(&bot, || ()).await;
    harness.alert("SIGNL4 dropped by the stream").await;
    assert_eq!(bot.count_in_log(&["the server's clock was set back"]), 1, "{}", bot.log());
}

#[tokio::test]
#[ignore = "needs libfaketime: LIBFAKETIME=…/libfaketimeMT.so.1"]
async fn setting_our_clock_back_delays_no_alert() {
    let mut harness = Harness::new().await;
    let clock = FakeClock::of(&mut harness).unwrap();
    let bot = harness.start_bot().await;
    harness.signl4.refuse().await;
    harness.say("SIGNL4 while it runs");
    bot.wait_for_log(&["not delivered yet"]).await;
    clock.set(-3_600);
    harness.signl4.listen_again().await.unwrap();
    harness.alert("SIGNL4 while it runs").await;
    harness.signl4.refuse().await;
    harness.say("SIGNL4 before a restart");
    bot.wait_for_logs(2, &["not delivered yet", r#""attempts":1"#]).await;
    bot.kill().await;
    clock.set(-7_200);
    harness.signl4.listen_again().await.unwrap();
    let _bot = harness.start_bot().await;
    harness.alert("SIGNL4 before a restart").await;
}

#[tokio::test]
#[ignore = "needs libfaketime: LIBFAKETIME=…/libfaketimeMT.so.1"]
async fn clocks_set_back_together_while_the_bot_is_down_hide_no_message() {
    let mut harness = Harness::new().await;
    let clock = FakeClock::of(&mut harness).unwrap();
    let bot = harness.start_bot().await;
    bot.wait_for_log(&["caught up"]).await;
    // The room is watched for longer than the clocks are set back.
    harness.chat.clock_forward(HOUR * 2);
    clock.set(7_200);
    harness.reconnect(&bot, || drop(harness.say("SIGNL4 hours later"))).await;
    bot.wait_for_log(&["alert sent"]).await;
    bot.kill().await;
    clock.set(3_600);
    harness.chat.clock_back(HOUR);
    harness.say("SIGNL4 while it is down");
    let room =
        harness.chat.create_room(NewRoom::group("new").members([&harness.alice, &harness.bot])).unwrap();
    harness.chat.post(&room, &harness.alice, "SIGNL4 in a new room").unwrap();
    let bot = harness.start_bot().await;
    harness.wait_for_texts(&["SIGNL4 while it is down", "SIGNL4 in a new room"]).await;
    harness.flush().await;
    assert_eq!(harness.pages().len(), 3, "{:?}", harness.pages());
    assert_eq!(bot.count_in_log(&["the server's clock was set back"]), 1);
}

#[tokio::test]
#[ignore = "needs libfaketime: LIBFAKETIME=…/libfaketimeMT.so.1"]
async fn setting_our_clock_far_ahead_deletes_nothing_still_needed() {
    const DAYS: i64 = 86_400;
    let mut harness = Harness::new().await;
    harness.configure("[store]\nkeep = \"1d\"");
    let clock = FakeClock::of(&mut harness).unwrap();
    let bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 the pump is down");
    let alert = harness.alert("SIGNL4 the pump is down").await;
    bot.wait_for_log(&["alert sent"]).await;
    bot.kill().await;
    clock.set(100 * DAYS);
    let bot = harness.start_bot().await;
    bot.wait_for_log(&["caught up"]).await;
    // The clock is compared once Rocket.Chat has answered.
    harness.reconnect(&bot, || drop(harness.chat.react(&message, &harness.bob, ":eyes:"))).await;
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    harness.flush().await;
    assert_eq!(harness.pages(), ["SIGNL4 the pump is down"]);
    assert_eq!(bot.count_in_log(&["deleted rows"]), 0, "{}", bot.log());
}
