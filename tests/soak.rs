//! The randomized soak: messages and events flow while faults drawn at random strike both servers and the bot, and at the
//! end every matching message has its alert and every event its reply, once and in the right thread.
//!
//! `SOAK_SECONDS=600 SOAK_SEED=7 cargo test --test soak -- --nocapture` runs longer, and repeats a run that failed: the
//! seed of every run is printed first. Only the order in which two machines' packets meet is not in the seed's hand.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "what fails here fails the test, and its seed is to be read"
)]

#[path = "bridge/stage.rs"]
mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt, SeedableRng};
use sandbox::rocketchat::{Limits, Message, NewRoom, Options, RestFault, Room};
use sandbox::signl4::{Alert, Notification, OutboundFault, Outcome, Times, WebhookFault};
use stage::{Bot, Stage};
use tokio::time::{Instant, sleep};

/// How long the short run in the tests takes.
const USUAL_SECONDS: u64 = 25;
/// How long everything may take to come to rest once the faults are over.
const REST: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn whatever_strikes_every_match_alerts_once_and_every_event_appears_once_in_its_thread() {
    let seconds = number("SOAK_SECONDS").unwrap_or(USUAL_SECONDS);
    let seed = number("SOAK_SEED").unwrap_or_else(rand::random);
    println!("SOAK_SEED={seed} SOAK_SECONDS={seconds}");
    let mut soak = Soak::set(seed).await;
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        soak.step().await;
        let pause = soak.rng.random_range(0..120);
        sleep(Duration::from_millis(pause)).await;
    }
    soak.come_to_rest().await;
    soak.check_alerts();
    soak.check_replies().await;
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|value| value.parse().ok())
}

struct Soak {
    stage: Stage,
    rng: StdRng,
    rooms: Vec<Room>,
    bot: Option<Bot>,
    /// Messages that match, by the text that matches.
    written: BTreeMap<String, Message>,
    /// Messages that do not match yet.
    harmless: Vec<Message>,
    /// Faults that are over at a time.
    striking: Vec<(Instant, Fault)>,
    next: u32,
    kills: usize,
    clock_goes_back: bool,
}

/// What strikes for a while and is then taken back.
#[derive(Clone, Copy, Debug)]
enum Fault {
    ChatRefuses,
    Signl4Refuses,
    Habits,
    BotDead,
    RestAway,
}

impl Soak {
    async fn set(seed: u64) -> Self {
        let options = Options { seed, limits: Limits::OFF, ..Options::default() };
        let stage = Stage::set_with(options, sandbox::signl4::Options::default()).await;
        let members = [&stage.alice, &stage.bob, &stage.bot];
        let rooms = vec![
            stage.room.clone(),
            stage.chat.create_room(NewRoom::channel("plant").members(members)).unwrap(),
            stage.chat.create_room(NewRoom::group("night").members(members)).unwrap(),
            stage.chat.create_room(NewRoom::direct([&stage.alice, &stage.bot])).unwrap(),
        ];
        let bot = Some(stage.start().await);
        Self {
            stage,
            rng: StdRng::seed_from_u64(seed),
            rooms,
            bot,
            written: BTreeMap::new(),
            harmless: Vec::new(),
            striking: Vec::new(),
            next: 0,
            kills: 0,
            clock_goes_back: seed % 2 == 1,
        }
    }

    async fn step(&mut self) {
        self.take_back(Instant::now()).await;
        if let Some(bot) = &mut self.bot {
            bot.assert_runs();
        }
        match self.rng.random_range(0..100) {
            0..30 => self.write(),
            30..40 => self.emit_again(),
            40..45 => self.edit_until_it_matches(),
            45..75 => self.act_on_the_phone(),
            _ => self.strike().await,
        }
    }

    fn text(&mut self, prefix: &str) -> String {
        self.next += 1;
        format!("{prefix} {:04}", self.next)
    }

    fn write(&mut self) {
        let room = self.rooms.choose(&mut self.rng).unwrap().clone();
        if self.rng.random_ratio(1, 4) {
            let text = format!("nothing to see {}", self.rng.next_u32());
            let message = self.stage.chat.post(&room, &self.stage.alice, text).unwrap();
            return self.harmless.push(message);
        }
        let text = self.text("SIGNL4 number");
        let parent =
            self.stage.chat.messages(&room).into_iter().filter(|message| message.thread_id.is_none());
        let parent = parent.collect::<Vec<_>>().choose(&mut self.rng).cloned();
        let message = match parent {
            Some(parent) if self.rng.random_ratio(1, 5) => {
                self.stage.chat.reply(&parent, &self.stage.alice, text.as_str()).unwrap()
            }
            _ => self.stage.chat.post(&room, &self.stage.alice, text.as_str()).unwrap(),
        };
        self.written.insert(text, message);
    }

    fn emit_again(&mut self) {
        let messages: Vec<Message> = self.written.values().cloned().collect();
        let Some(message) = messages.choose(&mut self.rng) else { return };
        let (chat, bob) = (&self.stage.chat, &self.stage.bob);
        match self.rng.random_range(0..4) {
            0 => drop(chat.react(message, bob, ":eyes:").unwrap()),
            1 => drop(chat.pin(message).unwrap()),
            2 => drop(chat.reply(message, bob, "looking into it").unwrap()),
            _ => chat.replay(message),
        }
    }

