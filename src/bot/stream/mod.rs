//! Consumes the events of the realtime session: messages are passed on, changes of rooms update the directory, and every
//! new session starts a backfill.
//!
//! [`filter`] has already dropped most messages. The others are received in bursts, and [`ingest`](super::ingest) settles a
//! whole burst at once.

mod filter;
mod pending;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::OptionFuture;
use jiff::Timestamp;
use rocketchat::realtime::{RealtimeEvent, RoomChange, StreamedMessage};
use rocketchat::rest::Subscription;
use rocketchat::{Message, RestError, Room, RoomId, UserId};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, info, warn};

pub(super) use self::filter::StreamFilter;
use self::pending::PendingMessages;
use super::backfill::{Backfill, NO_SUCH_ROOM};
use super::context::Context;
use super::ingest::Item;
use super::progress::watched_from;
use super::rooms::{Known, is_watched_from_outside};
use super::session::Session;
use super::settings::Settings;
use crate::health::Condition;
use crate::store::RoomProgress;
use crate::telemetry;

/// How long a request for a room may delay the messages.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Maximum number of events in a burst.
const BURST: usize = 256;

/// The consumer of realtime events.
pub(super) struct StreamConsumer {
    context: Context,
    /// The settings that messages are judged by.
    settings: Arc<Settings>,
    changes: watch::Receiver<Arc<Settings>>,
    session: Option<Arc<Session>>,
    backfill: Option<AbortOnDropHandle<()>>,
    /// When polling without a realtime session starts. `None` while there is a session, realtime or polling.
    poll_at: Option<Instant>,
    /// The channels that the bot tried to join because of a message in this session.
    asked_to_join: HashSet<RoomId>,
    /// Messages whose rooms the server has not described yet.
    pending: PendingMessages,
}

/// A message whose room is known, before it is stored.
type WithRoom = (Box<Message>, Arc<Known>);

impl StreamConsumer {
    pub(super) fn new(
        context: Context,
        (settings, changes): (Arc<Settings>, watch::Receiver<Arc<Settings>>),
    ) -> Self {
        Self {
            poll_at: Some(Instant::now() + context.tempo.poll_after),
            context,
            settings,
            changes,
            session: None,
            backfill: None,
            asked_to_join: HashSet::new(),
            pending: PendingMessages::default(),
        }
    }

    /// Handles events until the sender is dropped, or until the backfill has ended. Without the backfill, messages that the stream
    /// drops would not be found. It can be stopped at any point: unsettled messages are read again after the restart.
    pub(super) async fn run(mut self, mut events: mpsc::Receiver<RealtimeEvent>) {
        let mut burst = Vec::with_capacity(BURST);
        loop {
            tokio::select! {
                // It never ends by itself, so it has panicked.
                Some(_) = OptionFuture::from(self.backfill.as_mut()) => return,
                Ok(()) = self.changes.changed() => self.adopt_settings().await,
                Some(()) = OptionFuture::from(self.poll_at.map(sleep_until)) => self.start_polling().await,
                Some(()) = OptionFuture::from(self.pending.due().map(sleep_until)) => self.retry_pending().await,
                received = events.recv_many(&mut burst, BURST) => match received {
                    0 => return,
                    _ => self.handle_all(&mut burst).await,
                },
            }
        }
    }

    async fn handle_all(&mut self, burst: &mut Vec<RealtimeEvent>) {
        let mut resolved = Vec::new();
        for event in burst.drain(..) {
            match event {
                RealtimeEvent::Message(message) => self.resolve_room(message, &mut resolved).await,
                other => {
                    self.settle_all(&mut resolved).await;
                    self.handle(other).await;
                }
            }
        }
        self.settle_all(&mut resolved).await;
    }

    async fn handle(&mut self, event: RealtimeEvent) {
        match event {
            RealtimeEvent::Ready { session, identity, since, .. } => {
                info!(session, user = identity.username, "connected; reading missed messages");
                self.stop_backfill().await;
                // Not for a polling session, whose backfill reports it at every list.
                self.context.health.clear(&Condition::Polling);
                self.start_session(identity.user_id, since, false).await;
            }
            RealtimeEvent::RoomsChanged(change) => {
                self.follow(change).await;
                self.context.note_named_rooms().await;
            }
            RealtimeEvent::Lost { reason, retry_in } => {
                if self.session.as_ref().is_some_and(|session| !session.is_polling) {
                    self.session = None;
                    self.backfill = None;
                    self.pending.clear();
                    self.poll_at = Some(Instant::now() + self.context.tempo.poll_after);
                }
                telemetry::RECONNECTS.count(&[("reason", reason.name())]);
                debug!(reason = reason.name(), ?retry_in, "not listening");
            }
            RealtimeEvent::Message(_) => {}
        }
    }

