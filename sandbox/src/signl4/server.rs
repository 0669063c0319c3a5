//! Starting and stopping the simulated SIGNL4, and the handle to it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::connection::{Connection, CuttableListener};
use super::state::State;
use super::{Alert, Faults, Notification, Options, Person, Team, WebhookCall, ids, outbound, rest, webhook};

/// Six attachments of 4 MB.
const LARGEST_BODY: usize = 24 * 1024 * 1024;

/// Why the simulator did not start or did not come back.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is in use or not local.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The HTTP client for notifications could not be made.
    #[error("cannot make an HTTP client")]
    Client(#[source] reqwest::Error),
}

/// What was waited for did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it did not happen within {0:?}")]
pub struct WaitError(pub Duration);

/// A running simulated SIGNL4. Clones are handles to the same one; it ends when the last of them is dropped.
#[derive(Clone)]
pub struct Signl4 {
    pub(super) core: Arc<Core>,
    server: Arc<Mutex<Option<Server>>>,
    _shutdown: Arc<DropGuard>,
}

/// What the handle, the HTTP routes and the outbound worker share.
pub(super) struct Core {
    pub options: Options,
    pub address: SocketAddr,
    pub subscription: String,
    pub outbox: mpsc::Sender<usize>,
    pub http: reqwest::Client,
    pub runtime: runtime::Handle,
    /// Cancelled when the last handle is gone.
    pub shutdown: CancellationToken,
    /// The state. A `watch` rather than a mutex, because each change wakes everybody who waits for a condition.
    state: watch::Sender<State>,
}

