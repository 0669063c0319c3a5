//! The server's clock is set while rooms are joined and messages are written: nothing passes for old because of that.

use std::time::Duration;

use sandbox::rocketchat::NewRoom;
use signl4_rocketchat::bot::Tempo;

use crate::stage::Stage;

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
