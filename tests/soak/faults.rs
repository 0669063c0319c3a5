//! The faults: every switch of both servers, and the bot's own process. Excluded are faults that by definition end an
//! alert or the bot: a final rejection by SIGNL4 (400, 404), a deactivated account, removal from a room. Those have
//! their own tests in `tests/bridge`.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use sandbox::rocketchat::{Refusal, RestFault, Switches};
use sandbox::signl4::{OutboundFault, Reshape, Times, WebhookFault};
use serde_json::json;
use tokio::time::Instant;

use super::Soak;
use super::database_link::Link;
use super::harness::{Bot, StoreLock};

/// How often each kind of fault occurred.
#[derive(Debug, Default)]
pub struct FaultCounts(BTreeMap<&'static str, usize>);

impl FaultCounts {
    pub(super) fn count(&mut self, kind: &'static str) {
        *self.0.entry(kind).or_default() += 1;
    }
}

impl std::fmt::Display for FaultCounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<String> = self.0.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        f.write_str(&parts.join(", "))
    }
}

/// A fault that ends after a while.
pub struct ActiveFault {
    until: Instant,
    pub(super) fault: Fault,
}

pub(super) enum Fault {
    Switch(Switch),
    Signl4Refuses,
    RestDown,
    BotDead(usize),
    StoreLocked(StoreLock),
    Hung(usize),
    CutOff(usize),
    DatabaseDown,
}

/// One of the switches of the simulated Rocket.Chat.
#[derive(Clone, Copy)]
pub(super) struct Switch {
    name: &'static str,
    /// Open connections are closed when it is switched on, because it only affects new ones.
    cuts: bool,
    set: fn(&mut Switches),
}

const SWITCHES: &[Switch] = &[
    Switch { name: "refuse_connections", cuts: true, set: |switches| switches.refuse_connections = true },
    Switch { name: "accept_then_close", cuts: true, set: |switches| switches.accept_then_close = true },
    Switch { name: "refuse_websockets", cuts: true, set: |switches| switches.refuse_websockets = true },
    Switch { name: "stall", cuts: false, set: |switches| switches.stall = true },
    Switch {
        name: "delay_frames",
        cuts: false,
        set: |switches| switches.delay_frames = Duration::from_millis(400),
    },
    Switch { name: "refuse_connect", cuts: true, set: |switches| switches.refuse_connect = true },
    Switch { name: "send_server_id", cuts: true, set: |switches| switches.send_server_id = true },
    Switch {
        name: "ping_before_connected",
        cuts: true,
        set: |switches| switches.ping_before_connected = true,
    },
    Switch { name: "updated_first", cuts: true, set: |switches| switches.updated_first = true },
    Switch { name: "nested_args", cuts: false, set: |switches| switches.nested_args = true },
    Switch { name: "omit_room_name", cuts: false, set: |switches| switches.omit_room_name = true },
    Switch { name: "duplicate_messages", cuts: false, set: |switches| switches.duplicate_messages = true },
    Switch { name: "reverse_messages", cuts: false, set: |switches| switches.reverse_messages = true },
    Switch { name: "withhold_messages", cuts: false, set: |switches| switches.withhold_messages = true },
];

/// The REST calls that the bot makes.
const ROUTES: &[&str] = &[
    "*",
    "chat.getMessage",
    "chat.react",
    "chat.sendMessage",
    "chat.syncMessages",
    "info",
    "me",
    "rooms.get",
    "subscriptions.get",
];

impl Soak {
    pub(super) async fn inject_fault(&mut self) {
        let with_database = if self.database.is_some() { 9 } else { 0 };
        match self.rng.random_range(0..23 + with_database) {
            0 => self.cut(),
            1..=5 => self.switch(),
            6 => {
                self.note_interruption(Duration::ZERO);
                self.begin("SIGNL4 refuses", Fault::Signl4Refuses, 3_000);
            }
            7 => {
                self.harness.chat.faults().rest_always("*", RestFault::bad_gateway());
                self.begin("REST down", Fault::RestDown, 2_000);
            }
            // Replicas must run long enough to take over from each other.
            8..=10 if self.database.is_some() && self.rng.random_ratio(3, 4) => {}
            8 | 9 => {
                let at = self.draw_replica();
                self.kill(at).await;
            }
            10 => self.stop().await,
            11 => self.reload().await,
            12 => self.lock_store().await,
            13 | 14 => self.disturb_webhook(),
            15 | 16 => self.disturb_notifications(),
            17 | 18 => self.disturb_rest_api(),
            19 => self.refuse_next_session(),
            20 => self.set_our_clock(),
            21 | 22 => self.set_servers_clock(),
            _ if self.rng.random_ratio(3, 4) => {}
            23..=25 => self.hang().await,
            26..=28 => self.cut_off(),
            29 => self.restart_database().await,
            30 => self.stop().await,
            _ => self.kill_all().await,
        }
    }

