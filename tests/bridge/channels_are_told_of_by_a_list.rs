//! Channels that the bot is not in are told of by the list of channels, the latest changed first. Whatever keeps a channel out
//! of what the bot read of that list, no message in it is passed over, and none from before it was watched pages.

use std::time::Duration;

use sandbox::rocketchat::{NewRoom, RestFault, RocketChat, Room};

use crate::stage::{SOON, Stage};

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
