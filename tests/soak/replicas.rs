//! The bot's processes: one on SQLite, or replicas on PostgreSQL, and the faults injected into them.

use std::time::Duration;

use jiff::Timestamp;
use rand::RngExt;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use sqlx::{Connection, PgConnection};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use url::Url;

use super::database_link::{Database, Link, end_all_sessions};
use super::faults::Fault;
use super::harness::{Bot, FakeClock, Harness, LISTENER_SECRET};
use super::{REST, Soak};

/// How long a replica that lost the database keeps calling, as `docs/replicas.md` says.
const LEASE: Duration = Duration::from_secs(6);
/// How long after the database's return it may still be the reason why a replica that started meanwhile has ended.
const AFTERMATH: Duration = Duration::from_secs(30);
/// How long a process hangs, and a link is cut, at most.
const LONGEST: u64 = 20_000;

/// How often the database is asked whether all is done.
const LOOK: Duration = Duration::from_millis(200);

/// When the bot or SIGNL4 was stopped.
#[derive(Clone, Copy, Debug)]
pub struct Interruption {
    pub at: Timestamp,
    /// How long new calls may still begin and lose their answers.
    pub calls_go_on: Duration,
    /// Whether SIGNL4 refused connections. The bot cannot know whether a call that it had begun arrived.
    pub refuses: bool,
    /// The number of the last text until then.
    pub last: u32,
}

/// One process and its resources.
pub struct Replica {
    pub harness: Harness,
    pub bot: Option<Bot>,
    pub clock: Option<FakeClock>,
    link: Option<watch::Sender<Link>>,
    /// When its link was last cut, and for how long.
    cut_off: Option<Instant>,
}

impl Replica {
    fn new(mut harness: Harness, link: Option<watch::Sender<Link>>) -> Self {
        let clock = FakeClock::of(&mut harness);
        Self { harness, bot: None, clock, link, cut_off: None }
    }

    pub async fn start(&mut self) {
        self.bot = Some(self.harness.start_bot().await);
    }

    pub fn link(&self, state: Link) {
        if let Some(link) = &self.link {
            link.send_replace(state);
        }
    }

    /// SIGCONT.
    pub async fn resume(&self) {
        if let Some(bot) = &self.bot {
            bot.signal("-CONT").await;
        }
    }

    /// Whether it raises the alerts, or did until it was replaced.
    fn was_active(&self) -> bool {
        let active = "this replica is active";
        self.link.is_none() || self.bot.as_ref().is_some_and(|bot| bot.count_in_log(&[active]) > 0)
    }
}

/// One bot, or so many replicas behind a load balancer.
pub async fn set(harness: Harness, count: u64) -> (Vec<Replica>, Option<Url>) {
    if count < 2 {
        return (vec![Replica::new(harness, None)], None);
    }
    let database = Database::create().await;
    let mut replicas = vec![];
    for _ in 0..count {
        let mut harness = harness.replica();
        let Database { url, link } = Database::through_a_link(&database).await;
        harness.configure(&format!("[store]\nurl = {:?}", url.as_str()));
        replicas.push(Replica::new(harness, Some(link)));
    }
    let listeners = replicas
        .iter()
        .map(|replica| replica.harness.listener_url().strip_prefix("http://").unwrap().to_owned());
    let balancer = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = balancer.local_addr().unwrap();
    tokio::spawn(balance(balancer, listeners.collect()));
    harness.signl4.set_outbound_url(&format!("http://{address}/signl4/{LISTENER_SECRET}"));
    (replicas, Some(database))
}

/// Passes each connection to any replica that accepts it.
async fn balance(balancer: TcpListener, mut listeners: Vec<String>) {
    let mut rng = StdRng::seed_from_u64(0);
    while let Ok((mut client, _)) = balancer.accept().await {
        listeners.shuffle(&mut rng);
        let listeners = listeners.clone();
        tokio::spawn(async move {
            for listener in listeners {
                if let Ok(mut replica) = TcpStream::connect(listener).await {
                    let _ = copy_bidirectional(&mut client, &mut replica).await;
                    return;
                }
            }
        });
    }
}

impl Soak {
    pub(super) fn draw_replica(&mut self) -> usize {
        self.rng.random_range(0..self.replicas.len())
    }

    /// Notes that the answers of calls may be lost, if the replica makes any.
    fn interrupt(&mut self, replica: usize, calls_go_on: Duration) {
        if self.replicas[replica].was_active() {
            self.note_interruption(calls_go_on);
        }
    }

    pub(super) fn note_interruption(&mut self, calls_go_on: Duration) {
        let refuses = self.active_faults.iter().any(|active| matches!(active.fault, Fault::Signl4Refuses));
        let interruption = Interruption { at: Timestamp::now(), calls_go_on, refuses, last: self.next };
        self.interruptions.push(interruption);
    }

    fn is_hung(&self, replica: usize) -> bool {
        self.active_faults.iter().any(|active| matches!(active.fault, Fault::Hung(at) if at == replica))
    }

