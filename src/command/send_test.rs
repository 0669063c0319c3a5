//! `test --send`: pages for real with a text that says it is a test, then waits for SIGNL4 to call back.
//!
//! If no bot is running, this waits for the event on the listener's own address. If a bot is running, it uses that
//! address, so this watches the bot's store. The bot considers the event as one of an unknown alert and posts nothing.

use std::{
    io::{self, ErrorKind, Write as _},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use rand::Rng as _;
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::Failure;
use crate::{
    alerting::TeamName,
    check::Clients,
    config::Config,
    listener::{self, Access},
    store::{Store, StoreError, StoreUrl},
};
use signl4::{AlertEvent, Notification, RaiseError};

/// Time limit for SIGNL4's call.
pub(super) const CALLBACK_WITHIN: Duration = Duration::from_secs(60);
/// How often to read the store.
const POLL: Duration = Duration::from_millis(200);
/// The beginning of the alert's text.
const NOTE: &str = "This is a test of the bridge from Rocket.Chat. Nothing has happened; please acknowledge.";

/// How the event that is sent differs from the one that a dry run shows; see [`as_test`].
pub(super) const SENT_AS: &str = "The first event is sent as a test: its title begins with TEST, its message with a note, and its external ID is a new one.";

/// Sends `event` to a team, marked as a test, and reports the result.
///
/// # Errors
/// [`Failure::Reported`] if SIGNL4 does not accept the event or does not call back; the reason is printed.
pub(super) async fn send(config: &Config, team: &TeamName, event: AlertEvent) -> Result<(), Failure> {
    let Some((_, url)) = config.signl4.webhooks().find(|(name, _)| name == team) else {
        return Err(failed("the trigger's team has no webhook"));
    };
    let callbacks = Callbacks::await_at(config).await?;
    let client = Clients::new().map_err(failed)?.webhooks;
    let external_id = format!("signl4-rocketchat-test-{:016x}", rand::rng().next_u64());
    let event = as_test(event, &external_id);
    let called = Instant::now();
    let event_id = match client.raise(url, &event.to_json()).await {
        Ok(raised) => {
            let name = raised.event_id.as_ref();
            let name = name.map_or("without an eventId".to_owned(), |id| format!("eventId {id}"));
            let took = called.elapsed().as_millis();
            say(&format!("Sent: SIGNL4 accepted it after {took} ms ({name}).\n"));
            raised.event_id
        }
        // SIGNL4's event shows whether it raised the alert.
        Err(RaiseError::Unanswered(reason)) => {
            say(&format!("Unknown whether it was sent: {reason}\n"));
            None
        }
        Err(error) => {
            say(&format!("NOT sent: {error}\n"));
            return Err(Failure::Reported);
        }
    };
    say(&format!(
        "Waiting up to {} s for SIGNL4 to call back. Acknowledge the alert on the phone to get an event sooner.\n",
        CALLBACK_WITHIN.as_secs()
    ));
    let is_ours = |event: &Notification| {
        event.alert.as_ref().is_some_and(|alert| {
            alert.external_id.as_deref() == Some(&external_id)
                || (alert.event_id.is_some() && alert.event_id == event_id)
        })
    };
    match timeout(CALLBACK_WITHIN, callbacks.next(is_ours)).await {
        Ok(Ok(event)) => {
            let (kind, after) = (event.event_kind.name(), called.elapsed().as_millis());
            say(&format!("SIGNL4 called back after {after} ms ({kind}): both directions work.\n"));
            Ok(())
        }
        Ok(Err(error)) => Err(failed(error)),
        Err(_) => {
            say(&format!(
                "SIGNL4 did not call back. In the SIGNL4 portal, enter the outbound webhook http(s)://<host>:{}/signl4/<listener.secret>, \
                 with its events enabled, and make sure that SIGNL4 can reach that address from the internet \
                 (`check --public-url` tests it).\n",
                config.listener.bind.port()
            ));
            Err(Failure::Reported)
        }
    }
}

/// The event with a text that says it is a test, and with an external ID that no other alert has.
fn as_test(mut event: AlertEvent, external_id: &str) -> AlertEvent {
    event.title = format!("TEST: {}", event.title);
    event.message = format!("{NOTE}\n\n{}", event.message);
    event.external_id = Some(external_id.to_owned());
    event
}

pub(super) fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Failed(format!("test --send: {error}"))
}

/// The store in which SIGNL4's events arrive: that of a running bot, or a temporary one behind a listener of our own.
struct Callbacks {
    url: StoreUrl,
    since: Timestamp,
    _listener: Option<(TempDir, AbortOnDropHandle<()>)>,
}

impl Callbacks {
    async fn await_at(config: &Config) -> Result<Self, Failure> {
        let since = Timestamp::now();
        let socket = match TcpListener::bind(config.listener.bind).await {
            Ok(socket) => socket,
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                let url = config.store.url.clone();
                // Tried first, so that nobody is paged if the event could not be received.
                Store::received_events(&url, since).await.map_err(failed)?;
                return Ok(Self { url, since, _listener: None });
            }
            Err(error) => return Err(failed(format!("cannot listen on listener.bind: {error}"))),
        };
        let directory = tempfile::tempdir().map_err(failed)?;
        let url = StoreUrl::sqlite(directory.path().join("test.db"));
        let store = Store::open(&url).await.map_err(failed)?;
        let access = watch::Sender::new(Arc::new(Access::new(&config.listener).map_err(failed)?));
        let (limits, cancel) = (listener::Limits::default(), CancellationToken::new());
        let serving = listener::serve(limits, socket, access.subscribe(), store, cancel);
        let serving = tokio::spawn(async move {
            serving.await;
            drop(access);
        });
        Ok(Self { url, since, _listener: Some((directory, AbortOnDropHandle::new(serving))) })
    }

    /// The next event that is the wanted one.
    async fn next(&self, is_wanted: impl Fn(&Notification) -> bool) -> Result<Notification, StoreError> {
        loop {
            let bodies = Store::received_events(&self.url, self.since).await?;
            let mut events = bodies.iter().filter_map(|body| Notification::parse(body).ok());
            if let Some(event) = events.find(&is_wanted) {
                return Ok(event);
            }
            sleep(POLL).await;
        }
    }
}

fn say(text: &str) {
    // The reader may have closed the pipe.
    let _ = io::stdout().write_all(text.as_bytes());
    let _ = io::stdout().flush();
}
