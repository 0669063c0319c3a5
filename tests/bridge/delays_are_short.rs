//! A message pages soon after it was written, whichever parts of Rocket.Chat work: without a WebSocket, with an
//! account that may only make few calls, if the stream drops it, and if some rooms cannot be read.

use std::time::Duration;

use sandbox::rocketchat::{Limit, Limits, NewRoom, Options, RestFault, RocketChat, Room};
use sandbox::signl4;
use signl4_rocketchat::bot::Tempo;
use tokio::time::Instant;

use crate::harness::{Harness, SOON, fast, http};

/// Ten times as fast as the product, without rounds: only polling finds what no stream delivers. That the product's own times are
/// short enough is asserted in `bot/backfill/poll.rs`.
fn polling() -> Tempo {
    let hour = Duration::from_hours(1);
    let tempo = Tempo::default();
    Tempo {
        look_again: hour,
        search_again: hour,
        poll_every: tempo.poll_every / 10,
        poll_after: tempo.poll_after / 10,
        ..fast()
    }
}

impl Harness {
    fn groups(&self, count: usize) -> Vec<Room> {
        let members = [&self.alice, &self.bot];
        let group = |at| NewRoom::group(format!("group-{at}")).members(members);
        (0..count).map(|at| self.chat.create_room(group(at)).unwrap()).collect()
    }

    async fn readiness(&self) -> String {
        let answer = http().get(format!("{}/readyz", self.admin_url())).send().await.unwrap();
        answer.text().await.unwrap()
    }

    fn write_in_each(&self, rooms: &[Room], what: &str) -> Vec<String> {
        let texts: Vec<String> = rooms.iter().map(|room| format!("SIGNL4 {what} in {}", room.name)).collect();
        for (room, text) in rooms.iter().zip(&texts) {
            self.chat.post(room, &self.alice, text.as_str()).unwrap();
        }
        texts
    }
}