    /// A replica that was replaced, or that started without a database, is started again as systemd does. Nothing else may end one.
    pub(super) fn restart_ended_replicas(&mut self) {
        for at in 0..self.replicas.len() {
            let Some(bot) = &mut self.replicas[at].bot else { continue };
            let Some(status) = bot.ended() else { continue };
            let log = bot.log();
            let last = log.lines().rfind(|line| !line.is_empty()).unwrap_or_default();
            let replaced = last.contains("another replica has taken over");
            let without_database = self.replicas[at].cut_off.is_some_and(|cut| cut.elapsed() < AFTERMATH)
                && [
                    "the database cannot be reached",
                    "the database is starting or stopping",
                    "the store failed",
                ]
                .iter()
                .any(|reason| last.contains(reason));
            if self.database.is_none() || status.code() != Some(1) || !(replaced || without_database) {
                panic!("ENDED: replica {at}, {status}\n{log}");
            }
            self.replicas[at].bot = None;
            let wait = Duration::from_millis(self.rng.random_range(1_000..2_000));
            self.fault_counts.count(if replaced { "replaced" } else { "no database" });
            self.activate(wait, Fault::BotDead(at));
        }
    }

    /// SIGKILL.
    pub(super) async fn kill(&mut self, at: usize) {
        self.interrupt(at, Duration::ZERO);
        if let Some(bot) = self.replicas[at].bot.take() {
            bot.kill().await;
            self.begin("SIGKILL", Fault::BotDead(at), 2_000);
        }
    }

    pub(super) async fn kill_all(&mut self) {
        for at in 0..self.replicas.len() {
            self.kill(at).await;
        }
    }

    /// SIGTERM.
    pub(super) async fn stop(&mut self) {
        let at = self.draw_replica();
        if self.is_hung(at) {
            return;
        }
        if let Some(mut bot) = self.replicas[at].bot.take() {
            // Before that it does not listen to signals.
            bot.wait_for_log(&["\"starting\""]).await;
            let asked = Instant::now();
            if bot.ended().is_none() {
                bot.signal("-TERM").await;
            }
            let status = bot.wait().await;
            let took = asked.elapsed();
            let log = bot.log();
            // It ended before, or lost its role while it stopped.
            let may_fail = !log.contains("SIGTERM") || log.contains("another replica has taken over");
            let failed = self.database.is_some() && may_fail && status.code() == Some(1);
            assert!(status.success() || failed, "SIGTERM: {status}\n{log}");
            assert!(took < Duration::from_secs(10), "SIGTERM: {took:?}\n{log}");
            self.begin("SIGTERM", Fault::BotDead(at), 2_000);
        }
    }

    /// SIGHUP, as soon as the bot listens for signals.
    pub(super) async fn reload(&mut self) {
        let at = self.draw_replica();
        if self.is_hung(at) {
            return;
        }
        let Some(bot) = &mut self.replicas[at].bot else { return };
        if bot.ended().is_none() && bot.count_in_log(&["\"started\""]) > 0 {
            bot.reload().await;
            self.fault_counts.count("SIGHUP");
        }
    }

    /// SIGSTOP, and SIGCONT later.
    pub(super) async fn hang(&mut self) {
        let at = self.draw_replica();
        if self.is_hung(at) {
            return;
        }
        self.interrupt(at, Duration::ZERO);
        if let Some(bot) = &mut self.replicas[at].bot
            && bot.ended().is_none()
        {
            bot.signal("-STOP").await;
            let lasts = self.draw_time();
            self.fault_counts.count("SIGSTOP");
            self.activate(lasts, Fault::Hung(at));
        }
    }

    /// Cuts the link between a replica and the database.
    pub(super) fn cut_off(&mut self) {
        let at = self.draw_replica();
        let cut = |fault: &Fault| matches!(fault, Fault::CutOff(_) | Fault::DatabaseDown);
        if self.active_faults.iter().any(|active| cut(&active.fault)) {
            return;
        }
        self.interrupt(at, LEASE);
        let lasts = self.draw_time();
        self.replicas[at].link(Link::Frozen);
        self.replicas[at].cut_off = Some(Instant::now() + lasts);
        self.fault_counts.count("cut off");
        self.activate(lasts, Fault::CutOff(at));
    }

    /// The database is restarted: all sessions end, and for some seconds none begins.
    pub(super) async fn restart_database(&mut self) {
        let Some(database) = self.database.clone() else { return };
        let lasts = Duration::from_millis(self.rng.random_range(100..6_000));
        for at in 0..self.replicas.len() {
            self.interrupt(at, LEASE);
            self.replicas[at].link(Link::Refused);
            self.replicas[at].cut_off = Some(Instant::now() + lasts);
        }
        end_all_sessions(&database).await;
        self.active_faults.retain(|active| !matches!(active.fault, Fault::CutOff(_) | Fault::DatabaseDown));
        self.fault_counts.count("database restarted");
        self.activate(lasts, Fault::DatabaseDown);
    }

    /// Waits until no delivery is waiting, so that no second page follows the verdict.
    pub(super) async fn wait_for_the_outbox(&self) {
        const OWED: &str = "SELECT count(*) FROM delivery WHERE settled_at IS NULL";
        let Some(database) = &self.database else { return };
        let mut server = PgConnection::connect(database.as_str()).await.unwrap();
        let since = Instant::now();
        while sqlx::query_scalar::<_, i64>(OWED).fetch_one(&mut server).await.unwrap() > 0 {
            assert!(since.elapsed() < REST, "deliveries are still owed:\n{}", self.log());
            sleep(LOOK).await;
        }
    }

    fn draw_time(&mut self) -> Duration {
        Duration::from_millis(self.rng.random_range(1_000..LONGEST))
    }
}
