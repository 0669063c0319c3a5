//! Starting and stopping the page, and its routes.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn;
use axum::routing::{get, post, put};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::bot::BotWatch;
use super::live::Live;
use super::{assets, faults, live, messages, phone, request_check};
use crate::rocketchat::RocketChat;
use crate::signl4::Signl4;

/// The largest body of a call: the longest message, escaped, fits easily.
const LARGEST_BODY: usize = 64 * 1024;

/// How a page is set up.
#[derive(Clone, Debug)]
pub struct PageOptions {
    /// The address to listen on; port 0 takes a free port. The page has no login, so this should be a loopback address.
    pub bind: SocketAddr,
    /// The bot's status page (`http://127.0.0.1:9090/`); without one the page does not show the bot's state.
    pub bot_url: Option<String>,
}

impl Default for PageOptions {
    fn default() -> Self {
        Self { bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), bot_url: None }
    }
}

/// Why the page did not start.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The address is in use or not local.
    #[error("the page cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The error of the system.
        source: std::io::Error,
    },
    /// The HTTP client that asks the bot could not be built.
    #[error("cannot make an HTTP client")]
    Client(#[source] reqwest::Error),
}

/// A running page. It ends when it is dropped.
#[derive(Debug)]
pub struct Page {
    address: SocketAddr,
    _shutdown: DropGuard,
}

impl Page {
    /// Serves the page of these two simulators.
    ///
    /// # Errors
    /// [`PageError::Bind`] if the address cannot be listened on.
    pub async fn start(options: PageOptions, chat: RocketChat, signl4: Signl4) -> Result<Self, PageError> {
        let bind_error = |source| PageError::Bind { address: options.bind, source };
        let listener = TcpListener::bind(options.bind).await.map_err(bind_error)?;
        let address = listener.local_addr().map_err(bind_error)?;
        chat.set_web_client(&format!("http://{address}/"));
        let shutdown = CancellationToken::new();
        let bot = BotWatch::start(options.bot_url, shutdown.clone()).map_err(PageError::Client)?;
        let live = Live::start(chat.clone(), signl4.clone(), bot, shutdown.clone());
        let state =
            Arc::new(AppState { chat, signl4, live, switching: Mutex::new(()), shutdown: shutdown.clone() });
        let app = routes(state);
        let until = shutdown.clone();
        tokio::spawn(async move {
            // Serving never ends by itself; dropping it closes the listener at once.
            tokio::select! {
                () = until.cancelled() => {}
                _ = async { axum::serve(listener, app).await } => {}
            }
        });
        Ok(Self { address, _shutdown: shutdown.drop_guard() })
    }

    /// The page's URL, for a person to open: `http://127.0.0.1:8765/`.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The state that the routes share.
pub(super) struct AppState {
    pub(super) chat: RocketChat,
    pub(super) signl4: Signl4,
    pub(super) live: Live,
    /// Held while a failure is switched: two at once would interfere.
    pub(super) switching: Mutex<()>,
    /// Cancelled when the page is gone.
    pub(super) shutdown: CancellationToken,
}

fn routes(app: Arc<AppState>) -> Router {
    Router::new()
        .merge(assets::routes())
        .route("/api/events", get(live::events))
        .route("/api/messages", post(messages::write))
        .route("/api/messages/{id}", put(messages::edit))
        .route("/api/messages/{id}/replies", post(messages::reply))
        .route("/api/messages/{id}/reactions", post(messages::react))
        .route("/api/alerts/{id}", post(phone::step))
        .route("/api/duty", put(phone::take_over))
        .route("/api/faults", put(faults::switch))
        .with_state(app)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(from_fn(request_check::enforce))
}