    pub(super) fn begin(&mut self, kind: &'static str, fault: Fault, longest: u64) {
        self.fault_counts.count(kind);
        let lasts = Duration::from_millis(self.rng.random_range(100..longest));
        self.activate(lasts, fault);
    }

    pub(super) fn activate(&mut self, lasts: Duration, fault: Fault) {
        self.active_faults.push(ActiveFault { until: Instant::now() + lasts, fault });
    }

    fn cut(&mut self) {
        self.fault_counts.count("cut");
        self.harness.chat.faults().cut_connections();
    }

    fn switch(&mut self) {
        let switch = *SWITCHES.choose(&mut self.rng).unwrap();
        self.begin(switch.name, Fault::Switch(switch), 3_000);
        self.set_switches();
        if switch.cuts {
            self.harness.chat.faults().cut_connections();
        }
    }

    /// Sets the switches to the kind of installation and the current faults.
    pub(super) fn set_switches(&self) {
        self.harness.chat.faults().set(|switches| {
            *switches = Switches::default();
            switches.streamer = self.installation.streamer;
            switches.unpaged_sync = self.installation.unpaged;
            for active in &self.active_faults {
                if let Fault::Switch(switch) = &active.fault {
                    (switch.set)(switches);
                }
            }
        });
    }

    /// A running bot waits. A starting one gives up, as it must if another process has the store, so none is started.
    async fn lock_store(&mut self) {
        let locked = |active: &ActiveFault| matches!(active.fault, Fault::StoreLocked(_));
        if self.database.is_some() {
            return;
        }
        let [replica] = &self.replicas[..] else { unreachable!("one bot on SQLite") };
        let has_started = |bot: &Bot| bot.count_in_log(&["\"started\""]) > 0;
        if replica.bot.as_ref().is_some_and(has_started) && !self.active_faults.iter().any(locked) {
            let lock = replica.harness.lock_store().await;
            self.begin("store locked", Fault::StoreLocked(lock), 3_000);
        }
    }

    fn disturb_webhook(&mut self) {
        let fault = match self.rng.random_range(0..11) {
            0 => WebhookFault::Status(500),
            10 => WebhookFault::RaiseThenStatus(504),
            1 => WebhookFault::Status(502),
            2 => WebhookFault::Status(503),
            3 => WebhookFault::Throttled(Duration::from_secs(1)),
            4 => WebhookFault::LoseAnswer,
            5 => WebhookFault::Body("no JSON".to_owned()),
            6 => WebhookFault::Body(String::new()),
            7 => WebhookFault::EventBeforeAnswer,
            8 => WebhookFault::NeverAnswer,
            _ => WebhookFault::Slow(Duration::from_millis(800)),
        };
        self.fault_counts.count("webhook");
        self.harness.signl4.faults().webhook(fault, Times::Next(1));
    }

    fn disturb_notifications(&mut self) {
        let fault = match self.rng.random_range(0..10) {
            0 | 1 => OutboundFault::Duplicate,
            2 | 3 => OutboundFault::AfterNext,
            4 => OutboundFault::Delay(Duration::from_secs(1)),
            5 => OutboundFault::Drop,
            6 => OutboundFault::Reshape(Reshape::NullUser),
            7 => OutboundFault::Reshape(Reshape::NoEventId),
            8 => OutboundFault::Reshape(Reshape::NoExternalId),
            _ => OutboundFault::Reshape(Reshape::ExtraFields),
        };
        self.fault_counts.count("notifications");
        self.harness.signl4.faults().outbound(fault, Times::Next(2));
    }

    /// While the bot has no session, neither REST nor logins get further faults: on a slow machine they would pile up until it never
    /// gets one.
    fn has_session(&self) -> bool {
        self.harness.chat.sessions_of(&self.harness.bot) > 0
    }

