//! Starts the parts, watches over them and stops them together.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use tokio::{
    net::TcpListener,
    sync::mpsc,
    task::{JoinError, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{
    drain::drain,
    housekeeping::Housekeeping,
    inbox::Inbox,
    intake::Intake,
    notice::{Notices, chat_lanes},
    pager::{Pager, pager_lane},
    poster::{Persona, Poster},
    rooms::Rooms,
    session::reach,
    watch::{Ears, Watch},
};
use crate::{
    admin::{self, Health},
    alerting::TeamName,
    config::Config,
    listener,
    rocketchat::{Account, Connector, ConnectorError, Fatal, realtime::Realtime, rest::RestClient},
    signl4::WebhookClient,
    store::{Lane, Store, StoreError},
};

/// How long the parts have to finish what they are doing once the bot is told to stop.
const GRACE: Duration = Duration::from_secs(9);
/// Realtime events that may wait for the intake.
const EVENTS: usize = 1024;
/// How much longer a message is remembered than it may alert, for clocks differ.
const REMEMBER_LONGER: Duration = Duration::from_hours(1);

/// Times that tests shorten.
#[derive(Clone, Copy, Debug)]
pub struct Tempo {
    /// After this time an alert that did not leave is told of in its thread.
    pub late_after: Duration,
    /// How often it is looked for messages that the stream may have dropped.
    pub look_again: Duration,
}

impl Default for Tempo {
    fn default() -> Self {
        Self { late_after: Duration::from_secs(60), look_again: Duration::from_secs(60) }
    }
}

/// Why the bot did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be used.
    #[error("store.url: {0}")]
    Store(#[from] StoreError),
    /// An address cannot be listened on.
    #[error("{key}: cannot listen on {address} ({source}); free it or choose another")]
    Bind {
        /// The key of `bot.toml`.
        key: &'static str,
        /// The address it names.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The HTTP clients cannot be built.
    #[error("cannot prepare outgoing connections: {0}")]
    Connect(#[from] ConnectorError),
    /// The same for SIGNL4.
    #[error("cannot prepare outgoing connections: {0}")]
    Http(#[from] reqwest::Error),
}

/// Why the bot stopped although nobody told it to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Rocket.Chat refuses the account for good.
    #[error("{0}")]
    Account(#[from] Fatal),
    /// A part ended by itself or panicked; the others cannot do its work.
    #[error(
        "the {0} stopped working; this is a bug, please report it with the log. Nothing is lost: start the bot again"
    )]
    Part(&'static str),
    /// A socket broke.
    #[error("the {0} cannot go on listening: {1}")]
    Listener(&'static str, std::io::Error),
}

/// The name of a part, and how it ended.
type PartEnd = (&'static str, Result<(), RunError>);

/// A running bot.
#[derive(Debug)]
pub struct Bot {
    parts: JoinSet<PartEnd>,
    cancel: CancellationToken,
    store: Store,
    listener: SocketAddr,
    admin: SocketAddr,
}

/// What most parts need.
struct Shared {
    store: Store,
    notices: Arc<Notices>,
    rooms: Arc<Rooms>,
    rest: RestClient,
    cancel: CancellationToken,
}

impl Bot {
    /// Starts every part. Returns once both listeners are bound; the connection to Rocket.Chat follows by itself.
    ///
    /// # Errors
    /// When the store or an address cannot be used.
    pub async fn start(config: Config, tempo: Tempo) -> Result<Self, StartError> {
        let store = Store::open(&config.store.url).await?;
        let public = bind("listener.bind", config.listener.bind).await?;
        let private = bind("admin.bind", config.admin.bind).await?;
        let addresses = (address(&public, config.listener.bind), address(&private, config.admin.bind));
        let connector = Connector::new()?;
        let webhooks = WebhookClient::new(connector.client_builder())?;
        let account = Arc::new(Account::new(
            config.rocketchat.url.clone(),
            config.rocketchat.account.credentials(),
            connector,
        ));
        let realtime = Realtime::new(account.clone());
        let triggers = Arc::new(config.triggers.clone());
        let shared = Shared {
            store: store.clone(),
            notices: Arc::new(Notices::new(config.replies.clone())),
            rooms: Arc::new(Rooms::new(triggers.clone())),
            rest: RestClient::new(account),
            cancel: CancellationToken::new(),
        };
        let mut bot = Self {
            parts: JoinSet::new(),
            cancel: shared.cancel.clone(),
            store,
            listener: addresses.0,
            admin: addresses.1,
        };
        bot.start_pagers(&config, &shared, &webhooks).await?;
        bot.start_posters(&config, &shared);
        bot.start_inside(&config, &shared, tempo);
        bot.start_listeners(&config, &shared, &realtime, public, private);
        bot.start_watch(&config, &shared, triggers, realtime, tempo);
        info!(listener = %bot.listener, admin = %bot.admin, "started");
        Ok(bot)
    }

    /// The address that SIGNL4 has to reach.
    pub fn listener(&self) -> SocketAddr {
        self.listener
    }

    /// The address of the private listener.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Tells every part to finish what it is doing; [`Bot::run`] then returns within 10 s.
    pub fn stopper(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// Runs until told to stop, or until a part cannot go on; then stops all of them.
    ///
    /// # Errors
    /// When a part could not go on.
    pub async fn run(mut self) -> Result<(), RunError> {
        let first = tokio::select! {
            // Looked at first: parts that end because they are told to have not ended by themselves.
            biased;
            () = self.cancel.cancelled() => Ok(()),
            ended = self.parts.join_next() => early_end(ended),
        };
        self.cancel.cancel();
        let all = async { while self.parts.join_next().await.is_some() {} };
        if timeout(GRACE, all).await.is_err() {
            warn!("some parts did not finish in time; what they were doing goes on at the next start");
            self.parts.abort_all();
        }
        // The pool waits for connections in use; an aborted part has given its own back.
        let _ = timeout(Duration::from_millis(500), self.store.close()).await;
        info!("stopped");
        first
    }

    /// A part that only ever ends when it is told to.
    fn part(&mut self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.fallible(name, async move {
            work.await;
            Ok(())
        });
    }

    fn fallible(
        &mut self,
        name: &'static str,
        work: impl Future<Output = Result<(), RunError>> + Send + 'static,
    ) {
        self.parts.spawn(async move { (name, work.await) });
    }

    async fn start_pagers(
        &mut self,
        config: &Config,
        shared: &Shared,
        client: &WebhookClient,
    ) -> Result<(), StartError> {
        let mut lanes: Vec<Lane> = chat_lanes().into();
        for (team, url) in config.signl4.webhooks() {
            let lane = pager_lane(&team);
            lanes.push(lane.clone());
            let pager = Pager {
                team,
                url: url.clone(),
                client: client.clone(),
                retry_for: config.signl4.retry_for,
                store: shared.store.clone(),
                notices: shared.notices.clone(),
            };
            self.part(
                "worker that pages SIGNL4",
                drain(lane, pager, shared.store.clone(), shared.cancel.clone()),
            );
        }
        let moved = shared.store.adopt_orphans(&lanes, &pager_lane(&TeamName::Default)).await?;
        if moved > 0 {
            warn!(
                alerts = moved,
                "alerts waited for teams that bot.toml no longer names; [signl4] is paged instead"
            );
        }
        Ok(())
    }

    fn start_posters(&mut self, config: &Config, shared: &Shared) {
        let poster = Arc::new(Poster {
            rest: shared.rest.clone(),
            persona: Persona {
                alias: config.rocketchat.alias.clone(),
                avatar: config.rocketchat.avatar.as_ref().map(ToString::to_string),
            },
            retry_for: config.signl4.retry_for,
            plain: AtomicBool::new(false),
        });
        for lane in chat_lanes() {
            let work = drain(lane, poster.clone(), shared.store.clone(), shared.cancel.clone());
            self.part("worker that posts to Rocket.Chat", work);
        }
    }

    fn start_inside(&mut self, config: &Config, shared: &Shared, tempo: Tempo) {
        let inbox = Inbox {
            store: shared.store.clone(),
            notices: shared.notices.clone(),
            rooms: shared.rooms.clone(),
        };
        self.part("worker that reads SIGNL4's events", inbox.run(shared.cancel.clone()));
        let housekeeping = Housekeeping {
            store: shared.store.clone(),
            notices: shared.notices.clone(),
            late_after: tempo.late_after,
            keep: config.store.keep,
            remember: reach(config.rocketchat.catch_up) + REMEMBER_LONGER,
        };
        self.part("housekeeping", housekeeping.run(shared.cancel.clone()));
    }

    fn start_listeners(
        &mut self,
        config: &Config,
        shared: &Shared,
        realtime: &Realtime,
        public: TcpListener,
        private: TcpListener,
    ) {
        const PUBLIC: &str = "public listener";
        const PRIVATE: &str = "admin listener";
        let (secret, store, cancel) =
            (config.listener.secret.clone(), shared.store.clone(), shared.cancel.clone());
        self.fallible(PUBLIC, async move {
            listener::serve(public, &secret, store, cancel)
                .await
                .map_err(|error| RunError::Listener(PUBLIC, error))
        });
        let health = Health::new(realtime.state(), shared.store.clone());
        let (token, cancel) = (config.admin.token.clone(), shared.cancel.clone());
        self.fallible(PRIVATE, async move {
            admin::serve(private, token, health, cancel)
                .await
                .map_err(|error| RunError::Listener(PRIVATE, error))
        });
    }

    fn start_watch(
        &mut self,
        config: &Config,
        shared: &Shared,
        triggers: Arc<crate::alerting::TriggerSet>,
        realtime: Realtime,
        tempo: Tempo,
    ) {
        let ears = Ears {
            rest: shared.rest.clone(),
            store: shared.store.clone(),
            intake: Intake {
                store: shared.store.clone(),
                triggers,
                notices: shared.notices.clone(),
                server: config.rocketchat.url.clone(),
            },
            rooms: shared.rooms.clone(),
            catch_up: config.rocketchat.catch_up,
            auto_join: config.rocketchat.auto_join,
            look_again: tempo.look_again,
        };
        let (sender, events) = mpsc::channel(EVENTS);
        self.part("intake of messages", Watch::new(Arc::new(ears)).run(events, shared.cancel.clone()));
        let cancel = shared.cancel.clone();
        self.fallible("connection to Rocket.Chat", async move { Ok(realtime.run(sender, cancel).await?) });
    }
}

/// A part that ends before the bot is told to stop takes the bot down.
fn early_end(ended: Option<Result<PartEnd, JoinError>>) -> Result<(), RunError> {
    match ended {
        Some(Ok((_, Err(error)))) => Err(error),
        Some(Ok((name, Ok(())))) => Err(RunError::Part(name)),
        Some(Err(panic)) => {
            error!(%panic, "a part panicked");
            Err(RunError::Part("part named in the log"))
        }
        None => Ok(()),
    }
}

async fn bind(key: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Bind { key, address, source })
}

fn address(socket: &TcpListener, asked: SocketAddr) -> SocketAddr {
    socket.local_addr().unwrap_or(asked)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_team_has_a_lane_of_its_own() {
        let lanes: BTreeSet<Lane> =
            [TeamName::Default, TeamName::Named("a".into()), TeamName::Named("b".into())]
                .iter()
                .map(pager_lane)
                .collect();
        assert_eq!(lanes.len(), 3);
    }
}
