//! The randomized soak test: messages and events flow while random faults affect both servers and the bot. At the end
//! every matching message has its alert and every event its reply, once and in the right thread.
//!
//! `SOAK_SECONDS=600 SOAK_SEED=7 cargo test --test soak -- --nocapture` runs longer, and repeats a failed run: every
//! run first prints its seed. The seed determines everything except the timing of the network. If `LIBFAKETIME` names
//! `libfaketimeMT.so.1`, the clock of the bot's own machine is set as well.
//!
//! One test gives each alert its room's ID as external ID, as the bot does by default, the other one an ID of its own. Then SIGNL4's
//! events always show which alert they are about, and there may be no second page after an event has shown that there was a first.
//!
//! `SOAK_LOG=1` prints the log and all calls in any case.
//!
//! `SOAK_REPLICAS=3 tests/postgres.sh cargo test --test soak` runs so many replicas on PostgreSQL instead of one bot on SQLite.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "what fails here fails the test, and its seed is to be read"
)]

#[path = "../bridge/database_link.rs"]
mod database_link;
mod faults;
#[path = "../bridge/harness.rs"]
mod harness;
mod replicas;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use faults::{ActiveFault, FaultCounts};
use harness::Harness;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt, SeedableRng};
use replicas::{Interruption, Replica};
use sandbox::rocketchat::{Heartbeat, Limit, Limits, Message, NewRoom, Options, Room};
use sandbox::signl4::Alert;
use tokio::time::{Instant, sleep};
use url::Url;

/// The duration of the short run in the tests.
const USUAL_SECONDS: u64 = 15;
/// How long nothing may happen until everything has settled once the faults are over. A slow machine needs longer for all.
const REST: Duration = Duration::from_secs(180);
/// The maximum number of rooms.
const MOST_ROOMS: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn under_injected_faults_every_match_alerts_once_and_every_event_appears_once() {
    run(ExternalId::Room).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn under_injected_faults_no_alert_with_its_own_external_id_is_doubled_after_an_event_about_it() {
    run(ExternalId::Message).await;
}

/// The external ID of an alert.
#[derive(Clone, Copy, Debug, PartialEq)]
enum ExternalId {
    Room,
    Message,
}

async fn run(external_id: ExternalId) {
    let seconds = number("SOAK_SECONDS").unwrap_or(USUAL_SECONDS);
    let seed = number("SOAK_SEED").unwrap_or_else(rand::random);
    let replicas = number("SOAK_REPLICAS").unwrap_or(1);
    println!("SOAK_SEED={seed} SOAK_SECONDS={seconds} SOAK_REPLICAS={replicas} {external_id:?}");
    let mut soak = Soak::set(seed, replicas, external_id).await;
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        soak.step().await;
        let pause = soak.rng.random_range(0..120);
        sleep(Duration::from_millis(pause)).await;
    }
    soak.settle().await;
    if std::env::var_os("SOAK_LOG").is_some() {
        println!("{}\n{:#?}", soak.log(), soak.harness.signl4.calls());
    }
    soak.check_alerts();
    soak.check_replies().await;
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|value| value.parse().ok())
}

/// The kind of installation: the part of the seed that does not change during a run.
#[derive(Debug)]
struct Installation {
    /// Microservices: the streamer's answers differ from those of the monolith.
    streamer: bool,
    /// The account has no `api-bypass-rate-limit`, and Meteor counts the calls of DDP.
    limited: bool,
    /// `chat.syncMessages` does not support paging yet.
    unpaged: bool,
    /// `Store_Last_Message` is off: the list of rooms does not contain the last messages.
    forgets_last: bool,
    /// The direction in which the server's clock jumps, which is the same during a run. If a clock is set back and
    /// forward again unnoticed, it leaves no trace except messages with times that were read long ago.
    clock_goes_back: bool,
    /// New channels are created without the bot: it has to find those that a pattern names, and join them.
    uninvited: bool,
}

impl Installation {
    fn draw(rng: &mut StdRng) -> Self {
        Self {
            streamer: rng.random_ratio(1, 3),
            limited: rng.random_ratio(1, 3),
            unpaged: rng.random_ratio(1, 3),
            clock_goes_back: rng.random_ratio(1, 2),
            uninvited: rng.random_ratio(1, 2),
            forgets_last: rng.random_ratio(1, 2),
        }
    }

