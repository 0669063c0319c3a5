//! `bot.toml` names rooms and people by their display names, and alerts show them.

use std::time::Duration;

use sandbox::rocketchat::{NewMessage, NewRoom, NewUser, RestFault, Room};
use sandbox::signl4::Alert;

use crate::harness::{Harness, SOON, fast_rounds};

impl Harness {
    /// The alert that Alice's message in this room raises.
    async fn alert_from(&self, room: &Room, text: &str) -> Alert {
        self.chat.post(room, &self.alice, text).unwrap();
        self.alert(text).await
    }

    fn new_room(&self, new: NewRoom) -> Room {
        self.chat.create_room(new.members([&self.alice, &self.bot])).unwrap()
    }
}

fn parameter<'a>(alert: &'a Alert, name: &str) -> &'a str {
    alert.parameters[name].as_str()
}

#[tokio::test]
async fn a_room_is_watched_by_its_display_name_which_the_alert_shows() {
    let mut harness = Harness::new().await;
    harness.watch(&["operations", "STÖRUNG Halle 3", "pumpe *", "nacht-*"]);
    let hall = harness.new_room(NewRoom::group("Stoerung-Halle-3").shown_as("Störung Halle 3"));
    let pump = harness.new_room(NewRoom::discussion("Pumpe 3: was tun?", &harness.room));
    let night = harness.new_room(NewRoom::channel("nacht-1").shown_as("Leitstand"));
    let other = harness.new_room(NewRoom::discussion("Kantine", &harness.room));
    let _bot = harness.start_bot().await;
    let alert = harness.alert_from(&hall, "SIGNL4 hall").await;
    assert_eq!(parameter(&alert, "channel"), "Störung Halle 3");
    let address = format!("{}/group/Stoerung-Halle-3?msg=", harness.chat.url());
    assert!(parameter(&alert, "link").starts_with(&address), "{}", parameter(&alert, "link"));
    let alert = harness.alert_from(&pump, "SIGNL4 pump").await;
    assert_eq!(parameter(&alert, "channel"), "Pumpe 3: was tun?");
    let alert = harness.alert_from(&night, "SIGNL4 night").await;
    assert_eq!(parameter(&alert, "channel"), "Leitstand");
    // A room is watched from a little too early.
    let long_ago = harness.chat.now() - 60_000;
    let canteen = NewMessage::text("SIGNL4 canteen").at(long_ago).updated_at(long_ago);
    harness.chat.post(&other, &harness.alice, canteen).unwrap();
    // The title of a discussion changes, and its address does not.
    harness.chat.show_as(&other, "Pumpe 4").unwrap();
    let alert = harness.alert_from(&other, "SIGNL4 pump 4").await;
    assert_eq!(parameter(&alert, "channel"), "Pumpe 4");
    harness.flush().await;
    assert!(!harness.texts().contains(&"SIGNL4 canteen".to_owned()));
}

#[tokio::test]
async fn a_channel_that_the_bot_is_not_in_is_found_by_its_display_name() {
    find_by_the_name_that_people_see(Harness::new().await).await;
    let harness = Harness::new().await;
    harness.chat.faults().rest_always("rooms.info", RestFault::forbidden());
    find_by_the_name_that_people_see(harness).await;
}

async fn find_by_the_name_that_people_see(mut harness: Harness) {
    harness.watch(&["operations", "Störung Halle 3"]);
    let hall = NewRoom::channel("Stoerung-Halle-3").shown_as("Störung Halle 3");
    let hall = harness.chat.create_room(hall.members([&harness.alice])).unwrap();
    let bot = harness.start_in_process(fast_rounds()).await;
    let joined = |chat: &sandbox::rocketchat::RocketChat| {
        chat.room(&hall).is_some_and(|room| room.members.contains(&harness.bot.id)).then_some(())
    };
    harness.chat.wait_for(crate::harness::SOON, joined).await.unwrap();
    let message = harness.chat.post(&hall, &harness.alice, "SIGNL4 hall").unwrap();
    let alert = harness.alert("SIGNL4 hall").await;
    assert_eq!(parameter(&alert, "channel"), "Störung Halle 3");
    assert_eq!(harness.texts(), [message.text]);
    drop(bot);
}

#[tokio::test]
async fn a_channel_first_known_only_by_its_address_is_read_from_its_start() {
    let mut harness = Harness::new().await.without_auto_join();
    harness.watch(&["operations", "Pumpe *"]);
    let _bot = harness.start_in_process(fast_rounds()).await;
    harness.flush().await;
    let pump = NewRoom::channel("p3").shown_as("Pumpe 3");
    let pump = harness.chat.create_room(pump.members([&harness.alice])).unwrap();
    // The stream names the address, which no trigger watches.
    harness.alert_from(&pump, "SIGNL4 pump").await;
    harness.flush().await;
    assert_eq!(harness.pages(), ["SIGNL4 pump"]);
}

#[tokio::test]
async fn a_message_before_the_first_room_list_pages_the_team_of_the_display_name() {
    let mut harness = Harness::new().await;
    harness.configure(
        "[[trigger]]\nname = \"all\"\npattern = 'SIGNL4'\nrooms = [\"*\"]\ncontinue = true\n\
         [[trigger]]\nname = \"night\"\nwords = [\"SIGNL4\"]\nrooms = [\"Pumpe *\"]",
    );
    let pump = harness.new_room(NewRoom::group("p3").shown_as("Pumpe 3"));
    // The bot receives messages before it has read the room's name.
    harness.chat.faults().rest_next("rooms.get", 1, RestFault::Slow(Duration::from_secs(3)));
    harness.chat.faults().rest_next("rooms.info", 9, RestFault::status(500));
    let mut bot = harness.spawn_bot();
    bot.wait_for_log(&["connected"]).await;
    harness.alert_from(&pump, "SIGNL4 night").await;
    let both = harness.signl4.wait_until(SOON, |alerts, _| alerts.len() == 2).await;
    both.unwrap_or_else(|error| panic!("{error}: {:?}", harness.pages()));
    bot.assert_runs();
}