fn texts(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

#[tokio::test]
async fn without_a_websocket_messages_page_within_half_a_minute() {
    let harness = Harness::new().await;
    harness.chat.faults().set(|switches| switches.refuse_websockets = true);
    let _bot = harness.start_in_process(polling()).await;
    let state = harness.readiness().await;
    assert!(state.contains("degraded") && state.contains("polls the rooms over REST"), "{state}");
    for text in ["SIGNL4 one", "SIGNL4 two"] {
        harness.say(text);
        harness.alert(text).await;
    }
    harness.chat.faults().set(|switches| switches.refuse_websockets = false);
    harness.chat.wait_for(SOON, |chat| (chat.sessions_of(&harness.bot) == 1).then_some(())).await.unwrap();
    harness.wait_for_readiness(200, r#""state":"ready""#).await;
    harness.flush().await;
    assert_eq!(harness.pages().len(), 2, "{:?}", harness.pages());
}

#[tokio::test]
async fn without_a_websocket_messages_page_even_with_catch_up_zero() {
    let harness = Harness::new().await.with_catch_up("0s");
    harness.chat.faults().set(|switches| switches.refuse_websockets = true);
    let _bot = harness.start_in_process(polling()).await;
    let state = harness.readiness().await;
    assert!(state.contains("polls the rooms over REST"), "{state}");
    for text in ["SIGNL4 one", "SIGNL4 two"] {
        harness.say(text);
        harness.alert(text).await;
    }
    harness.flush().await;
    assert_eq!(harness.pages().len(), 2, "{:?}", harness.pages());
}

#[tokio::test]
async fn polling_replaces_a_lost_session() {
    let harness = Harness::new().await.with_fast_tempo();
    // So that the rooms are read, and not only listed.
    harness.chat.store_last_message(false);
    let mut bot = harness.start_bot().await;
    harness.flush().await;
    harness.chat.faults().set(|switches| switches.refuse_websockets = true);
    harness.chat.faults().cut_connections();
    harness.say("SIGNL4 just after");
    bot.wait_for_log(&["polling the rooms over REST"]).await;
    // A room that the bot is invited to meanwhile is polled too.
    let [room] = &harness.groups(1)[..] else { panic!("one room") };
    harness.chat.post(room, &harness.alice, "SIGNL4 in a new room").unwrap();
    harness.wait_for_texts(&["SIGNL4 just after", "SIGNL4 in a new room"]).await;
    let parent = harness.say("nothing to see");
    harness.chat.reply(&parent, &harness.alice, "SIGNL4 in a thread").unwrap();
    harness.alert("SIGNL4 in a thread").await;
    assert_eq!(bot.count_in_log(&["polling the rooms over REST"]), 1, "{}", bot.log());
    harness.chat.faults().set(|switches| switches.refuse_websockets = false);
    bot.wait_until_ready().await;
    harness.flush().await;
    assert_eq!(harness.pages().len(), 3, "{:?}", harness.pages());
}

#[tokio::test]
async fn a_rate_limited_account_pages_for_300_missed_rooms_within_a_minute() {
    let chat = Options {
        limits: Limits { rest: Some(Limit::per_seconds(10, 60)), ..Limits::OFF },
        ..Options::default()
    };
    let harness = Harness::with_options(chat, signl4::Options::default()).await;
    harness.chat.deny(&harness.bot, "api-bypass-rate-limit").unwrap();
    let rooms = harness.groups(300);
    let bot = harness.start_bot().await;
    harness.flush().await;
    bot.kill().await;
    let missed = harness.write_in_each(&rooms, "missed");
    let _bot = harness.spawn_bot();
    // Read one by one, the rooms would take half an hour.
    harness.wait_for_texts_within(&texts(&missed), Duration::from_secs(60)).await;
    assert!(harness.chat.calls_of("chat.syncMessages").len() < 30);
}

#[tokio::test]
async fn a_rate_limited_account_pages_for_earlier_messages_after_the_last_ones() {
    let chat = Options {
        limits: Limits { rest: Some(Limit::per_seconds(10, 2)), ..Limits::OFF },
        ..Options::default()
    };
    let harness = Harness::with_options(chat, signl4::Options::default()).await;
    harness.chat.deny(&harness.bot, "api-bypass-rate-limit").unwrap();
    let rooms = harness.groups(30);
    let bot = harness.start_bot().await;
    harness.flush().await;
    bot.kill().await;
    let mut missed = harness.write_in_each(&rooms, "first");
    missed.extend(harness.write_in_each(&rooms, "last"));
    let _bot = harness.spawn_bot();
    harness.wait_for_texts(&texts(&missed)).await;
    harness.flush().await;
    assert_eq!(harness.pages().len(), missed.len());
}

#[tokio::test]
async fn a_message_dropped_by_the_stream_pages_within_15_seconds() {
    // As many calls for each list of rooms as an account has without `api-bypass-rate-limit`.
    let limits = Limits { rest: Some(Limit::per_seconds(10, 6)), ..Limits::OFF };
    let chat = Options { limits, ..Options::default() };
    let harness = Harness::with_options(chat, signl4::Options::default()).await;
    harness.chat.deny(&harness.bot, "api-bypass-rate-limit").unwrap();
    let _bot = harness.start_in_process(polling()).await;
    harness.flush().await;
    // The only round has listed the rooms, and polling has begun.
    let listed = |chat: &RocketChat| (chat.calls_of("rooms.get").len() > 1).then_some(());
    harness.chat.wait_for(SOON, listed).await.unwrap();
    harness.chat.faults().set(|switches| switches.withhold_messages = true);
    for store_last_message in [true, false] {
        harness.chat.store_last_message(store_last_message);
        let text = format!("SIGNL4 saved, and last message kept: {store_last_message}");
        harness.say(&text);
        harness.wait_for_texts_within(&[&text], Duration::from_secs(15)).await;
    }
}

#[tokio::test]
async fn rooms_that_answer_500_delay_no_later_room() {
    let harness = Harness::new().await;
    harness.chat.store_last_message(false);
    let rooms = harness.groups(9);
    let tempo = Tempo { retry_unit: Duration::from_secs(1), ..fast() };
    let _bot = harness.start_in_process(tempo).await;
    harness.flush().await;
    harness.chat.faults().set(|switches| switches.refuse_connections = true);
    harness.chat.faults().cut_connections();
    let missed = harness.write_in_each(&rooms, "missed");
    for room in &rooms[..8] {
        harness.chat.faults().rest_always_in(room, "chat.syncMessages", RestFault::status(500));
    }
    harness.chat.faults().set(|switches| switches.refuse_connections = false);
    let back = Instant::now();
    harness.alert(&missed[8]).await;
    assert!(back.elapsed() < Duration::from_secs(8), "{:?}", back.elapsed());
    harness.chat.faults().clear_rest();
    harness.wait_for_texts(&texts(&missed)).await;
}
