//! Rooms that are joined, renamed, left, archived or deleted while the bot runs are followed without a restart.

use std::time::Duration;

use sandbox::rocketchat::{NewMessage, NewRoom, RestFault, RocketChat, Room};

use crate::stage::{SOON, Stage, quick};

/// A stage whose bot watches #operations, every room named ops-…, and the group "night".
async fn watching() -> Stage {
    let mut stage = Stage::set().await;
    stage.watch(&["operations", "ops-*", "night"]);
    stage.without_joining()
}

impl Stage {
    /// A message that is a little old already, so that a room watched from now on leaves it alone.
    fn say_earlier(&self, room: &Room, text: &str) {
        let written =
            NewMessage::text(text).at(self.chat.now() - 10_000).updated_at(self.chat.now() - 10_000);
        self.chat.post(room, &self.alice, written).unwrap();
    }

    /// Waits until it was looked so many times more for what the stream may have dropped.
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
    let stage = watching().await;
    let room = stage.chat.create_room(NewRoom::group("dev").members([&stage.alice, &stage.bot])).unwrap();
    let _bot = stage.start().await;
    stage.say_earlier(&room, "SIGNL4 before");
    stage.flush().await;
    stage.chat.rename(&room, "ops-dev").unwrap();
    stage.say_in(&room, "SIGNL4 after");
    stage.alert("SIGNL4 after").await;
    stage.flush().await;
    assert_eq!(stage.pages(), ["SIGNL4 after"]);
}

#[tokio::test]
async fn a_room_renamed_out_of_every_pattern_is_not_watched_any_more_and_its_past_stays_past() {
    let stage = watching().await;
    let room = stage.chat.create_room(NewRoom::group("ops-dev").members([&stage.alice, &stage.bot])).unwrap();
    let bot = stage.start().await;
    // A round that is under way reads the room by the name it had when the round began.
    bot.wait_for_log(&["caught up"]).await;
    stage.say_in(&room, "SIGNL4 before");
    stage.alert("SIGNL4 before").await;
    stage.chat.rename(&room, "dev").unwrap();
    stage.say_in(&room, "SIGNL4 between");
    stage.flush().await;
    bot.kill().await;
    // A room is watched from a little too early on: what was said must be from before that.
    stage.chat.clock_forward(Duration::from_secs(60));
    stage.say_earlier(&room, "SIGNL4 while down");
    let _bot = stage.start().await;
    stage.flush().await;
    stage.chat.rename(&room, "ops-dev").unwrap();
    stage.say_in(&room, "SIGNL4 after");
    stage.alert("SIGNL4 after").await;
    stage.flush().await;
    assert_eq!(stage.pages(), ["SIGNL4 before", "SIGNL4 after"]);
}

#[tokio::test]
async fn a_group_that_the_bot_is_removed_from_and_invited_to_again_alerts_on_nothing_in_between() {
    let stage = watching().await;
    let group = stage.chat.create_room(NewRoom::group("night").members([&stage.alice, &stage.bot])).unwrap();
    let _bot = stage.start_inside(crate::stage::quick()).await;
    stage.say_in(&group, "SIGNL4 before");
    stage.alert("SIGNL4 before").await;
    stage.chat.kick(&group, &stage.bot, &stage.alice).unwrap();
    stage.flush().await;
    stage.say_earlier(&group, "SIGNL4 among ourselves");
    stage.chat.join(&group, &stage.bot).unwrap();
    stage.say_in(&group, "SIGNL4 after");
    stage.alert("SIGNL4 after").await;
    let rounds = stage.chat.calls_of("rooms.get").len();
    // The room has news, so the next rounds read it.
    let read =
        stage.chat.wait_for(SOON, |chat| (chat.calls_of("rooms.get").len() > rounds + 3).then_some(()));
    tokio::join!(async { read.await.unwrap() }, async {
        for _ in 0..10 {
            stage.flush().await;
        }
    });
    assert_eq!(stage.pages(), ["SIGNL4 before", "SIGNL4 after"]);
}

#[tokio::test]
async fn a_room_that_the_bot_is_invited_to_while_it_runs_is_heard_at_once_and_caught_up_after_an_outage() {
    let stage = watching().await;
    let bot = stage.start().await;
    let room = stage.chat.create_room(NewRoom::group("ops-new").members([&stage.alice])).unwrap();
    stage.say_earlier(&room, "SIGNL4 before the invitation");
    stage.chat.join(&room, &stage.bot).unwrap();
    stage.say_in(&room, "SIGNL4 at once");
    stage.alert("SIGNL4 at once").await;
    stage.flush().await;
    bot.kill().await;
    stage.say_in(&room, "SIGNL4 while down");
    let _bot = stage.start().await;
    stage.alert("SIGNL4 while down").await;
    stage.flush().await;
    assert_eq!(stage.pages(), ["SIGNL4 at once", "SIGNL4 while down"]);
}