    async fn start_session(&mut self, me: UserId, since: Instant, is_polling: bool) {
        let session = Session::new(self.context.clone(), me, since, self.settings.clone(), is_polling);
        self.poll_at = None;
        if session.knows_time() {
            self.context.cursors.first_session(session.begun()).await;
        }
        self.start_backfill(Arc::new(session)).await;
    }

    /// Starts a session without a stream, because REST may work for hours while no WebSocket can be opened. It lasts
    /// until there is a realtime session.
    async fn start_polling(&mut self) {
        let login = timeout(ANSWER_WITHIN, self.context.rest.account().log_in()).await;
        match login {
            Ok(Ok(identity)) => {
                warn!("no realtime session; polling the rooms over REST until there is one");
                self.start_session(identity.user_id, Instant::now(), true).await;
            }
            _ => self.poll_at = Some(Instant::now() + self.context.tempo.poll_after),
        }
    }

    async fn start_backfill(&mut self, session: Arc<Session>) {
        let triggers = session.looks_back().then(|| self.settings.config.triggers.fingerprint());
        self.context.cursors.judged_by(triggers, session.settings_since()).await;
        self.session = Some(session.clone());
        self.asked_to_join.clear();
        let backfill = Backfill::new(session);
        self.backfill = Some(AbortOnDropHandle::new(tokio::spawn(backfill.run())));
    }

    /// Returns once the backfill has stopped.
    async fn stop_backfill(&mut self) {
        if let Some(mut backfill) = self.backfill.take() {
            backfill.abort();
            let _ = (&mut backfill).await;
        }
    }

    /// Switches to the current settings. Rooms that only they watch are watched from when they took effect, rooms that
    /// they no longer watch are forgotten, and the rooms that they name are looked up.
    async fn adopt_settings(&mut self) {
        // It uses the old settings, and must not do so after rooms are forgotten.
        self.stop_backfill().await;
        self.settings = self.changes.borrow_and_update().clone();
        let new = self.context.rooms.adopt(self.settings.clone());
        self.context.forget_unwatched(false).await;
        self.context.note_named_rooms().await;
        // Without a session too: the next one would watch them from its own start only.
        let since = self.context.time_of(self.settings.since);
        self.context.cursors.watch_each(new.into_iter().map(|room| (room, since))).await;
        if let Some(session) = self.session.take() {
            self.start_backfill(Arc::new(session.under(self.settings.clone()))).await;
        }
    }

    /// Finds the room of a message from the stream. If the room is unknown, the message is set aside.
    async fn resolve_room(&mut self, message: StreamedMessage, resolved: &mut Vec<WithRoom>) {
        if self.session.is_none() {
            return;
        }
        // Messages written after a change are judged by the settings since then.
        if self.changes.has_changed().unwrap_or_default() {
            self.settle_all(resolved).await;
            self.adopt_settings().await;
        }
        let known = match self.context.rooms.complete(&message) {
            Some(known) => known,
            None if !self.pending.may_ask() => return self.pending.push(message),
            None => {
                // The server may be slow; earlier messages need not wait for it.
                self.settle_all(resolved).await;
                match self.look_up(&message).await {
                    Ok(known) => known,
                    Err(RestError::Rejected { reason, .. }) => {
                        let room = &message.message.room;
                        return warn!(%room, %reason, "skipped a message: the server does not describe its room");
                    }
                    Err(error) => {
                        debug!(room = %message.message.room, %error, "the message's room is not known yet; asking again");
                        self.pending.back_off(self.context.tempo.wait_after(&error, 0));
                        return self.pending.push(message);
                    }
                }
            }
        };
        if known.watched {
            resolved.push((message.message, known));
        }
    }

    /// Requests the room of waiting messages again.
    async fn retry_pending(&mut self) {
        let mut resolved = Vec::new();
        for message in self.pending.pop() {
            self.resolve_room(message, &mut resolved).await;
        }
        self.settle_all(&mut resolved).await;
    }

