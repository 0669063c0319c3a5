//! Reads a room from its cursor on, and settles the messages.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use rocketchat::rest::{RestError, RoomList};
use rocketchat::{Message, RoomId};
use tracing::warn;

use crate::bot::context::Context;
use crate::bot::ingest::Item;
use crate::bot::progress::OVERLAP;
use crate::bot::rooms::Known;
use crate::bot::session::Session;
use crate::health::Condition;
use crate::store::RoomProgress;

/// Number of last messages that are settled in one transaction.
const BATCH: usize = 256;

/// Rooms that are read concurrently.
const AT_ONCE: usize = 4;

/// How long the stream may take to deliver a message.
pub(super) const IN_FLIGHT: Duration = Duration::from_secs(3);

/// How many messages were read in a room, and how many alerts they raised; or why the room could not be read.
pub(super) type Reading = Result<(usize, usize), RestError>;

impl Session {
    /// Lists the rooms that changed; all of them without a time. Without a stream, nothing else shows whether the bot receives
    /// messages, so whether it succeeds is reported.
    pub(super) async fn list_rooms(&self, since: Option<Timestamp>) -> Result<RoomList, RestError> {
        const POLLING: &str = "No realtime connection to Rocket.Chat: the bot polls the rooms over REST, so alerts are some seconds \
            late; check that proxies and firewalls allow WebSockets to the server";
        let Context { rest, health, .. } = &self.context;
        let listed = rest.rooms(since.map(|since| since - OVERLAP)).await;
        if self.is_polling {
            match &listed {
                Ok(_) => _ = health.raise(Condition::Polling, POLLING),
                // The rate limit was reached: the next list will come soon.
                Err(RestError::RateLimited { .. }) => {}
                Err(_) => health.clear(&Condition::Polling),
            }
        }
        listed
    }

    /// Settles the last messages of watched rooms, which the list of rooms contains. An account with a low limit on
    /// calls pages for them long before it has read the rooms. They do not move cursors, because there may be others
    /// before them. Returns how many alerts they raised.
    pub(super) async fn settle_last(&self, messages: impl Iterator<Item = Box<Message>>) -> usize {
        let mut alerts = 0;
        if !self.looks_back() {
            return alerts;
        }
        let mut over = messages.filter(|message| !self.is_in_flight(message));
        loop {
            let batch: Vec<_> = over.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                return alerts;
            }
            let rooms: Vec<_> = batch.iter().map(|message| self.watched(&message.room)).collect();
            let items = batch.iter().zip(&rooms).filter_map(|(message, room)| {
                let (known, progress) = room.as_ref()?;
                Some(Item { message, known, progress: *progress })
            });
            let items: Vec<Item<'_>> = items.collect();
            alerts += self.settle(&items).await;
        }
    }

    /// Whether to leave a message to the stream for now, which delivers messages in their order.
    pub(super) fn is_in_flight(&self, message: &Message) -> bool {
        !self.is_polling && message.updated_at + IN_FLIGHT > self.server_now()
    }

    /// The room, if it is watched and it is known from when.
    pub(super) fn watched(&self, room: &RoomId) -> Option<(Arc<Known>, RoomProgress)> {
        let known = self.context.rooms.get(room).filter(|known| known.watched)?;
        Some((known, self.context.cursors.of(room)?))
    }

    /// Reads rooms concurrently; see [`Self::read`].
    pub(super) async fn read_each(
        &self,
        rooms: Vec<(Arc<Known>, RoomProgress)>,
        tries: Option<u32>,
    ) -> Vec<(Arc<Known>, Reading)> {
        stream::iter(rooms)
            .map(async |(known, progress): (Arc<Known>, RoomProgress)| {
                let reading = self.read(&known, progress, tries).await;
                (known, reading)
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await
    }

    /// Reads a room page by page, with this many tries for each page, and moves its cursor when a page is settled. `None` also
    /// does not wait for rate limits.
    async fn read(&self, known: &Known, from: RoomProgress, tries: Option<u32>) -> Reading {
        let id = &known.room.id;
        let begun = self.server_now();
        let mut next = Some(from.cursor.max(self.horizon()) - OVERLAP);
        let (mut messages, mut alerts) = (0, 0);
        while let Some(since) = next {
            let page = || self.context.rest.sync_messages(id, since);
            let page = match tries {
                Some(tries) => self.context.tempo.retry(tries, "a room cannot be read", page).await,
                None => page().await,
            };
            let page = page.inspect_err(|error| {
                let is_throttled = matches!(error, RestError::RateLimited { .. });
                if !is_throttled && self.context.warns(&format!("unread {id}")) {
                    warn!(room = %id, %error, "a room cannot be read; trying again every round");
                }
            })?;
            for unreadable in &page.unreadable {
                self.skip_unreadable(id, unreadable);
            }
            let items = page.messages.iter().map(|message| Item { message, known, progress: from });
            messages += page.messages.len();
            alerts += self.settle(&items.collect::<Vec<_>>()).await;
            next = page.next;
            // A message written while the server's clock was ahead must not move the cursor to that time.
            let reached = next.unwrap_or(begun).min(self.server_now());
            match next {
                // Once the room is described, other triggers may match these messages.
                _ if !self.judges(known) => {}
                Some(_) => self.context.cursors.advance(id, from, reached).await,
                // The session may end before the round does. The next one must not begin with the same rooms.
                None => _ = self.context.cursors.reached(id, from, reached),
            }
        }
        self.context.clear_warning(&format!("unread {id}"));
        Ok((messages, alerts))
    }
}
