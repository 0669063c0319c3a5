//! The status page's stream: each part of the page again, as it changes.

use std::{collections::HashMap, convert::Infallible, sync::Arc, time::Duration};

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
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{Instant, sleep, sleep_until},
};

use super::{listener::Desk, page, status::Photographer};
use rocketchat::realtime::ConnectionState;

/// Changes that come within this time are told together: in a storm there are thousands a second.
const GATHER: Duration = Duration::from_millis(400);
/// How often it is looked though nothing was told: not everything that is shown tells that it changed.
const LOOK: Duration = Duration::from_secs(5);
/// How soon a browser that lost the stream asks for it again.
const RETRY: Duration = Duration::from_secs(2);
/// Streams that are open side by side.
const MOST: usize = 16;

/// The room for streams.
pub(super) fn seats() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(MOST))
}

/// Every part of the page as it is now, and again whenever it changes (`text/event-stream`).
pub(super) async fn events(State(desk): State<Desk>) -> Response {
    let Ok(seat) = desk.seats.clone().try_acquire_owned() else {
        let after = (header::RETRY_AFTER, "10");
        return (StatusCode::SERVICE_UNAVAILABLE, [after], "too many status pages are open\n")
            .into_response();
    };
    // Without an end of its own the stream would hold up the end of the bot.
    let events = stream(desk.photographer, seat).take_until(desk.cancel.cancelled_owned());
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

fn stream(
    photographer: Photographer,
    seat: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(Feed::new(photographer, seat), |mut feed| async {
        let changed = feed.changed().await;
        // Strings in a map: there is nothing in them that JSON could not hold.
        let event = Event::default().retry(RETRY).json_data(changed).unwrap_or_default();
        Some((Ok(event), feed))
    })
}

/// What one browser was told.
struct Feed {
    photographer: Photographer,
    store: watch::Receiver<()>,
    log: watch::Receiver<()>,
    connection: watch::Receiver<ConnectionState>,
    /// The parts as they were sent last, by name.
    sent: HashMap<&'static str, String>,
    _seat: OwnedSemaphorePermit,
}

impl Feed {
    fn new(photographer: Photographer, seat: OwnedSemaphorePermit) -> Self {
        let bot = &photographer.bot;
        Self {
            store: bot.store.changes(),
            log: bot.log.changes(),
            connection: bot.connection.clone(),
            sent: HashMap::new(),
            _seat: seat,
            photographer,
        }
    }

    /// Waits until some parts differ from what was sent, and gives them; all of them at first.
    async fn changed(&mut self) -> HashMap<&'static str, String> {
        loop {
            if !self.sent.is_empty() {
                self.wait().await;
            }
            self.store.mark_unchanged();
            self.log.mark_unchanged();
            self.connection.mark_unchanged();
            let status = self.photographer.picture().await;
            let mut changed = HashMap::new();
            for (name, part) in page::parts(&status) {
                let html = part.into_string();
                if self.sent.get(name) != Some(&html) {
                    self.sent.insert(name, html.clone());
                    changed.insert(name, html);
                }
            }
            if !changed.is_empty() {
                return changed;
            }
        }
    }

    async fn wait(&mut self) {
        let look = Instant::now() + LOOK;
        tokio::select! {
            () = sleep_until(look) => return,
            Ok(()) = self.store.changed() => {}
            Ok(()) = self.log.changed() => {}
            Ok(()) = self.connection.changed() => {}
        }
        sleep(GATHER).await;
    }
}
