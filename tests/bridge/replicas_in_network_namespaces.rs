//! Promises 1 and 2 with two replicas that have a network of their own each, so that a cut is as on a real network: packets
//! vanish, and no connection is closed.
//!
//! `tests/postgres.sh cargo test --test bridge -- --ignored --nocapture replicas_in_network_namespaces` as root; needs Debian's
//! `iproute2`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use sandbox::rocketchat;
use sandbox::signl4::{self, Alert, Signl4, Team};
use tokio::time::{Instant, sleep};

use crate::database_link::Database;
use crate::harness::{Bot, Harness, LISTENER_SECRET, SOON, TEAM};

/// How soon after a fault the other replica has taken over.
const AFTER_A_FAULT: Duration = Duration::from_secs(45);
/// How often somebody writes a message.
const EVERY: Duration = Duration::from_millis(500);
/// How many of them follow after the other replica has begun to raise alerts.
const AFTERWARDS: usize = 20;
/// The team that the second replica calls, so that SIGNL4's alerts show who raised them.
const OTHER_TEAM: &str = "of the other replica";

/// What happens to the active replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    CutOff,
    CutOffFromTheDatabase,
    Killed,
    Terminated,
    Frozen,
}

impl Fault {
    async fn begin(self, networks: &Networks, active: &Bot) {
        match self {
            Self::CutOff => ["s", "d"].iter().for_each(|bridge| networks.unplug(bridge)),
            Self::CutOffFromTheDatabase => networks.unplug("d"),
            Self::Killed => active.signal("-KILL").await,
            Self::Terminated => active.signal("-TERM").await,
            Self::Frozen => active.signal("-STOP").await,
        }
    }

    async fn end(self, networks: &Networks, active: &Bot) {
        match self {
            Self::CutOff | Self::CutOffFromTheDatabase => networks.plug_in(),
            Self::Frozen => active.signal("-CONT").await,
            Self::Killed | Self::Terminated => {}
        }
    }

    /// The exit code of the replica that was active.
    fn exit_code(self) -> Option<i32> {
        match self {
            Self::CutOff | Self::CutOffFromTheDatabase | Self::Frozen => Some(1),
            Self::Killed => None,
            Self::Terminated => Some(0),
        }
    }
}