/// The part that listens, while it does.
struct Server {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Signl4 {
    /// Starts to listen and to deliver notifications.
    ///
    /// # Errors
    /// [`StartError`] if the address cannot be bound.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let listener = bind(options.bind).await?;
        let address =
            listener.local_addr().map_err(|source| StartError::Bind { address: options.bind, source })?;
        // Another part of the process may have chosen a provider already; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Only plain http on loopback is called. Looking for the system's authorities fails if there are none, as in an
        // empty container image.
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]);
        let http = http.build().map_err(StartError::Client)?;
        let (outbox, queue) = mpsc::channel(outbound::QUEUE_LENGTH);
        let shutdown = CancellationToken::new();
        let core = Arc::new(Core {
            address,
            subscription: ids::uuid(),
            outbox,
            http,
            runtime: runtime::Handle::current(),
            shutdown: shutdown.clone(),
            state: watch::Sender::new(State::new(&options)),
            options,
        });
        tokio::spawn(outbound::work(Arc::clone(&core), queue));
        let signl4 = Self { core, server: Arc::default(), _shutdown: Arc::new(shutdown.drop_guard()) };
        signl4.serve(listener).await;
        Ok(signl4)
    }

    /// Stops listening and cuts every connection; callers are refused. What it knows stays, and so does the port.
    pub async fn refuse(&self) {
        let server = self.server.lock().await.take();
        if let Some(server) = server {
            server.stop.cancel();
            // Its only way to fail is a panic, and then it is gone all the same.
            let _ = server.task.await;
        }
        self.core.change(|state| state.listening = false);
    }

    /// Listens again on the same port after [`Signl4::refuse`].
    ///
    /// # Errors
    /// [`StartError::Bind`] if another process took the port meanwhile.
    pub async fn listen_again(&self) -> Result<(), StartError> {
        if self.is_listening() {
            return Ok(());
        }
        let listener = bind(self.core.address).await?;
        self.serve(listener).await;
        Ok(())
    }

    async fn serve(&self, listener: TcpListener) {
        let stop = self.core.shutdown.child_token();
        let app = Router::new()
            .merge(webhook::routes())
            .nest("/api", rest::routes(&self.core))
            .layer(DefaultBodyLimit::max(LARGEST_BODY))
            .with_state(Arc::clone(&self.core))
            .into_make_service_with_connect_info::<Connection>();
        let listener = CuttableListener::new(listener, stop.clone());
        let until = stop.clone();
        let task = tokio::spawn(async move {
            // Serving never ends on its own; dropping it closes the listener at once.
            tokio::select! {
                () = until.cancelled() => {}
                _ = async { axum::serve(listener, app).await } => {}
            }
        });
        *self.server.lock().await = Some(Server { stop, task });
        self.core.change(|state| state.listening = true);
    }

    /// Whether it listens.
    pub fn is_listening(&self) -> bool {
        self.core.look(|state| state.listening)
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.core.address)
    }

    /// The base of the REST API; `/v2/…` follows.
    pub fn api_url(&self) -> String {
        format!("{}/api", self.url())
    }

    /// The key for the REST API.
    pub fn api_key(&self) -> &str {
        &self.core.options.api_key
    }

    /// The inbound webhook of the team of that name; with a name that is no team's, one that answers 404.
    pub fn webhook_url(&self, team: &str) -> String {
        let secret =
            self.teams().iter().find(|known| known.name == team).map_or("no-such-team", |team| &team.secret);
        format!("{}/webhook/{secret}", self.url())
    }

    /// The teams it was started with.
    pub fn teams(&self) -> &[Team] {
        &self.core.options.teams
    }

    /// The people it was started with.
    pub fn people(&self) -> &[Person] {
        &self.core.options.people
    }

    /// Who is on duty; the page's phone is theirs.
    pub fn on_duty(&self) -> Option<Person> {
        self.core.look(|state| state.on_duty.clone())
    }

    /// Sends later notifications there, for example `http://127.0.0.1:8080/signl4/{secret}`.
    pub fn set_outbound_url(&self, url: &str) {
        self.core.change(|state| state.outbound_url = Some(url.to_owned()));
    }

    /// The switches for faults.
    pub fn faults(&self) -> Faults {
        Faults { core: Arc::clone(&self.core) }
    }

    /// Every alert so far, oldest first.
    pub fn alerts(&self) -> Vec<Alert> {
        self.core.look(|state| state.alerts.clone())
    }

    /// Every call of the inbound webhook so far that could be read, oldest first.
    pub fn calls(&self) -> Vec<WebhookCall> {
        self.core.look(|state| state.calls.clone())
    }

    /// An alert by its id.
    pub fn alert(&self, id: &str) -> Option<Alert> {
        self.core.look(|state| state.alerts.iter().find(|alert| alert.id == id).cloned())
    }

    /// Every notification so far, oldest first, with how its delivery went.
    pub fn notifications(&self) -> Vec<Notification> {
        self.core.look(|state| state.notifications.clone())
    }

    /// Waits until there are at least `count` alerts, and returns them all.
    ///
    /// # Errors
    /// [`WaitError`] after `timeout`.
    pub async fn wait_for_alerts(&self, count: usize, timeout: Duration) -> Result<Vec<Alert>, WaitError> {
        self.wait_until(timeout, |alerts, _| alerts.len() >= count).await?;
        Ok(self.alerts())
    }

    /// Waits until every notification so far is delivered, refused, dropped or given up, and returns them all.
    ///
    /// # Errors
    /// [`WaitError`] after `timeout`.
    pub async fn wait_for_delivery(&self, timeout: Duration) -> Result<Vec<Notification>, WaitError> {
        self.wait_until(timeout, |_, notifications| notifications.iter().all(|n| n.outcome.is_settled()))
            .await?;
        Ok(self.notifications())
    }

    /// Waits until the alerts and the notifications meet `condition`.
    ///
    /// # Errors
    /// [`WaitError`] after `timeout`.
    pub async fn wait_until(
        &self,
        timeout: Duration,
        mut condition: impl FnMut(&[Alert], &[Notification]) -> bool,
    ) -> Result<(), WaitError> {
        let holds = self.core.wait_until(|state| condition(&state.alerts, &state.notifications));
        tokio::time::timeout(timeout, holds).await.map_err(|_| WaitError(timeout))
    }

    /// A bell that rings after each change.
    pub fn changes(&self) -> Changes {
        Changes(self.core.state.subscribe())
    }
}

/// Rings after each change of a simulated SIGNL4. Changes in quick succession may ring once.
pub struct Changes(watch::Receiver<State>);

impl Changes {
    /// Waits for the next change since the last call (or since it was made). Never ends once the simulator is gone.
    pub async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Core {
    /// Changes the state and wakes everybody who waits.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut result = None;
        self.state.send_modify(|state| result = Some(change(state)));
        match result {
            Some(result) => result,
            None => unreachable!("send_modify calls its closure"),
        }
    }

    /// Reads the state.
    pub(super) fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.borrow())
    }

    /// Waits until a condition is met, possibly forever.
    pub(super) async fn wait_until(&self, mut condition: impl FnMut(&State) -> bool) {
        // The sender lives in `self`, so the channel cannot close under us.
        let _ = self.state.subscribe().wait_for(|state| condition(state)).await;
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Bind { address, source })
}