    /// An edit while the bot is away is only noticed where the room changes afterwards, so a message follows it.
    fn edit_until_it_matches(&mut self) {
        let Some(message) = self.harmless.pop() else { return };
        let text = self.text("SIGNL4 edited");
        let message = self.stage.chat.edit(&message, &self.stage.alice, &text).unwrap();
        self.stage.chat.post(&message.room_id, &self.stage.alice, "edited the above").unwrap();
        self.written.insert(text, message);
    }

    fn act_on_the_phone(&mut self) {
        let alerts = self.stage.signl4.alerts();
        let Some(alert) = alerts.choose(&mut self.rng) else { return };
        let signl4 = &self.stage.signl4;
        // What the alert's state does not allow is refused, and nothing comes of it.
        let _ = match self.rng.random_range(0..4) {
            0 => signl4.acknowledge(&alert.id, "Rene"),
            1 => signl4.close(&alert.id, "Mia"),
            _ => {
                let note = format!("note {}", self.rng.next_u64());
                signl4.annotate(&alert.id, "Jonas", &note)
            }
        };
    }

    async fn strike(&mut self) {
        match self.rng.random_range(0..12) {
            0 => self.stage.chat.faults().cut_connections(),
            1 => self.begin(Fault::ChatRefuses, 2_000),
            2 => self.begin(Fault::Signl4Refuses, 3_000),
            3 => self.begin(Fault::Habits, 3_000),
            4 => self.kill().await,
            5 => self.begin(Fault::RestAway, 2_000),
            6 | 7 => self.trip_the_webhook(),
            8 | 9 => self.trip_the_notifications(),
            10 => self.trip_the_rest_api(),
            _ => self.move_the_clock(),
        }
    }

    fn begin(&mut self, fault: Fault, longest: u64) {
        let chat = self.stage.chat.faults();
        match fault {
            Fault::ChatRefuses => {
                chat.set(|switches| switches.refuse_connections = true);
                chat.cut_connections();
            }
            Fault::Habits => {
                let draw = self.rng.random_range(0..5);
                chat.set(|switches| match draw {
                    0 => switches.duplicate_messages = true,
                    1 => switches.reverse_messages = true,
                    2 => switches.nested_args = true,
                    3 => switches.omit_room_name = true,
                    _ => switches.withhold_messages = true,
                });
            }
            Fault::RestAway => chat.rest_always("*", RestFault::bad_gateway()),
            Fault::Signl4Refuses | Fault::BotDead => {}
        }
        let lasts = Duration::from_millis(self.rng.random_range(100..longest));
        self.striking.push((Instant::now() + lasts, fault));
    }

    async fn kill(&mut self) {
        if let Some(bot) = self.bot.take() {
            bot.kill().await;
            self.kills += 1;
            self.begin(Fault::BotDead, 2_000);
        }
    }

    fn trip_the_webhook(&mut self) {
        let fault = match self.rng.random_range(0..6) {
            0 => WebhookFault::Status(503),
            1 => WebhookFault::Throttled(Duration::from_secs(1)),
            2 => WebhookFault::LoseAnswer,
            3 => WebhookFault::Body("rubbish".to_owned()),
            4 => WebhookFault::EventBeforeAnswer,
            _ => WebhookFault::Slow(Duration::from_millis(800)),
        };
        self.stage.signl4.faults().webhook(fault, Times::Next(1));
    }

    fn trip_the_notifications(&mut self) {
        let fault = match self.rng.random_range(0..3) {
            0 => OutboundFault::Duplicate,
            1 => OutboundFault::AfterNext,
            _ => OutboundFault::Delay(Duration::from_secs(1)),
        };
        self.stage.signl4.faults().outbound(fault, Times::Next(2));
    }

    fn trip_the_rest_api(&mut self) {
        let fault = match self.rng.random_range(0..5) {
            0 => RestFault::status(500),
            1 => RestFault::TooManyRequests { reset_in: Duration::from_secs(1) },
            2 => RestFault::LostAnswer,
            3 => RestFault::Cut,
            _ => RestFault::Slow(Duration::from_millis(700)),
        };
        let route = ["chat.sendMessage", "chat.syncMessages", "rooms.get", "chat.react"];
        self.stage.chat.faults().rest_next(route.choose(&mut self.rng).unwrap(), 2, fault);
    }

    /// In one run always in the same direction. Set back and forward again while nobody looks, a clock leaves no trace,
    /// and messages with times that were read long ago.
    fn move_the_clock(&mut self) {
        let by = Duration::from_secs(self.rng.random_range(1..3_600));
        match self.clock_goes_back {
            true => self.stage.chat.clock_back(by),
            false => self.stage.chat.clock_forward(by),
        }
    }

