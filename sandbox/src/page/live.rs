//! A new state after every change, and the stream of them that each browser listens to.

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

/// Changes that come within this time make one new state.
const GATHER: Duration = Duration::from_millis(20);
/// How soon a browser that lost the stream asks for it again.
const RETRY: Duration = Duration::from_secs(1);

/// The state as JSON, always the newest. A slow browser skips states and never makes anybody wait.
pub(super) struct Live {
    newest: watch::Receiver<Arc<str>>,
    bell: Arc<Notify>,
}

impl Live {
    /// Follows both simulators and the bot as long as the page lives.
    pub(super) fn start(chat: RocketChat, signl4: Signl4, bot: BotWatch, life: CancellationToken) -> Self {
        let bell = Arc::new(Notify::new());
        let (sender, newest) = watch::channel(Snapshot::take(&chat, &signl4, bot.now()).to_json());
        let follow = follow(chat, signl4, bot, Arc::clone(&bell), sender);
        tokio::spawn(life.run_until_cancelled_owned(follow));
        Self { newest, bell }
    }

    /// Has the state looked at again, for what the simulators do not tell by themselves.
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
        // Taken after the bells are hung up and again after each ring, so that no change is missed.
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
        // What rang meanwhile is in the state that comes now.
        in_chat = in_chat.resubscribe();
    }
}

/// The state now, and again after every change (`text/event-stream`).
pub(super) async fn events(
    State(app): State<Arc<AppState>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let states = WatchStream::new(app.live.newest.clone());
    let events = states.map(|json| Ok(Event::default().retry(RETRY).data(&*json)));
    let life = app.life.clone();
    // The bot's own streams end with the page; this one would keep its connection open.
    Sse::new(events.take_until(life.cancelled_owned())).keep_alive(KeepAlive::default())
}