    /// Settles messages in one transaction, and retries until that succeeds.
    async fn settle_all(&mut self, resolved: &mut Vec<WithRoom>) {
        let Some(session) = self.session.clone() else { return resolved.clear() };
        if resolved.is_empty() {
            return;
        }
        let mut items = Vec::with_capacity(resolved.len());
        for (message, known) in resolved.iter() {
            let received_since = session.received_since(message.updated_at);
            let progress = self.progress_of(&message.room, &session, received_since).await;
            items.push(Item { message, known, progress });
        }
        session.settle(&items).await;
        drop(items);
        for (_, known) in resolved.drain(..) {
            // Only once: a channel that cannot be joined must not delay each of its messages.
            let may_join = !known.joined && self.settings.config.rocketchat.auto_join;
            if may_join && self.asked_to_join.insert(known.room.id.clone()) {
                let room = &known.room.id;
                if timeout(ANSWER_WITHIN, self.context.join(&known)).await.is_err() {
                    warn!(%room, "joining a watched channel was not answered in time; invite the bot");
                }
            }
        }
    }

    /// Requests a message's room from the server, for no longer than other messages can wait.
    async fn look_up(&self, message: &StreamedMessage) -> Result<Arc<Known>, RestError> {
        let asking = timeout(ANSWER_WITHIN, self.context.rest.room_by_id(&message.message.room));
        let info = asking.await.unwrap_or_else(|_| Err(RestError::unavailable("no answer in time")))?;
        Ok(self.context.rooms.learn(info.room, Some(message.participant.unwrap_or(true))))
    }

    /// How far a room was read. A room that was not watched counts from this time on. That is not recorded before the
    /// rooms are listed, because a room that was joined while the bot was away counts from an earlier time, and is
    /// recorded then.
    async fn progress_of(&self, room: &RoomId, session: &Session, from: Timestamp) -> RoomProgress {
        match self.context.cursors.of(room) {
            Some(known) => known,
            None if !session.has_listed_rooms() => watched_from(from),
            None => self.context.cursors.watch(room, from).await,
        }
    }

    async fn follow(&mut self, change: RoomChange) {
        let triggers = &self.settings.config.triggers;
        match change {
            RoomChange::Joined(Subscription { room, joined_at, .. }) => {
                let from_outside = is_watched_from_outside(&room, triggers);
                self.described(room, joined_at.filter(|_| !from_outside)).await;
            }
            RoomChange::Changed { room, archived, updated_at } => {
                let (id, changed) = (room.id.clone(), self.newly_watched(&room, updated_at));
                self.described(room, changed).await;
                self.context.rooms.set_state(&id, archived, None);
            }
            RoomChange::Left(room) => {
                let was_watched = self.context.rooms.watched(&room);
                if self.context.rooms.is_named(&room) && self.is_gone(&room).await {
                    return self.deleted(&room).await;
                }
                self.context.rooms.keep_joined(|other| *other != room);
                if was_watched {
                    warn!(%room, "the bot was removed from a watched room");
                }
                self.dropped(&room).await;
            }
            RoomChange::Deleted(room) => self.deleted(&room).await,
        }
    }

    /// Whether the server says that the room does not exist. It removes the members of a room before it deletes it.
    async fn is_gone(&self, room: &RoomId) -> bool {
        let found = timeout(ANSWER_WITHIN, self.context.rest.room_by_id(room)).await;
        matches!(found, Ok(Err(error)) if error.code() == Some(NO_SUCH_ROOM))
    }

    async fn deleted(&self, room: &RoomId) {
        if self.context.rooms.watched(room) || self.context.rooms.is_named(room) {
            warn!(%room, "a watched room was deleted");
        }
        self.context.rooms.remove(room);
        self.dropped(room).await;
    }

    /// When a change of a room caused it to be watched. A room that was never described, or was watched before, has
    /// existed all the time: the server then reports it because of a message, which may arrive later.
    fn newly_watched(&self, room: &Room, changed: Option<Timestamp>) -> Option<Timestamp> {
        let before = self.context.rooms.get(&room.id);
        changed.filter(|_| before.is_some_and(|before| before.described && !before.watched))
    }

    /// One of the bot's rooms, which may have become watched or unwatched. `changed` says when.
    async fn described(&mut self, room: Room, changed: Option<Timestamp>) {
        let known = self.context.rooms.learn(room, Some(true));
        let room = &known.room.id;
        match (known.watched, &self.session) {
            (true, Some(session)) => {
                let watched = match changed {
                    Some(changed) => self.context.cursors.watch(room, session.changed_at(changed)).await,
                    None => self.progress_of(room, session, session.begun()).await,
                };
                debug!(%room, since = %watched.since, "watching a room");
            }
            (true, None) => {}
            (false, _) => self.dropped(room).await,
        }
    }

    async fn dropped(&self, room: &RoomId) {
        if !self.context.rooms.watched(room) {
            self.context.cursors.forget_each([room.clone()]).await;
        }
    }
}