/// Runs `ip`; what it says if it fails.
fn ip(arguments: &str) -> Result<(), String> {
    let run = Command::new("ip").args(arguments.split(' ')).output();
    match run {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("ip {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(format!("ip {arguments}: {error}")),
    }
}

/// Two bridges, one to the servers and one to the database, and two namespaces with a cable to each. Dropped, they are removed.
struct Networks {
    id: u16,
}

impl Networks {
    /// `None` if this machine has no network namespaces for us.
    fn new() -> Option<Self> {
        let networks = Self { id: rand::random() };
        let id = networks.id;
        if let Err(reason) = ip(&format!("netns add {}", networks.namespace(1))) {
            println!("SKIPPED, needs root and iproute2: {reason}");
            return None;
        }
        ip(&format!("netns add {}", networks.namespace(2))).unwrap();
        for (bridge, gateway) in [("s", networks.servers()), ("d", networks.database())] {
            ip(&format!("link add {bridge}{id} type bridge")).unwrap();
            ip(&format!("addr add {gateway}/24 dev {bridge}{id}")).unwrap();
            ip(&format!("link set dev {bridge}{id} up")).unwrap();
        }
        for replica in 1..=2 {
            let namespace = networks.namespace(replica);
            ip(&format!("-n {namespace} link set dev lo up")).unwrap();
            for (bridge, address) in
                [("s", networks.address(replica)), ("d", networks.second_address(replica))]
            {
                let (cable, end) = (format!("{bridge}{replica}n{id}"), format!("eth-{bridge}"));
                ip(&format!("link add {cable} type veth peer name {end} netns {namespace}")).unwrap();
                ip(&format!("link set dev {cable} master {bridge}{id} up")).unwrap();
                ip(&format!("-n {namespace} addr add {address}/24 dev {end}")).unwrap();
                ip(&format!("-n {namespace} link set dev {end} up")).unwrap();
            }
        }
        Some(networks)
    }

    /// An address in one of the networks: of those that are for tests of networks (RFC 2544).
    fn of(&self, network: u8, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(198, 18 + network, self.id.to_be_bytes()[1], host)
    }

    fn servers(&self) -> Ipv4Addr {
        self.of(0, 254)
    }

    fn database(&self) -> Ipv4Addr {
        self.of(1, 254)
    }

    fn address(&self, replica: u8) -> Ipv4Addr {
        self.of(0, replica)
    }

    fn second_address(&self, replica: u8) -> Ipv4Addr {
        self.of(1, replica)
    }

    fn namespace(&self, replica: u8) -> String {
        format!("replica{replica}-{}", self.id)
    }

    /// Pulls a cable of the first replica. Neither side notices: packets vanish.
    fn unplug(&self, bridge: &str) {
        ip(&format!("link set dev {bridge}1n{} nomaster", self.id)).unwrap();
    }

    fn plug_in(&self) {
        for bridge in ["s", "d"] {
            ip(&format!("link set dev {bridge}1n{0} master {bridge}{0}", self.id)).unwrap();
        }
    }
}

impl Drop for Networks {
    fn drop(&mut self) {
        for replica in 1..=2 {
            let _ = ip(&format!("netns del {}", self.namespace(replica)));
        }
        for bridge in ["s", "d"] {
            let _ = ip(&format!("link del {bridge}{}", self.id));
        }
    }
}

/// A replica that calls its own team, in a namespace of its own.
async fn replica(servers: &Harness, networks: &Networks, number: u8, team: &str) -> Harness {
    let mut harness = servers.replica().through(["ip", "netns", "exec", &networks.namespace(number)]);
    harness.set_variable("NO_PROXY", "*");
    harness.set_variable("SIGNL4_BOT_SIGNL4__WEBHOOK_URL", &servers.signl4.webhook_url(team));
    harness.set_variable("SIGNL4_BOT_LISTENER__BIND", &listener(networks, number, &harness).to_string());
    harness
}

/// The port is free in the namespace, because nothing else is in there.
fn listener(networks: &Networks, number: u8, harness: &Harness) -> SocketAddr {
    let port = harness.listener_url().rsplit(':').next().unwrap().parse().unwrap();
    SocketAddr::new(networks.address(number).into(), port)
}

/// Those that a replica raised.
fn raised_by(signl4: &Signl4, team: &str) -> Vec<Alert> {
    signl4.alerts().into_iter().filter(|alert| alert.team == team).collect()
}

async fn the_active_replica_is(fault: Fault) {
    let Some(networks) = Networks::new() else {
        return;
    };
    let bind = SocketAddr::new(networks.servers().into(), 0);
    let servers = Harness::with_options(
        rocketchat::Options { bind, ..rocketchat::Options::default() },
        signl4::Options {
            bind,
            teams: vec![Team::new(TEAM), Team::new(OTHER_TEAM)],
            ..signl4::Options::default()
        },
    )
    .await;
    let Database { url, link: _link } =
        Database::at(&Database::create().await, IpAddr::from(networks.database())).await;
    let mut one = replica(&servers, &networks, 1, TEAM).await;
    let mut other = replica(&servers, &networks, 2, OTHER_TEAM).await;
    for harness in [&mut one, &mut other] {
        harness.configure(&format!("[store]\nurl = {:?}", url.as_str()));
    }
    let (chat, signl4) = (&servers.chat, &servers.signl4);
    let callback = listener(&networks, 2, &other);
    signl4.set_outbound_url(&format!("http://{callback}/signl4/{LISTENER_SECRET}"));

    let mut active = one.spawn_bot();
    active.wait_for_log(&["caught up"]).await;
    let standby = other.spawn_bot();
    standby.wait_for_log(&["standby: another replica is active"]).await;
    let first = servers.say("SIGNL4 before");
    servers.alert("SIGNL4 before").await;

    fault.begin(&networks, &active).await;
    let begun = Instant::now();
    let mut written = vec![first];
    while raised_by(signl4, OTHER_TEAM).is_empty() {
        assert!(begun.elapsed() < AFTER_A_FAULT, "not replaced within {AFTER_A_FAULT:?}:\n{}", standby.log());
        written.push(servers.say(&format!("SIGNL4 number {}", written.len())));
        sleep(EVERY).await;
    }
    let took = begun.elapsed();
    for _ in 0..AFTERWARDS {
        written.push(servers.say(&format!("SIGNL4 number {}", written.len())));
        sleep(EVERY).await;
    }

    fault.end(&networks, &active).await;
    assert_eq!(active.wait().await.code(), fault.exit_code(), "{}", active.log());
    // As systemd does.
    let restarted = one.spawn_bot();
    restarted.wait_for_log(&["standby: another replica is active"]).await;
    servers.flush().await;
    let texts: Vec<&str> = written.iter().map(|message| message.text.as_str()).collect();
    servers.wait_for_texts(&texts).await;
    let mut pages = servers.pages();
    pages.sort_unstable();
    let mut expected: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    expected.sort_unstable();
    assert_eq!(pages, expected, "none lost, none doubled");
    let began = raised_by(signl4, OTHER_TEAM)[0].received.at;
    let last = raised_by(signl4, TEAM).last().unwrap().received.at;
    assert!(last < began, "the first one raised an alert at {last}, the other one from {began} on");
    println!(
        "{fault:?}: the other replica raised its first alert after {took:.1?}; {} messages, {} alerts",
        written.len(),
        pages.len()
    );

    for message in &written {
        chat.wait_for_reaction(message, ":rotating_light:", SOON).await.unwrap();
    }
    takes_over_in_turn(&servers, standby, &restarted).await;
}

/// The one that was active at first is a standby like any other.
async fn takes_over_in_turn(servers: &Harness, active: Bot, standby: &Bot) {
    active.kill().await;
    servers.say("SIGNL4 afterwards");
    servers.alert("SIGNL4 afterwards").await;
    assert_eq!(
        raised_by(&servers.signl4, TEAM).last().unwrap().text,
        "SIGNL4 afterwards",
        "{}",
        standby.log()
    );
}

#[tokio::test]
#[ignore = "needs PostgreSQL, and root for network namespaces"]
async fn a_replica_whose_network_fails_is_replaced_and_is_a_standby_once_it_is_back() {
    the_active_replica_is(Fault::CutOff).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL, and root for network namespaces"]
async fn a_replica_that_only_loses_the_database_raises_nothing_after_the_takeover() {
    the_active_replica_is(Fault::CutOffFromTheDatabase).await;
}

/// The other figures of the table in `docs/operations.md`; `replicas_take_over` tests these promises.
#[tokio::test]
#[ignore = "needs PostgreSQL, and root for network namespaces"]
async fn measured_the_other_faults() {
    for fault in [Fault::Killed, Fault::Terminated, Fault::Frozen] {
        the_active_replica_is(fault).await;
    }
}
