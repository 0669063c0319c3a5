//! The status page's stream of server-sent events: sends each section of the page again when it changes.

use std::{collections::HashMap, convert::Infallible, time::Duration};

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{Stream, StreamExt, stream};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::{sleep, timeout},
};

use super::{listener::AppState, page, status::StatusCollector};
use rocketchat::realtime::ConnectionState;

/// Changes within this time are sent together, because there are thousands a second under load.
const DEBOUNCE: Duration = Duration::from_millis(400);
/// How often the status is collected without a notification, because not every change sends one.
const POLL: Duration = Duration::from_secs(5);
/// How soon a browser that lost the stream reconnects.
const RETRY: Duration = Duration::from_secs(2);
/// Maximum number of open streams.
pub(super) const MAX_STREAMS: usize = 16;

/// Every section of the page now, and again whenever it changes (`text/event-stream`).
pub(super) async fn events(State(state): State<AppState>) -> Response {
    let Ok(permit) = state.streams.clone().try_acquire_owned() else {
        let retry_after = (header::RETRY_AFTER, "10");
        return (StatusCode::SERVICE_UNAVAILABLE, [retry_after], "too many status pages are open\n")
            .into_response();
    };
    // A stream that continued would delay the bot's shutdown.
    let events = stream(state.status, permit).take_until(state.cancel.cancelled_owned());
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

fn stream(
    status: StatusCollector,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(Feed::new(status, permit), |mut feed| async {
        let changed = feed.next_changes().await;
        // A map of strings always serializes.
        let event = Event::default().retry(RETRY).json_data(changed).unwrap_or_default();
        Some((Ok(event), feed))
    })
}

/// What one browser was sent.
struct Feed {
    status: StatusCollector,
    store: watch::Receiver<()>,
    log: watch::Receiver<()>,
    connection: watch::Receiver<ConnectionState>,
    /// The sections as last sent, by name.
    sent: HashMap<&'static str, String>,
    _permit: OwnedSemaphorePermit,
}

impl Feed {
    fn new(status: StatusCollector, permit: OwnedSemaphorePermit) -> Self {
        let bot = &status.bot;
        Self {
            store: bot.store.changes(),
            log: bot.log.changes(),
            connection: bot.connection.clone(),
            sent: HashMap::new(),
            _permit: permit,
            status,
        }
    }

    /// Waits until some sections differ from what was sent, and returns them. The first call returns all of them.
    async fn next_changes(&mut self) -> HashMap<&'static str, String> {
        loop {
            if !self.sent.is_empty() && timeout(POLL, self.notified()).await.is_ok() {
                sleep(DEBOUNCE).await;
            }
            self.store.mark_unchanged();
            self.log.mark_unchanged();
            self.connection.mark_unchanged();
            let status = self.status.collect().await;
            let sections = page::sections(&status).map(|(name, section)| (name, section.into_string()));
            let changed: HashMap<_, _> =
                sections.into_iter().filter(|(name, html)| self.sent.get(name) != Some(html)).collect();
            if !changed.is_empty() {
                self.sent.extend(changed.clone());
                return changed;
            }
        }
    }

    async fn notified(&mut self) {
        tokio::select! {
            Ok(()) = self.store.changed() => {}
            Ok(()) = self.log.changed() => {}
            Ok(()) = self.connection.changed() => {}
            else => std::future::pending().await,
        }
    }
}
