//! The server's clock is set while rooms are joined and messages are written, or our own: nothing passes for old because of
//! that, and nothing for new.

use std::time::Duration;

use sandbox::rocketchat::NewRoom;
use signl4_rocketchat::bot::Tempo;

use crate::stage::{OurClock, Stage};

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn a_room_joined_by_a_clock_that_was_set_back_since_alerts_all_the_same() {
    let stage = Stage::set().await;
    let bot = stage.start().await;
    bot.wait_for_log(&["caught up"]).await;
    bot.kill().await;
    let room = stage.chat.create_room(NewRoom::group("new").members([&stage.alice, &stage.bot])).unwrap();
    stage.chat.clock_back(HOUR);
    stage.chat.post(&room, &stage.alice, "SIGNL4 in the new room").unwrap();
    let _bot = stage.start().await;
    stage.alert("SIGNL4 in the new room").await;
}

#[tokio::test]
async fn a_set_back_that_a_message_told_of_lets_the_next_round_pass_over_nothing() {
    let stage = Stage::set().await;
    let tempo = Tempo { look_again: Duration::from_secs(4), ..Tempo::default() };
    let _bot = stage.start_inside(tempo).await;
    stage.flush().await;
    stage.chat.clock_back(HOUR);
    stage.flush().await;
    stage.chat.faults().set(|switches| switches.withhold_messages = true);
    stage.say("SIGNL4 not told of");
    // Old enough that a round which finds no news takes it for settled.
    stage.chat.clock_forward(HOUR / 60);
    stage.alert("SIGNL4 not told of").await;
}

#[tokio::test]
#[ignore = "needs libfaketime: LIBFAKETIME=…/libfaketimeMT.so.1"]
async fn our_own_clock_set_forward_pages_for_nothing_from_before_a_room_was_watched() {
    let mut stage = Stage::set().await;
    let clock = OurClock::of(&mut stage).unwrap();
    let room = stage.chat.create_room(NewRoom::group("new").members([&stage.alice])).unwrap();
    stage.chat.post(&room, &stage.alice, "SIGNL4 before the bot came").unwrap();
    stage.chat.clock_forward(HOUR / 60);
    let bot = stage.start().await;
    bot.wait_for_log(&["caught up"]).await;
    stage.chat.join(&room, &stage.bot).unwrap();
    stage.chat.post(&room, &stage.alice, "SIGNL4 to the bot").unwrap();
    stage.alert("SIGNL4 to the bot").await;
    clock.set(3600);
    stage.reconnect(&bot, || ()).await;
    stage.chat.post(&room, &stage.alice, "SIGNL4 after that").unwrap();
    stage.alert("SIGNL4 after that").await;
    stage.flush().await;
    assert_eq!(stage.pages(), ["SIGNL4 to the bot", "SIGNL4 after that"]);
    assert_eq!(bot.count_in_log(&["the clock of this machine was set"]), 1);
}

#[tokio::test]
#[ignore = "needs libfaketime: LIBFAKETIME=…/libfaketimeMT.so.1"]
async fn however_our_own_clock_is_set_what_the_stream_dropped_pages_once() {
    let mut stage = Stage::set().await;
    let clock = OurClock::of(&mut stage).unwrap();
    let bot = stage.start().await;
    bot.wait_for_log(&["caught up"]).await;
    let mut texts = Vec::new();
    for ahead in [90_000, -90_000, 3_600, 0] {
        stage.chat.faults().set(|switches| switches.withhold_messages = true);
        let dropped = format!("SIGNL4 before {ahead}");
        stage.say(&dropped);
        clock.set(ahead);
        let missed = format!("SIGNL4 after {ahead}");
        stage.reconnect(&bot, || drop(stage.say(&missed))).await;
        stage.chat.faults().set(|switches| switches.withhold_messages = false);
        let heard = format!("SIGNL4 heard at {ahead}");
        stage.say(&heard);
        texts.extend([dropped, missed, heard]);
        stage.wait_for_texts(&texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
    stage.flush().await;
    assert_eq!(stage.pages().len(), texts.len(), "{:?}", stage.pages());
}

#[tokio::test]
#[ignore = "needs libfaketime: LIBFAKETIME=…/libfaketimeMT.so.1"]
async fn our_own_clock_set_back_together_with_the_servers_hides_no_message() {
    let mut stage = Stage::set().await;
    let clock = OurClock::of(&mut stage).unwrap();
    let bot = stage.start().await;
    bot.wait_for_log(&["caught up"]).await;
    stage.flush().await;
    // One machine, whose clock was wrong when it started.
    clock.set(-3600);
    stage.chat.clock_back(HOUR);
    stage.chat.faults().set(|switches| switches.withhold_messages = true);
    stage.say("SIGNL4 not told of");
    stage.reconnect(&bot, || ()).await;
    stage.alert("SIGNL4 not told of").await;
    assert_eq!(bot.count_in_log(&["the server's clock was set back"]), 1, "{}", bot.log());
}

#[tokio::test]
#[ignore = "needs libfaketime: LIBFAKETIME=…/libfaketimeMT.so.1"]
async fn our_own_clock_set_back_keeps_no_alert_waiting_for_it() {
    let mut stage = Stage::set().await;
    let clock = OurClock::of(&mut stage).unwrap();
    let bot = stage.start().await;
    stage.signl4.refuse().await;
    stage.say("SIGNL4 while it runs");
    bot.wait_for_log(&["not delivered yet"]).await;
    clock.set(-3_600);
    stage.signl4.listen_again().await.unwrap();
    stage.alert("SIGNL4 while it runs").await;
    stage.signl4.refuse().await;
    stage.say("SIGNL4 before a restart");
    bot.wait_for_logs(2, &["not delivered yet", r#""attempts":1"#]).await;
    bot.kill().await;
    clock.set(-7_200);
    stage.signl4.listen_again().await.unwrap();
    let _bot = stage.start().await;
    stage.alert("SIGNL4 before a restart").await;
}

#[tokio::test]
#[ignore = "needs libfaketime: LIBFAKETIME=…/libfaketimeMT.so.1"]
async fn clocks_set_back_together_while_the_bot_is_down_hide_no_message() {
    let mut stage = Stage::set().await;
    let clock = OurClock::of(&mut stage).unwrap();
    let bot = stage.start().await;
    bot.wait_for_log(&["caught up"]).await;
    // The room is watched for longer than the clocks are set back.
    stage.chat.clock_forward(HOUR * 2);
    clock.set(7_200);
    stage.reconnect(&bot, || drop(stage.say("SIGNL4 hours later"))).await;
    bot.wait_for_log(&["alert sent"]).await;
    bot.kill().await;
    clock.set(3_600);
    stage.chat.clock_back(HOUR);
    stage.say("SIGNL4 while it is down");
    let room = stage.chat.create_room(NewRoom::group("new").members([&stage.alice, &stage.bot])).unwrap();
    stage.chat.post(&room, &stage.alice, "SIGNL4 in a new room").unwrap();
    let bot = stage.start().await;
    stage.wait_for_texts(&["SIGNL4 while it is down", "SIGNL4 in a new room"]).await;
    stage.flush().await;
    assert_eq!(stage.pages().len(), 3, "{:?}", stage.pages());
    assert_eq!(bot.count_in_log(&["the clocks were set back while nobody saw it"]), 1);
}
