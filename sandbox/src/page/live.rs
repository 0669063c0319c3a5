//! Takes a new snapshot after every change and streams them to the browsers.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, StreamExt};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, watch};
use tokio_stream::wrappers::WatchStream;
use tokio_util::sync::CancellationToken;

use super::bot::BotWatch;
use super::server::AppState;
use super::snapshot::Snapshot;
use crate::rocketchat::RocketChat;
use crate::signl4::Signl4;

/// Changes within this time share one snapshot.
const GATHER: Duration = Duration::from_millis(20);
/// How soon a browser reconnects to the stream.
const RETRY: Duration = Duration::from_secs(1);

/// The newest snapshot as JSON. A slow browser skips snapshots and blocks nobody.
pub(super) struct Live {
    newest: watch::Receiver<Arc<str>>,
    bell: Arc<Notify>,
}

impl Live {
    /// Follows both simulators and the bot until the page is dropped.
    pub(super) fn start(
        chat: RocketChat,
        signl4: Signl4,
        bot: BotWatch,
        shutdown: CancellationToken,
    ) -> Self {
        let bell = Arc::new(Notify::new());
        let (sender, newest) = watch::channel(Snapshot::take(&chat, &signl4, bot.now()).to_json());
        let follow = follow(chat, signl4, bot, Arc::clone(&bell), sender);
        tokio::spawn(shutdown.run_until_cancelled_owned(follow));
        Self { newest, bell }
    }

    /// Requests a new snapshot, for changes that the simulators do not announce.
    pub(super) fn look_again(&self) {
        self.bell.notify_one();
    }
}

async fn follow(
    chat: RocketChat,
    signl4: Signl4,
    mut bot: BotWatch,
    bell: Arc<Notify>,
    newest: watch::Sender<Arc<str>>,
) {
    let mut in_chat = chat.changes();
    let mut in_signl4 = signl4.changes();
    loop {
        // The first snapshot follows the subscriptions, so that no change is missed.
        let state = Snapshot::take(&chat, &signl4, bot.now()).to_json();
        newest.send_if_modified(|known| {
            let changed = *known != state;
            *known = state;
            changed
        });
        tokio::select! {
            change = in_chat.recv() => match change {
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
            () = in_signl4.next() => {}
            () = bot.changed() => {}
            () = bell.notified() => {}
        }
        tokio::time::sleep(GATHER).await;
        // Changes of this time are part of the next snapshot.
        in_chat = in_chat.resubscribe();
    }
}

/// Streams the current state and every later one (`text/event-stream`).
pub(super) async fn events(
    State(app): State<Arc<AppState>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let states = WatchStream::new(app.live.newest.clone());
    let events = states.map(|json| Ok(Event::default().retry(RETRY).data(&*json)));
    let shutdown = app.shutdown.clone();
    // Ends with the page; the open stream would keep the connection alive.
    Sse::new(events.take_until(shutdown.cancelled_owned())).keep_alive(KeepAlive::default())
}
