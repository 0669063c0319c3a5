//! Starts the parts, monitors them and stops them together.

use std::io::{self, ErrorKind};
use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::context::Context;
use super::events::Events;
use super::housekeeping;
use super::outbox::Outbox;
use super::progress::Cursors;
use super::rooms::Rooms;
use super::saved_login::SavedLogin;
use super::settings::{Current, Reloader};
use super::stream::{StreamConsumer, StreamFilter};
use super::tempo::Tempo;
use super::view::view;
use crate::admin::{self, BotView};
use crate::config::Config;
use crate::health::{Condition, Health};
use crate::listener::{self, Access, CertificateError};
use crate::store::{Store, StoreError};
use crate::telemetry;
use rocketchat::realtime::{ConnectionState, Realtime};
use rocketchat::rest::RestClient;
use rocketchat::{Account, Connector, ConnectorError, LoginError};
use signl4::WebhookClient;

/// How long the parts have to finish their work when the bot is stopped.
const GRACE: Duration = Duration::from_secs(9);
/// How often a standby tries to become active.
const TAKE_OVER_EVERY: Duration = Duration::from_secs(1);
/// Maximum number of realtime events that wait for the intake.
const EVENTS: usize = 1024;

/// Why the bot did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be used.
    #[error("store.url: {0}")]
    Store(#[from] StoreError),
    /// The public listener's certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The bot cannot listen on an address.
    #[error("{key}: {}", cannot_listen(key, *address, source).join("; "))]
    Bind {
        /// The key of `bot.toml`.
        key: &'static str,
        /// The address it names.
        address: SocketAddr,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The HTTP client for Rocket.Chat cannot be created.
    #[error("cannot prepare outgoing connections: {0}")]
    Connect(#[from] ConnectorError),
    /// The same for SIGNL4.
    #[error("cannot prepare outgoing connections: {0}")]
    Http(#[from] reqwest::Error),
}

/// Why the bot stopped unexpectedly.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A part ended or panicked, and the others cannot do its work.
    #[error(
        "the {0} stopped working; this is a bug, please report it with the log. Nothing is lost: start the bot again"
    )]
    Part(&'static str),
    /// Another replica was active in the meantime, so what this one knows is outdated.
    #[error("another replica has taken over; this one stops, and is a standby once it is started again")]
    Replaced,
    /// It cannot become active.
    #[error("cannot take over from the replica that was active: {0}")]
    TakeOver(#[source] StoreError),
}

/// A running bot.
pub struct Bot {
    parts: JoinSet<&'static str>,
    /// Stops every part after its current work; [`Bot::run`] then returns within 10 s.
    cancel: CancellationToken,
    context: Context,
    /// Replaces the configuration while the bot runs.
    pub(crate) reloader: Reloader,
    /// The parts of the bot that can be inspected while it runs.
    pub(crate) view: BotView,
    /// The address that SIGNL4 has to reach.
    pub(crate) listener: SocketAddr,
    /// The address of the private listener.
    pub(crate) admin: SocketAddr,
    /// What an active bot does, until it is started.
    work: Option<Work>,
}

/// What only the active one of several replicas has to do.
struct Work {
    webhooks: WebhookClient,
    realtime: Realtime,
}

impl Bot {
    /// Starts every part. Returns once both listeners are bound; the connection to Rocket.Chat is established later. If another
    /// replica is active, only the listeners start; [`Bot::run`] starts the rest once that replica is gone. `cancel` stops it.
    ///
    /// # Errors
    /// When the store or an address cannot be used.
    pub async fn start(config: Config, tempo: Tempo, cancel: CancellationToken) -> Result<Self, StartError> {
        let access = watch::Sender::new(Arc::new(Access::new(&config.listener)?));
        let store = Store::open_as_replica(&config.store.url, tempo.store_busy).await?;
        let is_active = store.take_over().await?;
        let (public, listener) = bind("listener.bind", config.listener.bind).await?;
        let (private, admin) = bind("admin.bind", config.admin.bind).await?;
        let connector = Connector::new(crate::USER_AGENT)?
            .on_http_error(|code| telemetry::HTTP_ERRORS.count(&[("peer", "rocketchat"), ("code", code)]));
        let webhooks = WebhookClient::new(connector.client_builder())?
            .on_http_error(|code| telemetry::HTTP_ERRORS.count(&[("peer", "signl4"), ("code", code)]));
        let settings = &config.rocketchat;
        let account = Account::new(settings.url.clone(), settings.account.clone(), connector);
        let account = Arc::new(account.with_login_wait(tempo.retry_unit));
        let (admin_token, current) = (config.admin.token.clone(), Current::new(config));
        let rooms = Arc::new(Rooms::new(current.now()));
        let (rest, health) = (RestClient::new(account.clone()), Health::new(tempo.store_late));
        let cursors = Arc::new(Cursors::new(store.clone(), health.clone()));
        let (seen, warned) = Default::default();
        let context = Context { store, current, rooms, seen, cursors, rest, health, tempo, warned };
        let filter = StreamFilter { context: context.clone(), looked_at: telemetry::start() };
        let timing = context.tempo.realtime.clone();
        let realtime = Realtime::new(account).with_timing(timing).with_filter(Arc::new(filter));
        let mut bot = Self {
            parts: JoinSet::new(),
            cancel,
            reloader: Reloader { current: context.current.clone(), access: access.clone() },
            view: view(&context, &realtime),
            context,
            listener,
            admin,
            work: Some(Work { webhooks, realtime }),
        };
        let (store, view) = (bot.context.store.clone(), bot.view.clone());
        let (limits, cancel) = (listener::Limits::default(), bot.cancel.clone());
        bot.part("public listener", listener::serve(limits, public, access.subscribe(), store, cancel));
        bot.part("admin listener", admin::serve(private, admin_token, view, bot.cancel.clone()));
        info!(listener = %bot.listener, admin = %bot.admin, "started");
        match is_active {
            true => bot.start_work().await?,
            false => info!("standby: another replica is active"),
        }
        Ok(bot)
    }

    /// Starts what only the active replica does.
    async fn start_work(&mut self) -> Result<(), StoreError> {
        let Some(Work { webhooks, realtime }) = self.work.take() else { return Ok(()) };
        let context = self.context.clone();
        context.store.recover().await?;
        // The directory and the intake begin with the same settings. A reload after this is a change for both.
        let mut changes = context.current.changes();
        let settings = changes.borrow_and_update().clone();
        context.rooms.restore(settings.clone(), context.store.named_rooms().await?);
        context.cursors.load().await?;
        if let Some(login) = SavedLogin::resume(context.clone()).await {
            self.part("worker that saves the login", login.run(self.cancel.clone()));
        }
        let outbox = Outbox::start(context.clone(), webhooks, self.cancel.clone()).await?;
        self.part("outbox", outbox.run());
        self.abortable_part("worker that handles SIGNL4's events", Events::new(context.clone()).run());
        self.abortable_part("housekeeping", housekeeping::run(context.clone()));
        let (sender, events) = mpsc::channel(EVENTS);
        let account = report_account(context.clone(), realtime.state());
        self.abortable_part(
            "intake of messages",
            StreamConsumer::new(context, (settings, changes)).run(events),
        );
        let cancel = self.cancel.clone();
        self.part("connection to Rocket.Chat", async move {
            tokio::select! {
                () = realtime.run(sender, cancel) => {}
                () = account => {}
            }
        });
        Ok(())
    }

    /// Runs until stopped, or until a part fails; then stops all of them.
    ///
    /// # Errors
    /// When a part failed.
    pub async fn run(mut self) -> Result<(), RunError> {
        let store = self.context.store.clone();
        // Until the parts have finished: another replica must not do what they are doing.
        let mut replaced = pin!(store.keep_active());
        let mut reason = tokio::select! {
            biased;
            reason = self.until_it_ends() => reason,
            () = &mut replaced => Err(RunError::Replaced),
        };
        self.cancel.cancel();
        if !matches!(reason, Err(RunError::Replaced)) {
            let all = async { while self.parts.join_next().await.is_some() {} };
            tokio::select! {
                finished = timeout(GRACE, all) => if finished.is_err() {
                    warn!("some parts did not finish in time; their work continues at the next start");
                },
                () = replaced => reason = reason.and(Err(RunError::Replaced)),
            }
        }
        // A replaced replica can no longer write to the store.
        self.parts.abort_all();
        // The pool waits for connections in use; an aborted part has released its connection.
        let _ = timeout(Duration::from_millis(500), self.context.store.close()).await;
        info!("stopped");
        reason
    }

    /// Waits until the bot is stopped, or a part ends. A standby may become active meanwhile.
    async fn until_it_ends(&mut self) -> Result<(), RunError> {
        loop {
            tokio::select! {
                // Checked first: parts that end because they were stopped have not failed.
                biased;
                () = self.cancel.cancelled() => return Ok(()),
                ended = self.parts.join_next() => return early_end(ended),
                taken_over = take_over(&self.context), if self.work.is_some() => taken_over?,
            }
            if self.work.is_some() {
                self.context.current.restart();
            }
            let cancel = self.cancel.clone();
            tokio::select! {
                biased;
                () = cancel.cancelled() => return Ok(()),
                started = self.start_work() => started.map_err(RunError::TakeOver)?,
            }
        }
    }

    /// A part that ends by itself once it is stopped, and not before.
    fn part(&mut self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.parts.spawn(async move {
            work.await;
            name
        });
    }

    /// A part that can be stopped at any point.
    fn abortable_part(&mut self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let cancel = self.cancel.clone();
        self.part(name, async move {
            cancel.run_until_cancelled(work).await;
        });
    }
}

/// Waits until the active replica is gone and this one has taken over.
async fn take_over(Context { store, health, .. }: &Context) -> Result<(), RunError> {
    let mut lost_because = None;
    loop {
        sleep(TAKE_OVER_EVERY).await;
        let taken = store.take_over().await;
        health.store_answered("this standby cannot take over", &taken);
        match taken {
            Ok(true) => return Ok(()),
            Ok(false) => lost_because = None,
            Err(error @ StoreError::Migrate(_)) => return Err(RunError::TakeOver(error)),
            Err(error) => {
                let reason = Some(error.to_string());
                if lost_because != reason {
                    warn!(%error, "cannot find out whether another replica is active; trying again");
                }
                lost_because = reason;
            }
        }
    }
}

/// Reports that the account is rejected although the connection continues, because some servers keep it open when a
/// token is revoked. Without a connection, the rejection is the reason for that.
async fn report_account(
    Context { rest, health, .. }: Context,
    mut connection: watch::Receiver<ConnectionState>,
) {
    let mut refusals = rest.account().refusal();
    // The number of refusals at the last report.
    let mut reported = 0;
    loop {
        let refusal = refusals.borrow_and_update().clone();
        let is_online = connection.borrow_and_update().is_online();
        let times = refusal.as_ref().map_or(0, |refusal| refusal.times);
        let error = refusal.map(|refusal| refusal.error);
        if let Some(LoginError::Fatal(fatal)) = &error
            && times != reported
        {
            error!(times, "{fatal}");
        }
        reported = times;
        match error {
            Some(LoginError::Fatal(fatal)) if is_online => {
                health.raise(Condition::Account, format!("Nothing can be posted in Rocket.Chat: {fatal}"));
            }
            _ => health.clear(&Condition::Account),
        }
        tokio::select! {
            Ok(()) = refusals.changed() => {}
            Ok(()) = connection.changed() => {}
            else => return,
        }
    }
}

/// A part that ends before the bot is stopped stops the bot.
fn early_end(ended: Option<Result<&'static str, JoinError>>) -> Result<(), RunError> {
    match ended {
        Some(Ok(name)) => Err(RunError::Part(name)),
        Some(Err(panic)) => {
            error!(%panic, "a part panicked");
            Err(RunError::Part("part named in the log"))
        }
        None => Ok(()),
    }
}

/// Why the bot cannot listen on an address, and what to do about it.
pub(crate) fn cannot_listen(key: &str, address: SocketAddr, error: &io::Error) -> [String; 2] {
    match error.kind() {
        ErrorKind::AddrInUse => [
            format!("{address} is in use by a bot, or by another program"),
            format!("stop the program that listens there, or set {key} to another port"),
        ],
        ErrorKind::PermissionDenied => [
            format!("this user may not listen on {address}"),
            format!("set {key} to port 1024 or higher, or give the service CAP_NET_BIND_SERVICE"),
        ],
        _ => [
            format!("cannot listen on {address}: {error}"),
            format!("set {key} to 0.0.0.0:{}, or to an address of this machine", address.port()),
        ],
    }
}

/// Binds a socket. Returns its address too, for the port may be any.
async fn bind(key: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let bound = TcpListener::bind(address).await.and_then(|socket| Ok((socket.local_addr()?, socket)));
    let (bound_to, socket) = bound.map_err(|source| StartError::Bind { key, address, source })?;
    Ok((socket, bound_to))
}