    fn disturb_rest_api(&mut self) {
        if !self.has_session() {
            return;
        }
        let fault = match self.rng.random_range(0..9) {
            0 => RestFault::status(500),
            1 => RestFault::status(503),
            2 => RestFault::TooManyRequests { reset_in: Duration::from_secs(1) },
            3 => RestFault::LostAnswer,
            4 => RestFault::Cut,
            5 => RestFault::NoAnswer,
            6 => RestFault::bad_gateway(),
            7 => RestFault::proxy_unauthorized(),
            _ => RestFault::Slow(Duration::from_millis(700)),
        };
        self.fault_counts.count("REST");
        self.harness.chat.faults().rest_next(ROUTES.choose(&mut self.rng).unwrap(), 2, fault);
    }

    /// The next session's login or subscription is refused, by a server that is starting or overloaded.
    fn refuse_next_session(&mut self) {
        if !self.has_session() {
            return;
        }
        let refusal = draw_refusal(&mut self.rng);
        let count = self.rng.random_range(1..3);
        let faults = self.harness.chat.faults();
        match self.rng.random_ratio(1, 2) {
            true => faults.refuse_logins(count, refusal),
            false => faults.refuse_subscriptions(count, refusal),
        }
        faults.cut_connections();
        self.fault_counts.count("refused login or subscription");
    }

    fn set_servers_clock(&mut self) {
        let by = Duration::from_secs(self.rng.random_range(1..3_600));
        self.fault_counts.count("server clock");
        match self.installation.clock_goes_back {
            true => self.harness.chat.clock_back(by),
            false => self.harness.chat.clock_forward(by),
        }
    }

    /// If the server's clock is set back, ours is not: if both were set back while the bot is down, that would leave
    /// no trace.
    fn set_our_clock(&mut self) {
        let by = self.rng.random_range(1..3_600);
        let back = !self.installation.clock_goes_back && self.rng.random_ratio(1, 2);
        let clocks: Vec<_> = self.replicas.iter().filter_map(|replica| replica.clock.as_ref()).collect();
        if !clocks.is_empty() {
            self.ahead += if back { -by } else { by };
            clocks.iter().for_each(|clock| clock.set(self.ahead));
            self.fault_counts.count("our clock");
        }
    }

    /// Ends the faults whose time is over.
    pub(super) async fn end_faults(&mut self, now: Instant) {
        let (over, still): (Vec<_>, Vec<_>) =
            self.active_faults.drain(..).partition(|active| active.until <= now);
        self.active_faults = still;
        let mut starts = vec![];
        for active in over {
            match active.fault {
                Fault::Switch(_) | Fault::Signl4Refuses => {}
                Fault::RestDown => self.harness.chat.faults().clear_rest(),
                Fault::BotDead(at) => starts.push(at),
                Fault::StoreLocked(lock) => lock.release().await,
                Fault::Hung(at) => self.replicas[at].resume().await,
                Fault::CutOff(at) => self.replicas[at].link(Link::Up),
                Fault::DatabaseDown => self.replicas.iter().for_each(|replica| replica.link(Link::Up)),
            }
        }
        self.set_switches();
        match self.active_faults.iter().any(|active| matches!(active.fault, Fault::Signl4Refuses)) {
            true => self.harness.signl4.refuse().await,
            false => self.harness.signl4.listen_again().await.unwrap(),
        }
        for at in starts {
            self.release_store().await;
            let replica = &mut self.replicas[at];
            replica.bot = Some(replica.harness.spawn_bot());
        }
    }

    async fn release_store(&mut self) {
        for active in std::mem::take(&mut self.active_faults) {
            match active.fault {
                Fault::StoreLocked(lock) => lock.release().await,
                _ => self.active_faults.push(active),
            }
        }
    }

    /// Ends everything.
    pub(super) async fn end_all_faults(&mut self) {
        self.harness.chat.faults().clear();
        self.harness.signl4.faults().clear();
        self.end_faults(Instant::now() + Duration::from_secs(3_600)).await;
    }
}

fn draw_refusal(rng: &mut StdRng) -> Refusal {
    match rng.random_range(0..2) {
        0 => Refusal::plain("the database is not there yet"),
        _ => Refusal::meteor("too-many-requests", "Error, too many requests.")
            .with_details(json!({"timeToReset": 1_500})),
    }
}