    fn options(&self, seed: u64) -> Options {
        // As strict as the real ones within a window, but with windows short enough that a storm ends soon.
        let quick = Limits {
            logins: Some(Limit::per_seconds(5, 10)),
            methods: Some(Limit::per_seconds(10, 2)),
            all_methods: Some(Limit::per_seconds(600, 60)),
            rest: Some(Limit::per_seconds(10, 1)),
        };
        Options {
            seed,
            limits: if self.limited { quick } else { Limits::OFF },
            heartbeat: if self.streamer { Heartbeat::STREAMER } else { Heartbeat::MONOLITH },
            version: if self.unpaged { "7.5.0" } else { "8.0.1" }.to_owned(),
            ..Options::default()
        }
    }
}

struct Soak {
    /// The servers.
    harness: Harness,
    rng: StdRng,
    installation: Installation,
    rooms: Vec<Room>,
    replicas: Vec<Replica>,
    /// Where there are several, their database.
    database: Option<Url>,
    /// Messages that match, by the text that matches.
    written: BTreeMap<String, Message>,
    /// Messages that do not match yet.
    harmless: Vec<Message>,
    /// Faults that end at a given time.
    active_faults: Vec<ActiveFault>,
    fault_counts: FaultCounts,
    /// How far the bot's clock was set ahead, in seconds.
    ahead: i64,
    next: u32,
    /// When the bot or SIGNL4 was stopped, whether or not calls were in progress.
    interruptions: Vec<Interruption>,
}

