//! Channels that the bot is not in are told of by the list of channels, the latest changed first. Whatever keeps a channel out
//! of what the bot read of that list, no message in it is passed over, and none from before it was watched pages.

use std::time::Duration;

use sandbox::rocketchat::{Call, NewRoom, RestFault, RocketChat, Room};
use signl4_rocketchat::bot::Tempo;

use crate::stage::{SOON, Stage, quick};

const MINUTE: Duration = Duration::from_secs(60);
/// More channels than two pages of the list hold.
const CHANNELS: usize = 250;

/// A stage whose bot watches #operations and every channel named ops-…, without joining them.
async fn listening() -> Stage {
    let mut stage = Stage::set().await;
    stage.watch(&["operations", "ops-*"]);
    stage.without_joining()
}

impl Stage {
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
async fn a_list_or_a_look_up_that_the_server_refuses_passes_over_nothing() {
    for (watched, route) in [("ops-*", "channels.list"), ("ops-1", "rooms.info")] {
        let mut stage = Stage::set().await;
        stage.watch(&["operations", watched]);
        let stage = stage.without_joining();
        let room = stage.channel("ops-1");
        let bot = stage.start().await;
        bot.wait_for_log(&["caught up"]).await;
        // Long ago, so that what was told of it then does not count as news.
        stage.chat.clock_forward(10 * MINUTE);
        stage.reconnect(&bot, || ()).await;
        stage.chat.faults().rest_always(route, RestFault::status(400));
        stage
            .reconnect(&bot, || {
                stage.write(&room, "SIGNL4 while it was away");
                stage.chat.clock_forward(10 * MINUTE);
            })
            .await;
        stage.chat.faults().clear_rest();
        stage.reconnect(&bot, || ()).await;
        stage.alert("SIGNL4 while it was away").await;
    }
}

#[tokio::test]
async fn a_set_back_of_the_servers_clock_ends_no_list_too_early() {
    let stage = listening().await;
    let room = stage.channel("ops-1");
    let chatter = stage.chatter();
    let bot = stage.start().await;
    bot.wait_for_log(&["caught up"]).await;
    stage.chat.clock_forward(180 * MINUTE);
    for other in &chatter {
        stage.write(other, "small talk");
    }
    stage.chat.clock_forward(10 * MINUTE);
    stage.reconnect(&bot, || ()).await;
    // The bot learns the time, and does not read the channel for some minutes.
    stage.chat.clock_forward(5 * MINUTE);
    stage.chat.faults().rest_always("channels.list", RestFault::status(400));
    stage.chat.faults().rest_always_in(&room, "chat.syncMessages", RestFault::status(400));
    stage.reconnect(&bot, || ()).await;
    stage.chat.faults().clear_rest();
    stage
        .reconnect(&bot, || {
            stage.chat.clock_back(60 * MINUTE);
            stage.write(&room, "SIGNL4 by another time");
            stage.chat.clock_forward(2 * MINUTE);
        })
        .await;
    stage.alert("SIGNL4 by another time").await;
}

#[tokio::test]
async fn a_channel_that_changes_while_the_pages_are_read_is_read_all_the_same() {
    let stage = listening().await;
    let room = stage.channel("ops-1");
    let chatter = stage.chatter();
    let bot = stage.start().await;
    bot.wait_for_log(&["caught up"]).await;
    stage.chat.clock_forward(10 * MINUTE);
    stage.reconnect(&bot, || ()).await;
    stage.chat.faults().rest_next("channels.list", 1, RestFault::Slow(Duration::from_secs(2)));
    let missed = || {
        stage.write(&room, "SIGNL4 while it was away");
        stage.chat.clock_forward(5 * MINUTE);
        for other in &chatter {
            stage.write(other, "small talk");
        }
        stage.chat.clock_forward(MINUTE);
    };
    tokio::join!(stage.reconnect(&bot, missed), async {
        stage.wait_for_lists(1).await;
        // It was on the second page, and is on the first now.
        stage.write(&room, "SIGNL4 between the pages");
    });
    stage.wait_for_texts(&["SIGNL4 while it was away", "SIGNL4 between the pages"]).await;
}

#[tokio::test]
async fn a_channel_that_a_round_finds_and_joins_is_read_by_it() {
    let mut stage = Stage::set().await;
    stage.watch(&["operations", "ops-*"]);
    let _bot = stage.start_inside(Tempo { look_again: Duration::from_secs(4), ..Tempo::default() }).await;
    stage.wait_for_lists(2).await;
    stage.chat.faults().set(|switches| switches.withhold_messages = true);
    let room = stage.channel("ops-new");
    stage.write(&room, "SIGNL4 in the new channel");
    // Nearly as long as rounds are apart.
    stage.chat.clock_forward(MINUTE - Duration::from_secs(10));
    stage.alert("SIGNL4 in the new channel").await;
}

#[tokio::test]
async fn what_the_stream_dropped_in_the_bots_own_rooms_waits_for_no_list() {
    let stage = listening().await;
    let _bot = stage.start_inside(Tempo { look_again: Duration::from_secs(4), ..Tempo::default() }).await;
    // Right after it the next round is some seconds away.
    stage.wait_for_lists(2).await;
    stage.chat.faults().set(|switches| switches.withhold_messages = true);
    stage.chat.faults().rest_always("channels.list", RestFault::NoAnswer);
    stage.say("SIGNL4 in operations");
    stage.alert("SIGNL4 in operations").await;
}

#[tokio::test]
async fn a_channel_renamed_into_a_pattern_is_watched_since_the_last_round_however_young_it_is() {
    let stage = listening().await;
    let _bot = stage.start_inside(quick()).await;
    stage.wait_for_lists(2).await;
    stage.chat.faults().set(|switches| switches.withhold_messages = true);
    stage.chat.clock_forward(MINUTE);
    let room = stage.channel("lounge");
    stage.write(&room, "SIGNL4 before");
    stage.chat.clock_forward(5 * MINUTE);
    stage.wait_for_lists(2).await;
    stage.chat.rename(&room, "ops-new").unwrap();
    stage.write(&room, "SIGNL4 after");
    stage.alert("SIGNL4 after").await;
    stage.wait_for_lists(2).await;
    stage.flush().await;
    assert_eq!(stage.pages(), ["SIGNL4 after"]);
}

#[tokio::test]
async fn a_channel_that_may_not_be_read_is_asked_for_once_a_session() {
    let stage = listening().await;
    let room = stage.channel("ops-1");
    stage.chat.faults().rest_always_in(&room, "chat.syncMessages", RestFault::status(403));
    let _bot = stage.start_inside(quick()).await;
    stage.write(&room, "good morning");
    stage.wait_for_lists(6).await;
    let refused = |call: &Call| call.status == Some(403);
    assert_eq!(stage.chat.calls().iter().filter(|call| refused(call)).count(), 1);
}

#[tokio::test]
async fn an_archived_channel_is_warned_of_once() {
    let stage = listening().await;
    let room = stage.channel("ops-old");
    stage.chat.set_archived(&room, true).unwrap();
    stage.chat.clock_forward(10 * MINUTE);
    let bot = stage.start().await;
    bot.wait_for_log(&["caught up"]).await;
    stage.chat.clock_forward(10 * MINUTE);
    stage.reconnect(&bot, || ()).await;
    stage.reconnect(&bot, || ()).await;
    assert!(stage.listed() >= 3);
    assert_eq!(bot.count_in_log(&["a watched room is archived"]), 1, "{}", bot.log());
}
