//! What a simulated SIGNL4 is started with.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::Serialize;

use super::ids;

/// How a simulated SIGNL4 is set up. The default has one team `operations`, three people and no limits.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address to listen on; port 0 is any free one.
    pub bind: SocketAddr,
    /// The teams; each has its own webhook secret.
    pub teams: Vec<Team>,
    /// Who can be on duty. The first one is on duty at the start.
    pub people: Vec<Person>,
    /// The key that the REST API wants in `X-S4-Api-Key`.
    pub api_key: String,
    /// The subscription's plan, which sets the throttling.
    pub plan: Plan,
    /// Where notifications go (the bot's listener), if anywhere yet.
    pub outbound_url: Option<String>,
    /// How notifications are delivered.
    pub outbound: OutboundPolicy,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bind: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            teams: vec![Team::new("operations")],
            people: vec![Person::new("Rene"), Person::new("Mia"), Person::new("Jonas")],
            api_key: ids::secret(),
            plan: Plan::Unlimited,
            outbound_url: None,
            outbound: OutboundPolicy::default(),
        }
    }
}

/// A team that alerts can be raised in.
#[derive(Clone, Debug)]
pub struct Team {
    /// The team's name.
    pub name: String,
    /// The team's id in the REST API.
    pub id: String,
    /// The team secret: the last part of its webhook URL.
    pub secret: String,
}

impl Team {
    /// A team with a fresh id and a fresh secret.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), id: ids::uuid(), secret: ids::secret() }
    }
}

/// Somebody with a phone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Person {
    /// The user's id.
    pub id: String,
    /// `username` in notifications.
    pub name: String,
    /// `mailaddress` in notifications.
    pub mail: String,
}

impl Person {
    /// Somebody of that name, with a fresh id and a made-up mail address.
    pub fn new(name: &str) -> Self {
        Self { id: ids::uuid(), name: name.to_owned(), mail: format!("{}@example.com", name.to_lowercase()) }
    }
}

/// The subscription's plan: how many webhook calls it may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// 10 calls per 15 s, 240 per minute, 1,200 per hour; 10 REST calls per 15 s.
    Free,
    /// 150 calls per 15 s, 600 per minute, 36,000 per hour; 150 REST calls per 15 s.
    Commercial,
    /// The pace of the commercial plan in shorter windows, so that a test waits for less: 50 calls per 5 s. SIGNL4 has no such plan.
    Brisk,
    /// No throttling at all, not even of wrong secrets. SIGNL4 has no such plan; tests of other things want it.
    Unlimited,
}

/// How notifications are delivered. SIGNL4 documents neither timeout nor retries; these are the simulator's own.
#[derive(Clone, Copy, Debug)]
pub struct OutboundPolicy {
    /// How long the receiver may take to answer.
    pub timeout: Duration,
    /// How often one notification is tried.
    pub attempts: u32,
    /// The wait before the second attempt; it doubles with each, up to [`OutboundPolicy::longest_pause`].
    pub first_pause: Duration,
    /// The longest wait between two attempts.
    pub longest_pause: Duration,
}

impl Default for OutboundPolicy {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            attempts: 10,
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(5),
        }
    }
}