    /// Ends the faults whose time is over.
    async fn take_back(&mut self, now: Instant) {
        let (over, still) = self.striking.drain(..).partition(|(until, _)| *until <= now);
        self.striking = still;
        for (_, fault) in over {
            match fault {
                Fault::BotDead => self.bot = Some(self.stage.launch()),
                _ => self.end(fault),
            }
        }
        match self.striking.iter().any(|(_, fault)| matches!(fault, Fault::Signl4Refuses)) {
            true => self.stage.signl4.refuse().await,
            false => self.stage.signl4.listen_again().await.unwrap(),
        }
    }

    fn end(&self, fault: Fault) {
        let chat = self.stage.chat.faults();
        match fault {
            Fault::RestAway => chat.clear_rest(),
            _ => chat.set(|switches| *switches = Default::default()),
        }
    }

    /// Ends every fault, starts the bot anew, and waits until nothing is missing any more.
    async fn come_to_rest(&mut self) {
        self.stage.chat.faults().clear();
        self.stage.signl4.faults().clear();
        self.take_back(Instant::now() + Duration::from_secs(3_600)).await;
        if let Some(bot) = self.bot.take() {
            bot.kill().await;
            self.kills += 1;
        }
        self.bot = Some(self.stage.start().await);
        let texts: BTreeSet<String> = self.written.keys().cloned().collect();
        let all = |alerts: &[Alert]| texts.iter().all(|text| alerts.iter().any(|alert| alert.text == *text));
        let waited = self.stage.signl4.wait_until(REST, |alerts, _| all(alerts)).await;
        if waited.is_err() {
            let raised: BTreeSet<String> = self.stage.texts().into_iter().collect();
            let lost: Vec<_> = texts.difference(&raised).map(|text| (text, &self.written[text])).collect();
            panic!("LOST: {lost:#?}\n{}", self.log());
        }
        self.stage.signl4.wait_for_delivery(REST).await.unwrap();
    }

    /// Every match has one alert, but where a call's answer could not reach the bot: then it may have two.
    fn check_alerts(&self) {
        let mut pages: BTreeMap<String, Vec<Alert>> = BTreeMap::new();
        for alert in self.stage.signl4.alerts() {
            pages.entry(alert.text.clone()).or_default().push(alert);
        }
        let unasked: Vec<_> = pages.keys().filter(|text| !self.written.contains_key(*text)).collect();
        assert!(unasked.is_empty(), "nobody asked for {unasked:?}");
        let mut unavoidable = 0;
        for (text, alerts) in &pages {
            for alert in &alerts[..alerts.len() - 1] {
                assert!(self.was_unanswered(alert), "DOUBLE: {text}\n{}", self.log());
                unavoidable += 1;
            }
        }
        println!(
            "{} matches, {} alerts, {unavoidable} unavoidably doubled, {} kills",
            self.written.len(),
            self.stage.signl4.alerts().len(),
            self.kills
        );
    }

    /// Whether the bot cannot know that SIGNL4 raised this alert: no bot ever logged its name.
    fn was_unanswered(&self, alert: &Alert) -> bool {
        let named = |line: &str| line.contains("alert sent") && line.contains(&alert.event_id);
        !self.stage.logs().iter().any(|log| log.lines().any(named))
    }

    /// Every event that the bot took appears once, and where the bot knows the alert by name, in that alert's thread.
    async fn check_replies(&self) {
        let notes: BTreeMap<String, (Notification, bool)> = self
            .stage
            .signl4
            .notifications()
            .into_iter()
            .filter(|sent| sent.event_type == 203)
            .map(|sent| {
                let text = format!("Jonas: {}", sent.body["annotation"]["message"].as_str().unwrap());
                let taken = sent.outcome == Outcome::Delivered(200);
                (text, (sent, taken))
            })
            .collect();
        for (text, (sent, taken)) in &notes {
            if *taken {
                let shown = |_: &sandbox::rocketchat::RocketChat| Some(()).filter(|()| self.posted(text) > 0);
                let waited = self.stage.chat.wait_for(REST, shown).await;
                assert!(waited.is_ok(), "MISSING REPLY: {text}\n{}", self.log());
            }
            assert!(self.posted(text) <= 1, "DOUBLE REPLY: {text}\n{}", self.log());
            self.check_thread(text, sent);
        }
        println!("{} notes, each told once", notes.len());
    }

    fn posted(&self, text: &str) -> usize {
        let messages = self.rooms.iter().flat_map(|room| self.stage.chat.messages(room));
        messages.filter(|message| message.text == text).count()
    }

    fn check_thread(&self, text: &str, sent: &Notification) {
        let alert = self.stage.signl4.alert(sent.alert_id.as_deref().unwrap()).unwrap();
        let message = &self.written[&alert.text];
        let messages = self.stage.chat.messages(&message.room_id);
        let Some(reply) = messages.iter().find(|message| message.text == text) else {
            assert_eq!(self.posted(text), 0, "WRONG ROOM: {text}\n{}", self.log());
            return;
        };
        if !self.was_unanswered(&alert) {
            let thread = message.thread_id.as_deref().unwrap_or(&message.id);
            assert_eq!(reply.thread_id.as_deref(), Some(thread), "WRONG THREAD: {text}\n{}", self.log());
        }
    }

    fn log(&self) -> String {
        self.stage.logs().join("\n--- started anew ---\n")
    }
}