#[tokio::test]
async fn messages_while_the_bot_joins_a_channel_page_the_team_of_the_display_name() {
    let mut harness = Harness::new().await;
    harness.configure(
        "[[trigger]]\nname = \"night\"\npattern = 'SIGNL4'\nrooms = [\"Pumpe 3\"]\nmessage = \"night: {{ text }}\"\n\
         [[trigger]]\nname = \"all\"\npattern = 'SIGNL4'\nrooms = [\"operations\", \"p*\"]",
    );
    let pump = NewRoom::channel("p3").shown_as("Pumpe 3").members([&harness.alice]);
    let pump = harness.chat.create_room(pump).unwrap();
    // The bot receives messages before it has read the room's name.
    harness.chat.faults().rest_next("rooms.get", 1, RestFault::Slow(Duration::from_secs(3)));
    let bot = harness.spawn_bot();
    bot.wait_for_log(&["connected"]).await;
    let mut texts = Vec::new();
    for at in 0..60 {
        let text = format!("SIGNL4 number {at}");
        harness.chat.post(&pump, &harness.alice, text.as_str()).unwrap();
        texts.push(format!("night: {text}"));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    harness.wait_for_texts(&texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn messages_that_are_read_before_the_channels_are_listed_page_the_team_of_the_display_name() {
    let mut harness = Harness::new().await.with_fast_tempo().without_auto_join();
    harness.configure(
        "[[trigger]]\nname = \"night\"\npattern = 'SIGNL4'\nrooms = [\"Pumpe *\"]\nmessage = \"night: {{ text }}\"\n\
         [[trigger]]\nname = \"all\"\npattern = 'SIGNL4'\nrooms = [\"operations\", \"p*\"]\n\
         [replies]\non_sent = \"none\"",
    );
    let pump = NewRoom::channel("p3").shown_as("Pumpe 3").members([&harness.alice]);
    let pump = harness.chat.create_room(pump).unwrap();
    let bot = harness.start_bot().await;
    harness.flush().await;
    bot.kill().await;
    harness.chat.post(&pump, &harness.alice, "SIGNL4 missed").unwrap();
    harness.chat.clock_forward(Duration::from_secs(300));
    harness.chat.faults().rest_next("channels.list", 4, RestFault::status(500));
    let bot = harness.spawn_bot();
    bot.wait_for_log(&["connected"]).await;
    // The stream only has the room's address.
    harness.chat.post(&pump, &harness.alice, "SIGNL4 now").unwrap();
    harness.wait_for_texts(&["night: SIGNL4 now", "night: SIGNL4 missed"]).await;
}

#[tokio::test]
async fn links_lead_to_groups_livechats_and_direct_messages() {
    let harness = Harness::new().await;
    let direct = harness.new_room(NewRoom::direct([&harness.alice]));
    let visitor = harness.new_room(NewRoom::livechat("Visitor of the website"));
    let _bot = harness.start_bot().await;
    for (room, text, channel, path) in [
        (&direct, "SIGNL4 direct", "@alice", format!("direct/{}", direct.id)),
        (&visitor, "SIGNL4 livechat", "Visitor of the website", format!("live/{}", visitor.id)),
    ] {
        let alert = harness.alert_from(room, text).await;
        assert_eq!(parameter(&alert, "channel"), channel);
        let link = parameter(&alert, "link");
        assert!(link.starts_with(&format!("{}/{path}?msg=", harness.chat.url())), "{link}");
    }
}

#[tokio::test]
async fn users_match_by_username_id_and_display_name() {
    let mut harness = Harness::new().await;
    harness.configure(
        "[[trigger]]\nname = \"t\"\npattern = 'SIGNL4'\n\
         users = [\"@anna:example.org\", \"alice\", \"id:zabbix-id\", \"grafana-id\", \"name:Östliches Werk\"]\n\
         exclude_users = [\"@eve:example.org\", \"id:bot-2\"]",
    );
    let user = |new: NewUser| {
        let user = harness.chat.create_user(new).unwrap();
        harness.chat.join(&harness.room, &user).unwrap();
        user
    };
    let counted = [
        user(NewUser::named("@anna:example.org")),
        user(NewUser::named("zabbix").id("zabbix-id")),
        user(NewUser::named("grafana").id("grafana-id")),
        user(NewUser::named("werk7").name("östliches werk")),
    ];
    let others = [
        user(NewUser::named("@anna:example.com")),
        user(NewUser::named("anna")),
        user(NewUser::named("@eve:example.org").name("Östliches Werk")),
        user(NewUser::named("bot2").id("bot-2").name("Östliches Werk")),
    ];
    let _bot = harness.start_bot().await;
    for user in counted.iter().chain(&others) {
        harness.chat.post(&harness.room, user, format!("SIGNL4 by {}", user.id).as_str()).unwrap();
    }
    harness.flush().await;
    let expected: Vec<String> = counted.iter().map(|user| format!("SIGNL4 by {}", user.id)).collect();
    assert_eq!(harness.pages(), expected);
}
