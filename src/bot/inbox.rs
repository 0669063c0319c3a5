//! From SIGNL4's notification to the reply: each stored event is placed, worded and queued, exactly once.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::{
    ingest::Rooms,
    notice::{Notices, Reply},
    settings::Current,
};
use crate::{
    alerting::{FoundBy, Place, ReplyKind, ReplyWords, place},
    store::{EventOutcome, NewDelivery, Store, StoreError, StoredEvent},
    telemetry,
};
use rocketchat::RoomId;
use signl4::{EventId, EventKind, Notification};

/// How long an event may wait for the answer to the call that caused it: longer than any call lasts.
const LONGEST_WAIT: Duration = Duration::from_secs(25);
/// How often it is looked at meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// The inbox is looked at least this often, should a wake-up ever fail.
const POLL: Duration = Duration::from_secs(30);
/// The wait after the store failed.
const STORE_PAUSE: Duration = Duration::from_secs(2);
/// Who acts where SIGNL4 names nobody.
const NOBODY: &str = "SIGNL4";
/// What a note says that came without a text: the app takes pictures and recordings too.
const NO_TEXT: &str = "(a note without text)";

/// Turns stored events into replies until cancelled.
pub(super) struct Inbox {
    pub(super) store: Store,
    pub(super) current: Current,
    pub(super) rooms: Arc<Rooms>,
}

impl Inbox {
    pub(super) async fn run(self, cancel: CancellationToken) {
        let mut changes = self.store.changes();
        while !cancel.is_cancelled() {
            // Armed before the query, so that an event stored after it wakes us.
            changes.mark_unchanged();
            let rest = match self.step().await {
                Ok(None) => continue,
                Ok(Some(rest)) => rest.min(POLL),
                Err(error) => {
                    error!(%error, "the inbox cannot be read or written; trying again");
                    STORE_PAUSE
                }
            };
            tokio::select! {
                () = cancel.cancelled() => {}
                () = tokio::time::sleep(rest) => {}
                Ok(()) = changes.changed() => {}
            }
        }
    }

    /// Settles one event. Returns how long there is nothing to do; `None` where more may wait.
    async fn step(&self) -> Result<Option<Duration>, StoreError> {
        let now = Timestamp::now();
        match self.store.next_event(now).await? {
            Ok(event) => self.handle(&event, now).await.map(|()| None),
            Err(None) => Ok(Some(POLL)),
            Err(Some(at)) => Ok(Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())),
        }
    }

    async fn handle(&self, event: &StoredEvent, now: Timestamp) -> Result<(), StoreError> {
        let notification = match Notification::parse(event.body.as_bytes()) {
            Ok(notification) => notification,
            // The listener stores only what it could read, so this is damage.
            Err(error) => {
                error!(%error, "a stored event cannot be read");
                let outcome = EventOutcome { correlation: "unreadable", ..EventOutcome::default() };
                return self.store.settle_event(event, &outcome, None).await;
            }
        };
        let (Some(kind), Some(reference)) = (reply_kind(notification.event_kind), &notification.alert) else {
            info!(event = %notification.id, kind = notification.event_kind.name(), "event without a reply");
            return self.settle(event, &notification, None, None).await;
        };
        let waited = Duration::try_from(now.duration_since(event.received_at)).unwrap_or(LONGEST_WAIT);
        let found = self.store.candidates(reference).await?;
        let settings = self.current.now();
        let config = &settings.config;
        // After a start the rooms are known only once they are listed; the store knows them from before.
        let noted = match &reference.external_id {
            Some(id) => self.store.watches_room(&RoomId::new(id.as_str())).await?,
            None => false,
        };
        let is_watched = |room: &RoomId| noted || self.rooms.watched(room);
        let place = place(reference, found, waited < LONGEST_WAIT, is_watched);
        if place == Place::Later {
            debug!(event = %notification.id, "event waits for the answer to our own call");
            return self.store.postpone_event(event, reference, now + LOOK_AGAIN).await;
        }
        let reply = reply(&notification, kind, &place, Notices::new(&config.replies));
        log(&notification, &place);
        self.settle(event, &notification, Some(&place), reply.as_ref()).await
    }

    /// Notes what came of an event; it has no place where it has no reply.
    async fn settle(
        &self,
        event: &StoredEvent,
        notification: &Notification,
        place: Option<&Place>,
        reply: Option<&NewDelivery>,
    ) -> Result<(), StoreError> {
        let alert = match place {
            Some(Place::Thread { alert, .. }) => Some(alert.id),
            _ => None,
        };
        let correlation = place.map_or("none", Place::name);
        let event_kind = notification.event_kind.name();
        let (actor, claimed) =
            (notification.user.as_deref(), place.and_then(|place| claimed(notification, place)));
        let outcome = EventOutcome { correlation, alert, event_kind, actor, claimed };
        self.store.settle_event(event, &outcome, reply).await?;
        telemetry::event(event_kind, correlation);
        Ok(())
    }
}

