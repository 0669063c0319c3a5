//! The handle of a simulated Rocket.Chat: starting, stopping, and all that a test or the web page does to its truth.
//!
//! Everything here goes straight to the truth, without rights and limits: a test plants what it needs. What comes over
//! the wire is checked as the real server checks it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;

use super::change::Change;
use super::faults::Faults;
use super::listener::Service;
use super::options::Options;
use super::shared::Shared;

/// A running simulated Rocket.Chat. Clones are handles of the same server, which stops when the last one is dropped.
#[derive(Clone, Debug)]
pub struct RocketChat {
    pub(super) shared: Arc<Shared>,
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
    /// If the port has been taken meanwhile.
    pub async fn restart(&self) -> io::Result<()> {
        self.service.stop().await;
        self.service.listen().await
    }

    /// The switches for faults.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Every change from now on. A listener that lags more than 16,384 changes behind misses the oldest.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.shared.changes()
    }

    /// The server's clock, in ms since the epoch.
    pub fn now(&self) -> i64 {
        self.shared.look(super::world::World::now)
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
