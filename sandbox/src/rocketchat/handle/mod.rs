//! The handle of a simulated Rocket.Chat: starts it, stops it, changes its state and waits for changes.
//!
//! Everything here acts on the state directly, without permissions and limits, so that a test creates what it needs.

mod inspect;
mod messages;
mod rooms;
mod users;
mod wait;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast;

use crate::rocketchat::change::Change;
use crate::rocketchat::faults::Faults;
use crate::rocketchat::listener::Service;
use crate::rocketchat::options::Options;
use crate::rocketchat::shared::Shared;
use crate::rocketchat::world::World;

pub use wait::TimedOut;

/// A running simulated Rocket.Chat. Clones are handles of the same server, which stops when the last one is dropped.
#[derive(Clone, Debug)]
pub struct RocketChat {
    shared: Arc<Shared>,
    service: Arc<Service>,
}

impl RocketChat {
    /// Starts a server with the default options on a free port of the loopback address.
    ///
    /// # Errors
    /// If the address can't be listened on.
    pub async fn start() -> io::Result<Self> {
        Self::start_with(Options::default()).await
    }

    /// Starts a server.
    ///
    /// # Errors
    /// If the address can't be listened on.
    pub async fn start_with(options: Options) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(options));
        let service = Arc::new(Service::start(Arc::clone(&shared)).await?);
        Ok(Self { shared, service })
    }

    /// The server's URL with its prefix and without a slash at the end, such as `http://127.0.0.1:45131/chat`.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.address(), self.shared.options.prefix)
    }

    /// The address it listens on, or last listened on.
    pub fn address(&self) -> SocketAddr {
        self.service.address()
    }

    /// Stops listening and cuts every connection. The state is kept for `restart`.
    pub async fn stop(&self) {
        self.service.stop().await;
    }

    /// Listens again on the same port, with the state it had; cuts every connection if it was still running.
    ///
    /// # Errors
    /// If another process has taken the port.
    pub async fn restart(&self) -> io::Result<()> {
        self.service.stop().await;
        self.service.listen().await
    }

    /// Sends browsers that open a room or a message (`/channel/general?msg=…`) to this page, with the same query. The simulated
    /// server has no web client of its own.
    pub fn set_web_client(&self, url: &str) {
        let mut web_client = self.shared.web_client.write().unwrap_or_else(PoisonError::into_inner);
        *web_client = Some(url.to_owned());
    }

    /// The switches for faults.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Every change from now on. A listener that lags by more than 16,384 changes misses the oldest.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.shared.changes()
    }

    /// The server's clock, in milliseconds since the Unix epoch.
    pub fn now(&self) -> i64 {
        self.shared.look(World::now)
    }

    /// Sets the server's clock ahead of the machine's by this much more.
    pub fn clock_forward(&self, by: Duration) {
        self.shared.act(|world| world.move_clock(by, false));
    }

    /// Sets the server's clock back by this much.
    pub fn clock_back(&self, by: Duration) {
        self.shared.act(|world| world.move_clock(by, true));
    }
}