#[tokio::test]
async fn a_room_that_the_bot_was_invited_to_while_it_was_down_alerts_on_what_was_said_since() {
    let stage = watching().await;
    let bot = stage.start().await;
    stage.flush().await;
    // The rooms are noted as read up to a little before now; the invitation comes after that.
    bot.wait_for_log(&["caught up"]).await;
    bot.kill().await;
    let room = stage.chat.create_room(NewRoom::group("ops-new").members([&stage.alice])).unwrap();
    stage.say_earlier(&room, "SIGNL4 before the invitation");
    stage.chat.join(&room, &stage.bot).unwrap();
    stage.say_in(&room, "SIGNL4 since");
    let _bot = stage.start().await;
    stage.alert("SIGNL4 since").await;
    stage.flush().await;
    assert_eq!(stage.pages(), ["SIGNL4 since"]);
}

#[tokio::test]
async fn a_room_that_is_deleted_or_archived_disturbs_no_other_before_and_after_a_restart() {
    let stage = watching().await;
    let members = [&stage.alice, &stage.bot];
    let gone = stage.chat.create_room(NewRoom::channel("ops-gone").members(members)).unwrap();
    let shelved = stage.chat.create_room(NewRoom::channel("ops-shelved").members(members)).unwrap();
    let bot = stage.start().await;
    for room in [&gone, &shelved] {
        stage.say_in(room, &format!("SIGNL4 in {}", room.name));
    }
    stage.wait_for_texts(&["SIGNL4 in ops-gone", "SIGNL4 in ops-shelved"]).await;
    stage.chat.delete_room(&gone).unwrap();
    stage.chat.set_archived(&shelved, true).unwrap();
    stage.flush().await;
    bot.kill().await;
    stage.say("SIGNL4 while down");
    let mut bot = stage.start().await;
    stage.alert("SIGNL4 while down").await;
    stage.chat.set_archived(&shelved, false).unwrap();
    stage.say_in(&shelved, "SIGNL4 taken up again");
    stage.alert("SIGNL4 taken up again").await;
    stage.flush().await;
    assert_eq!(stage.pages().len(), 4, "{:?}", stage.pages());
    bot.assert_runs();
}

#[tokio::test]
async fn a_room_that_the_server_will_not_look_up_after_a_restart_loses_nothing() {
    let mut stage = Stage::set().await.without_joining();
    stage.watch(&["operations", "plaza"]);
    let plaza = stage.chat.create_room(NewRoom::channel("plaza").members([&stage.alice])).unwrap();
    let bot = stage.start().await;
    stage.say_in(&plaza, "SIGNL4 one");
    bot.wait_for_log(&["alert sent"]).await;
    bot.kill().await;
    stage.say_in(&plaza, "SIGNL4 two");
    // So that it is from well before the sessions that follow.
    stage.chat.clock_forward(std::time::Duration::from_secs(60));
    stage.chat.faults().rest_always("rooms.info", RestFault::status(400));
    let bot = stage.start().await;
    bot.wait_for_log(&["caught up"]).await;
    bot.kill().await;
    stage.chat.faults().clear();
    let _bot = stage.start().await;
    stage.alert("SIGNL4 two").await;
    assert_eq!(stage.texts(), ["SIGNL4 one", "SIGNL4 two"]);
}

#[tokio::test]
async fn a_channel_made_while_the_bot_was_down_alerts_on_what_was_said_there_since() {
    let mut stage = Stage::set().await;
    stage.watch(&["operations", "ops-*"]);
    let bot = stage.start().await;
    stage.flush().await;
    bot.wait_for_log(&["caught up"]).await;
    bot.kill().await;
    let room = stage.chat.create_room(NewRoom::channel("ops-new").members([&stage.alice])).unwrap();
    stage.say_in(&room, "SIGNL4 in the new channel");
    // So that it is from well before the next session.
    stage.chat.clock_forward(Duration::from_secs(60));
    let _bot = stage.start().await;
    stage.alert("SIGNL4 in the new channel").await;
    stage.flush().await;
    assert_eq!(stage.pages(), ["SIGNL4 in the new channel"]);
}