impl Soak {
    async fn set(seed: u64, replicas: u64, external_id: ExternalId) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let installation = Installation::draw(&mut rng);
        println!("{installation:?}");
        let harness =
            Harness::with_options(installation.options(seed), sandbox::signl4::Options::default()).await;
        // In a long run the clock advances by days while sessions are short. None of that may make a message too old.
        let mut harness = harness.with_catch_up("2000h");
        harness.watch(&["*", "new-*"]);
        if external_id == ExternalId::Message {
            harness.configure("external_id = '{{ room.id }}/{{ message.id }}'");
        }
        harness.chat.store_last_message(!installation.forgets_last);
        if !installation.limited {
            harness.chat.grant(&harness.bot, "api-bypass-rate-limit").unwrap();
        }
        let members = [&harness.alice, &harness.bob, &harness.bot];
        let rooms = vec![
            harness.room.clone(),
            harness.chat.create_room(NewRoom::channel("plant").members(members)).unwrap(),
            harness.chat.create_room(NewRoom::group("night").members(members)).unwrap(),
            harness.chat.create_room(NewRoom::direct([&harness.alice, &harness.bot])).unwrap(),
        ];
        let servers = harness.replica();
        let (replicas, database) = replicas::set(harness, replicas).await;
        let mut soak = Self {
            harness: servers,
            rng,
            installation,
            rooms,
            replicas,
            database,
            written: BTreeMap::new(),
            harmless: Vec::new(),
            active_faults: Vec::new(),
            fault_counts: FaultCounts::default(),
            ahead: 0,
            next: 0,
            interruptions: Vec::new(),
        };
        soak.set_switches();
        for replica in &mut soak.replicas {
            replica.start().await;
        }
        soak
    }

    async fn step(&mut self) {
        self.end_faults(Instant::now()).await;
        self.restart_ended_replicas();
        match self.rng.random_range(0..100) {
            0..30 => self.write(),
            30..40 => self.emit_again(),
            40..44 => self.edit_until_it_matches(),
            44..46 => self.change_the_rooms(),
            46..75 => self.act_on_the_phone(),
            _ => self.inject_fault().await,
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
            let message = self.harness.chat.post(&room, &self.harness.alice, text).unwrap();
            return self.harmless.push(message);
        }
        let text = self.text("SIGNL4 number");
        let parent =
            self.harness.chat.messages(&room).into_iter().filter(|message| message.thread_id.is_none());
        let parent = parent.collect::<Vec<_>>().choose(&mut self.rng).cloned();
        let message = match parent {
            Some(parent) if self.rng.random_ratio(1, 5) => {
                self.harness.chat.reply(&parent, &self.harness.alice, text.as_str()).unwrap()
            }
            _ => self.harness.chat.post(&room, &self.harness.alice, text.as_str()).unwrap(),
        };
        self.written.insert(text, message);
    }

    fn emit_again(&mut self) {
        let messages: Vec<Message> = self.written.values().cloned().collect();
        let Some(message) = messages.choose(&mut self.rng) else { return };
        let (chat, bob) = (&self.harness.chat, &self.harness.bob);
        match self.rng.random_range(0..4) {
            0 => drop(chat.react(message, bob, ":eyes:")),
            1 => drop(chat.pin(message).unwrap()),
            2 => drop(chat.reply(message, &self.harness.alice, "looking into it").unwrap()),
            _ => chat.replay(message),
        }
    }

    /// An edit while the bot is away is only noticed if the room changes afterwards, so a message follows it.
    fn edit_until_it_matches(&mut self) {
        let Some(message) = self.harmless.pop() else { return };
        let text = self.text("SIGNL4 edited");
        let message = self.harness.chat.edit(&message, &self.harness.alice, &text).unwrap();
        self.harness.chat.post(&message.room_id, &self.harness.alice, "edited the above").unwrap();
        self.written.insert(text, message);
    }

    /// A room gets another name, or a new room is created, with messages at once.
    fn change_the_rooms(&mut self) {
        let number = self.rng.next_u32();
        if self.rooms.len() < MOST_ROOMS && self.rng.random_ratio(1, 2) {
            let invited = (!self.installation.uninvited).then_some(&self.harness.bot);
            let members = [&self.harness.alice, &self.harness.bob].into_iter().chain(invited);
            let room = NewRoom::channel(format!("new-{number}")).members(members);
            self.rooms.push(self.harness.chat.create_room(room).unwrap());
        } else {
            self.harness.chat.rename(&self.rooms[1], &format!("plant-{number}")).unwrap();
        }
    }

    fn act_on_the_phone(&mut self) {
        let alerts = self.harness.signl4.alerts();
        let Some(alert) = alerts.choose(&mut self.rng) else { return };
        let signl4 = &self.harness.signl4;
        // A step that the alert's state does not allow is refused and has no effect.
        let _ = match self.rng.random_range(0..12) {
            0..3 => signl4.acknowledge(&alert.id, "Rene"),
            3 => signl4.close(&alert.id, "Mia"),
            4 => signl4.escalate(&alert.id),
            5 => signl4.nobody_on_duty(&alert.id),
            6 => {
                signl4.send_test_event();
                Ok(())
            }
            _ => {
                let note = format!("note {}", self.rng.next_u64());
                signl4.annotate(&alert.id, "Jonas", &note)
            }
        };
    }

    /// Ends every fault, restarts the bot, and waits until nothing is missing.
    async fn settle(&mut self) {
        self.end_all_faults().await;
        for at in 0..self.replicas.len() {
            self.kill(at).await;
        }
        for replica in &mut self.replicas {
            replica.start().await;
        }
        let texts: BTreeSet<String> = self.written.keys().cloned().collect();
        let missing = |alerts: &[Alert]| {
            texts.iter().filter(|text| !alerts.iter().any(|alert| alert.text == **text)).count()
        };
        let mut before = usize::MAX;
        while before > 0 {
            let is_fewer = |alerts: &[Alert]| missing(alerts) < before;
            if self.harness.signl4.wait_until(REST, |alerts, _| is_fewer(alerts)).await.is_err() {
                let raised: BTreeSet<String> = self.harness.texts().into_iter().collect();
                let lost: Vec<_> =
                    texts.difference(&raised).map(|text| (text, &self.written[text])).collect();
                panic!("LOST: {lost:#?}\n{}", self.log());
            }
            before = missing(&self.harness.signl4.alerts());
        }
        self.harness.signl4.wait_for_delivery(REST).await.unwrap();
        self.wait_for_the_outbox().await;
    }

    fn log(&self) -> String {
        self.logs().join("\n--- restarted ---\n")
    }

    fn logs(&self) -> Vec<String> {
        self.replicas.iter().flat_map(|replica| replica.harness.logs()).collect()
    }
}
