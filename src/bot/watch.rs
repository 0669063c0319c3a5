//! Listens to the realtime session: every message goes to the intake, every change of rooms into the directory, and
//! every new session first reads what was missed.

use std::{collections::HashSet, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{debug, info, warn};

use super::{
    catch_up::CatchUp,
    ears::Ears,
    intake::Circumstances,
    patience::{insist, pause_after},
    rooms::Known,
    session::Session,
    settings::{Current, Settings},
    unplaced::{Heard, Unplaced},
};
use crate::telemetry;
use rocketchat::{
    Message, Room, RoomId,
    realtime::{RealtimeEvent, RoomChange},
    rest::{RestError, Subscription},
};

/// How long a measured clock is believed.
const MEASURE_CLOCK: Duration = Duration::from_secs(5);
/// How long measuring it, or asking for a room, may hold up the messages.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The consumer of realtime events.
pub(super) struct Watch {
    ears: Arc<Ears>,
    /// What messages are judged by.
    settings: Arc<Settings>,
    changes: watch::Receiver<Arc<Settings>>,
    session: Option<Arc<Session>>,
    catching_up: Option<AbortOnDropHandle<()>>,
    /// When the server's clock was last measured because of a message.
    measured: Option<Instant>,
    /// The channels that the bot asked to join because of a message of this session.
    asked_to_join: HashSet<RoomId>,
    /// Messages whose rooms the server would not describe yet.
    unplaced: Unplaced,
}

impl Watch {
    pub(super) fn new(ears: Arc<Ears>, current: &Current) -> Self {
        let mut changes = current.changes();
        let settings = changes.borrow_and_update().clone();
        Self {
            ears,
            settings,
            changes,
            session: None,
            catching_up: None,
            measured: None,
            asked_to_join: HashSet::new(),
            unplaced: Unplaced::default(),
        }
    }

    /// Handles events until cancelled or the sender is gone, or until the reading that goes with the session has died:
    /// without it nothing that the stream drops would be found.
    pub(super) async fn run(mut self, mut events: mpsc::Receiver<RealtimeEvent>, cancel: CancellationToken) {
        loop {
            tokio::select! {
                () = cancel.cancelled() => break,
                () = death_of(&mut self.catching_up) => break,
                Ok(()) = self.changes.changed() => tokio::select! {
                    () = cancel.cancelled() => break,
                    () = self.adopt() => {}
                },
                () = self.unplaced.due() => tokio::select! {
                    () = cancel.cancelled() => break,
                    () = self.place() => {}
                },
                event = events.recv() => match event {
                    // Cancelled in the middle of a message, it is not settled and comes again after the restart.
                    Some(event) => tokio::select! {
                        () = cancel.cancelled() => break,
                        () = self.handle(event) => {}
                    },
                    None => break,
                },
            }
        }
    }

    async fn handle(&mut self, event: RealtimeEvent) {
        // What was written after a change is judged by what holds since then.
        if self.changes.has_changed().unwrap_or_default() {
            self.adopt().await;
        }
        match event {
            RealtimeEvent::Ready { session, identity, since, .. } => {
                info!(session, user = identity.username, "listening; reading what was missed");
                let session = Arc::new(Session::new(
                    identity.user_id,
                    since,
                    self.ears.rest.account().clone(),
                    self.settings.config.rocketchat.catch_up,
                ));
                self.ears.keep_time().await;
                self.ears.leave_the_future(&session).await;
                let begun = session.begun();
                insist("the first session cannot be noted", || self.ears.store.first_session(begun)).await;
                self.read_missed(session);
            }
            RealtimeEvent::Message { message, participant, room } => {
                self.hear(Heard { message, participant, hint: room }).await;
            }
            RealtimeEvent::RoomsChanged(change) => self.follow(change).await,
            RealtimeEvent::Lost { reason, retry_in } => {
                self.session = None;
                self.catching_up = None;
                self.unplaced.clear();
                telemetry::reconnect(reason.name());
                debug!(reason = reason.name(), ?retry_in, "not listening");
            }
        }
    }

    fn read_missed(&mut self, session: Arc<Session>) {
        self.session = Some(session.clone());
        self.asked_to_join.clear();
        let catch_up = CatchUp::new(self.ears.clone(), session, self.settings.clone());
        self.catching_up = Some(AbortOnDropHandle::new(tokio::spawn(catch_up.run())));
    }

    /// Goes over to the settings that hold now. Rooms that only they watch begin with them, rooms that they no longer
    /// watch are forgotten, and whatever they name is looked up.
    async fn adopt(&mut self) {
        if let Some(mut reading) = self.catching_up.take() {
            reading.abort();
            // It judges by the old settings, and must not do so once rooms are forgotten.
            let _ = (&mut reading).await;
        }
        let before = std::mem::replace(&mut self.settings, self.changes.borrow_and_update().clone());
        let triggers = &self.settings.config.triggers;
        for known in self.ears.rooms.all() {
            let id = &known.room.id;
            match (known.is_watched(&before.config.triggers), known.is_watched(triggers)) {
                (false, true) => {
                    let since = self.ears.time_of(self.settings.since);
                    self.ears.watch_room(id, since).await;
                }
                (true, false) => {
                    insist("a room cannot be forgotten", || self.ears.store.forget_room(id)).await;
                }
                (true, true) | (false, false) => {}
            }
        }
        if let Some(session) = self.session.take() {
            self.read_missed(Arc::new(session.under(&self.settings)));
        }
    }

    fn watches(&self, known: &Known) -> bool {
        known.is_watched(&self.settings.config.triggers)
    }

    /// Settles one message of the stream, as often as it takes; it waits apart where nobody knows its room.
    async fn hear(&mut self, heard: Heard) {
        let Some(session) = self.session.clone() else { return };
        match self.room_of(&heard).await {
            Place::Known(known) if self.watches(&known) => {
                self.settle(&heard.message, &known, &session).await;
            }
            Place::Known(_) | Place::Nowhere => {}
            Place::NotToldYet => {
                let room = heard.message.room.clone();
                if !self.unplaced.put(heard) {
                    warn!(%room, "a message whose room the server does not describe is left to the catch-up");
                }
            }
        }
    }

    /// Asks once more for the room of messages that wait for it.
    async fn place(&mut self) {
        for heard in self.unplaced.take() {
            self.hear(heard).await;
        }
    }

    async fn settle(&mut self, message: &Message, known: &Known, session: &Arc<Session>) {
        if session.is_doubted_by(message.updated_at) {
            self.measure_clock().await;
        }
        let since = self.since(&message.room, session, session.heard_since(message.updated_at)).await;
        let (config, oldest) = (&self.settings.config, session.oldest(since));
        let around = Circumstances { config, me: &session.me, known, oldest };
        self.ears.settle(message, around).await;
        // Once: one that cannot be joined must not hold up each message after its own.
        let may_join = !known.joined && config.rocketchat.auto_join;
        if may_join && self.asked_to_join.insert(message.room.clone()) {
            self.ears.join(known).await;
        }
    }

    /// Measures the server's clock, not too often; every REST call does. Without it a message written after the clock
    /// was set back would be taken for one from before the room was watched. Where REST fails the messages do not wait:
    /// should the clock turn out to have been set back, the catch-up judges them again.
    async fn measure_clock(&mut self) {
        if self.measured.is_some_and(|at| at.elapsed() < MEASURE_CLOCK) {
            return;
        }
        match timeout(ANSWER_WITHIN, self.ears.rest.server_info()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => debug!(%error, "the server's clock cannot be read"),
            Err(_) => debug!("the server's clock cannot be read in time"),
        }
        self.measured = Some(Instant::now());
        self.ears.keep_time().await;
    }

    /// The message's room. The server is asked no longer than other messages can wait.
    async fn room_of(&mut self, heard: &Heard) -> Place {
        let id = &heard.message.room;
        if let Some(known) = self.ears.rooms.complete(id, &heard.hint, heard.participant) {
            return Place::Known(known);
        }
        if !self.unplaced.may_ask() {
            return Place::NotToldYet;
        }
        let asking = timeout(ANSWER_WITHIN, self.ears.rest.room_by_id(id));
        let answer = asking.await.unwrap_or_else(|_| Err(RestError::unclear("no answer in time")));
        match answer {
            Ok(info) => {
                self.unplaced.answered();
                Place::Known(self.ears.rooms.learn(info.room, heard.participant.unwrap_or(true)))
            }
            Err(RestError::Rejected { reason, .. }) => {
                self.unplaced.answered();
                warn!(room = %id, %reason, "a message of a room that the server will not describe is skipped");
                Place::Nowhere
            }
            Err(error) => {
                debug!(room = %id, %error, "the message's room is not known yet; asking again");
                self.unplaced.not_before(pause_after(&error, self.unplaced.failures()));
                Place::NotToldYet
            }
        }
    }

    /// Since when the room is watched; from this time on where it was not watched before. That is not noted before the
    /// rooms are listed: a room that was joined while the bot was away is watched for longer, and noted then.
    async fn since(&self, room: &RoomId, session: &Session, from: Timestamp) -> Timestamp {
        let store = &self.ears.store;
        match insist("a room cannot be read", || store.watched_since(room)).await {
            Some(since) => since,
            None if !session.has_listed_rooms() => from,
            None => self.ears.watch_room(room, from).await,
        }
    }

    async fn follow(&mut self, change: RoomChange) {
        match change {
            RoomChange::Joined(Subscription { room, joined_at, .. }) => {
                let known = Known { room, joined: true };
                let from_outside = known.is_watched_from_outside(&self.settings.config.triggers);
                self.described(known.room, joined_at.filter(|_| !from_outside)).await;
            }
            RoomChange::Subscription(Subscription { room, updated_at, .. }) => {
                self.described(room.clone(), self.newly_watched(&room, updated_at)).await;
            }
            RoomChange::Room(info) => {
                self.described(info.room.clone(), self.newly_watched(&info.room, info.updated_at)).await;
            }
            RoomChange::Left(room) => {
                self.ears.rooms.left(&room);
                self.dropped(&room).await;
            }
            RoomChange::Deleted(room) => {
                self.ears.rooms.remove(&room);
                self.dropped(&room).await;
            }
        }
    }

    /// When a room that changed came to be watched by that. One never heard of, or watched before, was there all the time:
    /// the server tells of it because of a message, which may come after this.
    fn newly_watched(&self, room: &Room, changed: Option<Timestamp>) -> Option<Timestamp> {
        let rooms = &self.ears.rooms;
        changed
            .filter(|_| rooms.contains(&room.id) && !rooms.watched(&room.id, &self.settings.config.triggers))
    }

    /// A room of the bot's, which may be watched from now on, or no longer. `changed` says when it came to be so.
    async fn described(&mut self, room: Room, changed: Option<Timestamp>) {
        let known = self.ears.rooms.learn(room, true);
        match (self.watches(&known), self.session.clone()) {
            (true, Some(session)) => {
                let room = &known.room.id;
                let since = match changed {
                    Some(changed) => self.ears.watch_room(room, session.changed_at(changed)).await,
                    None => self.since(room, &session, session.begun()).await,
                };
                debug!(%room, %since, "watching a room");
            }
            (true, None) => {}
            (false, _) => self.dropped(&known.room.id).await,
        }
    }

    async fn dropped(&mut self, room: &RoomId) {
        if self.ears.rooms.watched(room, &self.settings.config.triggers) {
            return;
        }
        insist("a room cannot be forgotten", || self.ears.store.forget_room(room)).await;
    }
}

/// Where a message was written.
enum Place {
    Known(Known),
    /// In a room that the server knows nothing of.
    Nowhere,
    /// In one that it did not describe when it was asked.
    NotToldYet,
}

/// Ends when a reading does: by itself it never does, so it has panicked.
async fn death_of(reading: &mut Option<AbortOnDropHandle<()>>) {
    match reading {
        Some(reading) => drop(reading.await),
        None => std::future::pending().await,
    }
}