/// By a message that the stream brings before the rooms are listed, the bot joins the channel.
#[tokio::test]
async fn a_channel_made_while_the_bot_was_down_that_is_joined_before_it_is_listed_loses_nothing() {
    for watched in ["ops-*", "ops-new"] {
        let mut stage = Stage::set().await;
        stage.watch(&["operations", watched]);
        let bot = stage.start().await;
        bot.wait_for_log(&["caught up"]).await;
        bot.kill().await;
        let room = stage.chat.create_room(NewRoom::channel("ops-new").members([&stage.alice])).unwrap();
        stage.say_in(&room, "SIGNL4 before anybody listened");
        stage.chat.clock_forward(Duration::from_secs(60));
        let slow = RestFault::Slow(Duration::from_secs(2));
        stage.chat.faults().rest_always("rooms.get", slow);
        let bot = stage.launch();
        bot.wait_for_log(&["listening; reading what was missed"]).await;
        stage.say_in(&room, "SIGNL4 by the stream");
        bot.wait_for_log(&["joined a watched channel"]).await;
        stage.wait_for_texts(&["SIGNL4 by the stream", "SIGNL4 before anybody listened"]).await;
    }
}

#[tokio::test]
async fn a_channel_made_while_the_bot_was_down_and_told_of_only_to_a_later_bot_loses_nothing() {
    let mut stage = Stage::set().await;
    stage.watch(&["operations", "ops-*"]);
    let bot = stage.start().await;
    bot.wait_for_log(&["caught up"]).await;
    bot.kill().await;
    let room = stage.chat.create_room(NewRoom::channel("ops-new").members([&stage.alice])).unwrap();
    stage.say_in(&room, "SIGNL4 in the new channel");
    // So that it is from well before the sessions that follow.
    stage.chat.clock_forward(Duration::from_secs(60));
    stage.chat.faults().rest_always("channels.list", RestFault::status(503));
    let bot = stage.start().await;
    bot.wait_for_log(&["caught up"]).await;
    // Another write comes after the one that says what is settled.
    stage.flush().await;
    bot.kill().await;
    stage.chat.clock_forward(Duration::from_secs(60));
    stage.chat.faults().clear();
    let _bot = stage.start().await;
    stage.alert("SIGNL4 in the new channel").await;
}

#[tokio::test]
async fn a_channel_that_the_stream_is_silent_about_is_found_and_read_within_a_round() {
    let stage = watching().await;
    let _bot = stage.start_inside(quick()).await;
    stage.flush().await;
    stage.wait_for_rounds(1).await;
    stage.chat.faults().set(|switches| switches.withhold_messages = true);
    let room = stage.chat.create_room(NewRoom::channel("ops-new").members([&stage.alice])).unwrap();
    stage.say_in(&room, "SIGNL4 in the new channel");
    stage.alert("SIGNL4 in the new channel").await;
    stage.say_in(&room, "SIGNL4 again");
    stage.alert("SIGNL4 again").await;
}

#[tokio::test]
async fn a_channel_renamed_out_of_a_pattern_while_nobody_listened_is_not_watched_any_more() {
    let stage = watching().await;
    let room = stage.chat.create_room(NewRoom::channel("ops-old").members([&stage.alice])).unwrap();
    let _bot = stage.start_inside(quick()).await;
    stage.flush().await;
    stage.wait_for_rounds(1).await;
    stage.chat.faults().set(|switches| switches.withhold_messages = true);
    stage.chat.rename(&room, "lounge").unwrap();
    stage.wait_for_rounds(2).await;
    stage.say_in(&room, "SIGNL4 in the lounge");
    stage.say_in(&stage.room, "SIGNL4 in operations");
    stage.wait_for_rounds(2).await;
    stage.alert("SIGNL4 in operations").await;
    assert_eq!(stage.pages(), ["SIGNL4 in operations"]);
}

#[tokio::test]
async fn a_room_whose_renaming_is_learned_by_a_round_before_the_stream_tells_it_alerts_on_nothing_before() {
    let stage = watching().await;
    let room = stage.chat.create_room(NewRoom::group("dev").members([&stage.alice, &stage.bot])).unwrap();
    let _bot = stage.start_inside(crate::stage::quick()).await;
    stage.flush().await;
    let before = stage.chat.post(&room, &stage.alice, "SIGNL4 before").unwrap();
    stage.flush().await;
    // Rounds look back for half a minute, since clocks differ; only a message from before that can tell. To set the clock
    // forward would not do: the beginning of the session goes with it.
    stage.wait_until_past(&before, Duration::from_secs(33)).await;
    stage.chat.faults().set(|switches| switches.stall = true);
    stage.chat.rename(&room, "ops-dev").unwrap();
    stage.say_in(&room, "SIGNL4 after");
    stage.alert("SIGNL4 after").await;
    stage.wait_for_rounds(3).await;
    assert_eq!(stage.pages(), ["SIGNL4 after"]);
}
