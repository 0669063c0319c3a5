//! The options of a simulated server that stay fixed while it runs. The switches for a running server are in
//! [`Faults`](super::Faults).

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// The options of a simulated Rocket.Chat.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address to listen on; port 0 is any free port, which `restart` keeps.
    pub bind: SocketAddr,
    /// A path prefix, such as `/chat`; empty for none.
    pub prefix: String,
    /// The server's version as `me` and `/api/info` derive it. Its major part decides about what differs between versions; see
    /// [`Options::of_version`].
    pub version: String,
    /// The seed of all identifiers and tokens.
    pub seed: u64,
    /// `Message_MaxAllowedSize` in graphemes.
    pub max_message_size: usize,
    /// The limits on the number of calls.
    pub limits: Limits,
    /// The server's heartbeat.
    pub heartbeat: Heartbeat,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            prefix: String::new(),
            version: "8.0.1".to_owned(),
            seed: 1,
            max_message_size: 5000,
            limits: Limits::default(),
            heartbeat: Heartbeat::MONOLITH,
        }
    }
}

impl Options {
    /// A server of this version, such as `"9.0.0"`. By the major part differ:
    ///
    /// | from | |
    /// | --- | --- |
    /// | 7 | Meteor 3 sends no server ID; `chat.syncMessages` has pages |
    /// | 8 | a refused login over REST gives no reason |
    /// | 9 | a missing permission or access is a 403 of the type `error-forbidden`; of the realtime methods only `login` and `logout` are left |
    pub fn of_version(version: &str) -> Self {
        Self { version: version.to_owned(), ..Self::default() }
    }

    /// The major part of the version; several answers depend on it.
    pub(super) fn major(&self) -> u32 {
        self.version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(u32::MAX)
    }
}

/// A limit of calls per window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The number of calls that pass.
    pub calls: u32,
    /// The length of the window.
    pub window: Duration,
}

impl Limit {
    /// `calls` in `seconds`.
    pub const fn per_seconds(calls: u32, seconds: u64) -> Self {
        Self { calls, window: Duration::from_secs(seconds) }
    }
}

/// The limits on the number of calls; `None` switches one off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// DDP logins per connection.
    pub logins: Option<Limit>,
    /// DDP calls of one method per connection and user.
    pub methods: Option<Limit>,
    /// DDP calls of any method per connection.
    pub all_methods: Option<Limit>,
    /// REST calls of one route per client address; users with `api-bypass-rate-limit` are not counted.
    pub rest: Option<Limit>,
}

impl Default for Limits {
    /// Rocket.Chat's defaults.
    fn default() -> Self {
        Self {
            logins: Some(Limit::per_seconds(5, 10)),
            methods: Some(Limit::per_seconds(10, 10)),
            all_methods: Some(Limit::per_seconds(600, 60)),
            rest: Some(Limit::per_seconds(10, 60)),
        }
    }
}

impl Limits {
    /// No limits at all.
    pub const OFF: Self = Self { logins: None, methods: None, all_methods: None, rest: None };
}

/// When the server pings a silent client, and when it closes the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Silence before a ping.
    pub interval: Duration,
    /// Silence after the ping before the connection is closed.
    pub timeout: Duration,
}

impl Heartbeat {
    /// Meteor's 15 + 15 seconds.
    pub const MONOLITH: Self = Self { interval: Duration::from_secs(15), timeout: Duration::from_secs(15) };
    /// The streamer's 30 + 30 seconds.
    pub const STREAMER: Self = Self { interval: Duration::from_secs(30), timeout: Duration::from_secs(30) };
}