fn reply(
    notification: &Notification,
    kind: ReplyKind,
    place: &Place,
    notices: Notices<'_>,
) -> Option<NewDelivery> {
    let (room, thread, alert) = match place {
        Place::Thread { alert, .. } => (&alert.room, Some(alert.thread.clone()), Some(alert.id)),
        Place::Room(room) => (room, None, None),
        Place::Nowhere | Place::Later => return None,
    };
    let without = if kind == ReplyKind::Annotated { NO_TEXT } else { "" };
    let words = ReplyWords {
        user: notification.user.as_deref().unwrap_or(NOBODY),
        text: notification.note.as_deref().unwrap_or(without),
        team: notification.team.as_deref().unwrap_or_default(),
        ..ReplyWords::default()
    };
    let own = notices.text(kind, &words, alert);
    // A note typed together with another action stands below it.
    let note = match (kind, &notification.note) {
        (ReplyKind::Annotated, _) | (_, None) => None,
        (_, Some(_)) => notices.text(ReplyKind::Annotated, &words, alert),
    };
    let text = match (own, note) {
        (Some(own), Some(note)) => format!("{own}\n{note}"),
        (own, note) => own.or(note)?,
    };
    Some(Reply::new(room.clone(), thread, text).queued(kind, alert))
}

/// The name that an event gives to an alert that was raised without our knowing: the next event is not guessed at.
fn claimed<'a>(notification: &'a Notification, place: &Place) -> Option<&'a EventId> {
    match place {
        Place::Thread { by: FoundBy::Unanswered, .. } => notification.alert.as_ref()?.event_id.as_ref(),
        _ => None,
    }
}

fn reply_kind(event_kind: EventKind) -> Option<ReplyKind> {
    match event_kind {
        EventKind::Raised => Some(ReplyKind::Raised),
        EventKind::Acknowledged => Some(ReplyKind::Acknowledged),
        EventKind::Closed => Some(ReplyKind::Closed),
        EventKind::Annotated => Some(ReplyKind::Annotated),
        EventKind::Escalated => Some(ReplyKind::Escalated),
        EventKind::Unattended => Some(ReplyKind::Unattended),
        EventKind::Failed => Some(ReplyKind::Failed),
        EventKind::Test | EventKind::Duty | EventKind::Unknown => None,
    }
}

fn log(notification: &Notification, place: &Place) {
    let (event, kind, by) = (&notification.id, notification.event_kind.name(), place.name());
    match place {
        Place::Thread { alert, .. } => info!(%event, kind, by, alert = %alert.id, "event placed"),
        Place::Room(room) => {
            warn!(%event, kind, by, %room, "event of an alert that is not ours; posted into its room")
        }
        Place::Nowhere | Place::Later => {
            warn!(%event, kind, by, "event of an alert that is not ours; not posted")
        }
    }
}
