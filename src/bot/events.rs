//! From a SIGNL4 notification to a reply: each stored event is correlated, rendered and queued exactly once.

use std::{
    collections::{HashMap, HashSet},
    panic::AssertUnwindSafe,
    time::Duration,
};

use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep};
use tracing::{debug, error, info, warn};

use super::{
    context::Context,
    outbox::{Renderer, Reply, which},
    settings::Settings,
};
use crate::{
    alerting::{
        Candidates, Correlation, FoundBy, ReplyKind, ReplyTarget, ReplyWords, correlate, which_alert,
    },
    health::Condition,
    store::{
        self, Alert, AlertState, DeliveryId, EventOutcome, MOST_EXPIRED, NewDelivery, Raised, StoreError,
        StoredEvent,
    },
    telemetry,
};
use rocketchat::RoomId;
use signl4::{AlertRef, EventId, EventKind, Notification};

/// How long an event may wait for the answer to the call that caused it. A call takes up to 12 s, but storing its outcome takes
/// longer while the store fails.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// How long an event may wait until the rooms are listed.
const ROOMS_WAIT: Duration = Duration::from_secs(12);
/// An alert that was settled longer ago is no candidate for an event with an unknown `eventId`.
const CANDIDATE_FOR: SignedDuration = SignedDuration::from_hours(1);
/// How late SIGNL4 may process a call that the bot gave up, including differences between the clocks of its servers.
const LATEST_CALL: Duration = Duration::from_secs(60);
/// What is reported if the store fails.
const INBOX: &str = "the inbox cannot be read or written";
/// Number of events read at once.
const BATCH: u32 = 100;
/// How often to check the inbox even without a wake-up.
const POLL: Duration = Duration::from_secs(30);
/// The wait after the store failed, or after processing an event panicked.
const PAUSE: Duration = Duration::from_secs(2);
/// After this many panics an event is given up.
const MOST_PANICS: u32 = 3;
/// The actor if SIGNL4 names nobody.
const NOBODY: &str = "Somebody";
/// The text of a note without text. The app also accepts pictures and recordings.
const NO_TEXT: &str = "(a note without text)";

/// Turns stored events into replies.
pub(super) struct Events {
    context: Context,
    /// What events wait for, by row.
    waits: HashMap<i64, Wait>,
    panics: HashMap<i64, u32>,
}

/// What an event waits for: the answers to the calls that may have caused it.
struct Wait {
    since: Instant,
    calls: Vec<DeliveryId>,
}

impl Wait {
    /// Whether one of these calls may have caused the event. A call that began after the event came cannot.
    fn is_for_one_of(&mut self, under_way: &[DeliveryId]) -> bool {
        self.calls.retain(|call| under_way.contains(call));
        !self.calls.is_empty()
    }
}

impl Events {
    pub(super) fn new(context: Context) -> Self {
        Self { context, waits: HashMap::new(), panics: HashMap::new() }
    }

    /// Can be stopped at any point: an event is settled at once with all that follows from it.
    pub(super) async fn run(mut self) {
        let mut changes = self.context.store.changes();
        loop {
            // Armed before the query, so that both an event stored after the query and an answer to a call wake this
            // task.
            changes.mark_unchanged();
            let handled = self.handle_waiting().await;
            self.context.health.store_answered(INBOX, &handled);
            let rest = match handled {
                Ok(rest) => rest,
                Err(error) => {
                    error!(%error, "{INBOX}; trying again");
                    // Nor could the outcomes of the calls be stored that events wait for.
                    self.waits.clear();
                    PAUSE
                }
            };
            tokio::select! {
                () = sleep(rest) => {}
                Ok(()) = changes.changed() => {}
            }
        }
    }

    /// Processes every waiting event in order of arrival. Returns how long there is nothing more to do.
    async fn handle_waiting(&mut self) -> Result<Duration, StoreError> {
        // Later events of an alert do not overtake one that is waiting.
        let (mut after, mut held) = (0, HashSet::new());
        loop {
            let events = self.context.store.waiting_events(after, BATCH).await?;
            for event in &events {
                self.handle(event, &mut held).await?;
                after = event.seq;
            }
            if events.len() < BATCH as usize {
                break;
            }
        }
        let now = Instant::now();
        // What an event waits for does not always change the store.
        let look_again = (!self.panics.is_empty() || !self.waits.is_empty()).then_some(PAUSE);
        let deadlines =
            self.waits.values().map(|wait| (wait.since + ROOMS_WAIT).saturating_duration_since(now));
        Ok(deadlines.filter(|wait| !wait.is_zero()).chain(look_again).fold(POLL, Duration::min))
    }

    /// Settles an event, or lets it wait. A panic delays only this event, and after several panics it is given up.
    async fn handle(&mut self, event: &StoredEvent, held: &mut HashSet<EventId>) -> Result<(), StoreError> {
        let handled = AssertUnwindSafe(self.try_handle(event, held)).catch_unwind().await;
        let is_settled = match handled {
            Ok(handled) => handled?,
            Err(_) => self.panicked(event).await?,
        };
        if is_settled {
            self.waits.remove(&event.seq);
            self.panics.remove(&event.seq);
        }
        Ok(())
    }

    async fn panicked(&mut self, event: &StoredEvent) -> Result<bool, StoreError> {
        telemetry::PANICS.count(&[("what", "event")]);
        let panics = self.panics.entry(event.seq).or_default();
        *panics += 1;
        error!(
            row = event.seq,
            panics = *panics,
            "handling an event panicked; this is a bug, please report it with the log"
        );
        if *panics < MOST_PANICS {
            return Ok(false);
        }
        let outcome = EventOutcome { correlation: "panic", ..EventOutcome::default() };
        let is_settled = self.context.store.settle_event(event, &outcome).await?;
        if is_settled {
            self.report(event, "had no effect because of a bug in the bot");
        }
        Ok(is_settled)
    }

    /// Shows the operator an event that had no effect.
    fn report(&self, event: &StoredEvent, what: &str) {
        let row = event.seq;
        let what = format!("an event from SIGNL4 {what}; it is kept in the store's table event, row {row}");
        self.context.health.note(Condition::UnreadableEvent, what);
    }

    /// Settles an event; `false` if it waits.
    async fn try_handle(
        &mut self,
        event: &StoredEvent,
        held: &mut HashSet<EventId>,
    ) -> Result<bool, StoreError> {
        let notification = match Notification::parse(&event.body) {
            Ok(notification) => notification,
            // The error is not logged, because it could quote the body.
            Err(_) => return self.unreadable(event).await,
        };
        let (Some(kind), Some(reference)) = (reply_kind(notification.event_kind), &notification.alert) else {
            return self.without_reply(event, &notification).await;
        };
        let name = reference.event_id.clone();
        let is_behind = name.as_ref().is_some_and(|name| held.contains(name));
        if is_behind || !self.try_correlated(event, &notification, kind, reference).await? {
            debug!(event = %notification.id, "event waits for the answer to our own call");
            held.extend(name);
            return Ok(false);
        }
        Ok(true)
    }

    /// Settles an event that posts nothing. The operator is informed about one that concerns an alert of the bot and has an unknown meaning.
    async fn without_reply(
        &self,
        event: &StoredEvent,
        notification: &Notification,
    ) -> Result<bool, StoreError> {
        let reference = notification.alert.as_ref().filter(|_| notification.event_kind == EventKind::Unknown);
        let is_ours = match reference {
            Some(reference) => {
                let found =
                    self.context.store.candidates(reference, Timestamp::now() - CANDIDATE_FOR).await?;
                found.by_event.is_some() || !found.by_external.is_empty()
            }
            None => false,
        };
        let is_settled = self.settle(event, &outcome_of(notification, "none")).await?;
        let (id, event_type, row) = (&notification.id, notification.event_type, event.seq);
        if is_settled && is_ours {
            warn!(event = %id, event_type, row, "an event from SIGNL4 about an alert has an unknown meaning; it is kept in the store's table event");
            let what =
                format!("about an alert has an unknown meaning and had no effect (eventType {event_type})");
            self.report(event, &what);
        } else {
            info!(event = %id, kind = notification.event_kind.name(), "event without a reply");
        }
        Ok(is_settled)
    }

    /// Settles an unreadable event. It stays in the store for inspection.
    async fn unreadable(&self, event: &StoredEvent) -> Result<bool, StoreError> {
        const UNREADABLE: &str = "unreadable";
        let outcome =
            EventOutcome { correlation: UNREADABLE, event_kind: UNREADABLE, ..EventOutcome::default() };
        let is_settled = self.settle(event, &outcome).await?;
        if is_settled {
            let (row, bytes) = (event.seq, event.body.len());
            error!(row, bytes, "an event from SIGNL4 cannot be read; it is kept in the store's table event");
            self.report(event, "could not be read and had no effect");
        }
        Ok(is_settled)
    }

    /// Settles an event about an alert; `false` if it waits for the answer to a call.
    async fn try_correlated(
        &mut self,
        event: &StoredEvent,
        notification: &Notification,
        kind: ReplyKind,
        reference: &AlertRef,
    ) -> Result<bool, StoreError> {
        let now = Instant::now();
        let found = self.context.store.candidates(reference, Timestamp::now() - CANDIDATE_FOR).await?;
        let wait = self
            .waits
            .entry(event.seq)
            .or_insert_with(|| Wait { since: now, calls: found.calls_under_way.clone() });
        let (since, call_under_way) = (wait.since, wait.is_for_one_of(&found.calls_under_way));
        let settings = self.context.current.now();
        // After a start, the rooms are only known once they are listed. Earlier ones have a cursor, or an alert if no list was
        // complete yet.
        let noted = reference
            .external_id
            .as_ref()
            .is_some_and(|id| found.by_external.iter().any(|alert| alert.room.as_str() == id));
        let is_watched = |room: &RoomId| {
            noted || self.context.cursors.of(room).is_some() || self.context.rooms.watched(room)
        };
        let is_raised_event = notification.event_kind == EventKind::Raised;
        let candidates = candidates(reference, found, call_under_way);
        let may_wait = since + LONGEST_WAIT > now;
        let correlation = correlate(reference, is_raised_event, candidates, may_wait, is_watched);
        let Some(correlation) = correlation else { return Ok(false) };
        let other_room = settings.config.replies.other_alerts_to.as_ref();
        // After a start the rooms are not known until they have been listed.
        let room_is_unknown = other_room.is_some_and(|room| self.context.rooms.find(room).is_none());
        if correlation.target == ReplyTarget::Nowhere && room_is_unknown && since + ROOMS_WAIT > now {
            return Ok(false);
        }
        let outcome = EventOutcome {
            alert: match &correlation.target {
                ReplyTarget::Thread(alert, _) => Some(alert.id),
                _ => None,
            },
            learned: ids(reference).filter(|_| correlation.learns),
            raised: self.raised(&correlation, &settings),
            reply: self.reply(notification, kind, &correlation.target, &settings).await,
            ..outcome_of(notification, correlation.target.name())
        };
        let is_settled = self.settle(event, &outcome).await?;
        if is_settled {
            log(notification, &correlation);
        }
        Ok(is_settled)
    }

    async fn settle(&self, event: &StoredEvent, outcome: &EventOutcome<'_>) -> Result<bool, StoreError> {
        let is_settled = self.context.store.settle_event(event, outcome).await?;
        if is_settled {
            telemetry::EVENTS.count(&[("type", outcome.event_kind), ("correlation", outcome.correlation)]);
        }
        Ok(is_settled)
    }

    /// The alerts that are now known to be raised although no answer confirmed it, and how their threads are informed.
    fn raised(&self, correlation: &Correlation<Alert>, settings: &Settings) -> Vec<Raised> {
        let config = &settings.config;
        let renderer = Renderer(&config.replies);
        let is_news = |alert: &&Alert| matches!(alert.state, AlertState::Queued | AlertState::NotSent);
        let raised = correlation.raised.iter().filter(is_news).map(|alert| {
            let team = config.triggers.get(&alert.trigger).map_or("", |trigger| trigger.team.as_str());
            Raised { alert: alert.id, confirmations: renderer.sent(alert, team) }
        });
        raised.collect()
    }

    async fn reply(
        &self,
        notification: &Notification,
        kind: ReplyKind,
        target: &ReplyTarget<Alert>,
        settings: &Settings,
    ) -> Option<NewDelivery> {
        let renderer = Renderer(&settings.config.replies);
        match target {
            ReplyTarget::Thread(alert, _) => {
                let which = which(&self.context.store, alert).await;
                let text = text(notification, kind, renderer, which.as_deref())?;
                Some(Reply::about(alert, text).queued(kind, Some(alert.id)))
            }
            ReplyTarget::Room(room, maybe_about) => {
                let mut text = text(notification, kind, renderer, None)?;
                let server = settings.config.rocketchat.url.base();
                let link =
                    |alert: &Alert| self.context.rooms.link(server, &alert.room, &alert.message).to_string();
                let links: Vec<String> = maybe_about.iter().map(link).collect();
                if !links.is_empty() {
                    text.push_str(&format!("\nThis may be about {}", links.join(" or ")));
                }
                Some(Reply::in_room(room.clone(), text).queued(kind, None))
            }
            ReplyTarget::Nowhere => {
                let room = settings.config.replies.other_alerts_to.as_ref()?;
                let Some(room) = self.context.rooms.find(room) else {
                    warn!(%room, "the bot is not in the room of replies.other_alerts_to, so nothing is posted");
                    return None;
                };
                let alert = notification.alert.as_ref()?;
                let name = alert.external_id.as_deref().or(alert.event_id.as_ref().map(EventId::as_str));
                let which = name.map(|name| which_alert(name, ""));
                let text = text(notification, kind, renderer, which.as_deref())?;
                Some(Reply::in_room(room, text).queued(kind, None))
            }
        }
    }
}

fn outcome_of<'a>(notification: &'a Notification, correlation: &'static str) -> EventOutcome<'a> {
    let (event_kind, actor) = (notification.event_kind.name(), notification.user.as_deref());
    EventOutcome { correlation, event_kind, actor, ..EventOutcome::default() }
}

/// The store's candidates, as far as they matter.
fn candidates(reference: &AlertRef, found: store::Candidates, call_under_way: bool) -> Candidates<Alert> {
    let name = reference.event_id.as_ref();
    let newer_by =
        |name: Option<&EventId>, other: &Option<String>| name?.newer_by(&EventId::new(other.as_deref()?));
    // An `eventId` that is much newer than the answer to the alert's last call, or to a call that began after it, belongs to none of
    // its calls.
    let is_later = |name: Option<&EventId>, other: &Option<String>| {
        newer_by(name, other).is_some_and(|by| by > LATEST_CALL)
    };
    let may_be_of = |name: Option<&EventId>, found: &store::Unanswered| {
        !is_later(name, &found.alert.event_id) && !is_later(name, &found.next_event_id)
    };
    let others: Vec<EventId> = found.unassigned_event_ids.iter().map(EventId::new).collect();
    // The calls that this or another unassigned `eventId` may belong to.
    let counts = |found: &&store::Unanswered| {
        may_be_of(name, found) || others.iter().any(|other| may_be_of(Some(other), found))
    };
    let counted = found.unanswered.iter().filter(counts);
    let unanswered_calls = counted.map(|found| found.alert.unanswered as usize).sum();
    let possible = found.unanswered.into_iter().filter(|found| may_be_of(name, found));
    let unanswered = possible.map(|found| found.alert).collect();
    let expired_calls: i64 = found.expired.iter().map(|(calls, ..)| calls).sum();
    // Of so many, some were not even counted.
    let is_unnamed = found.expired.len() >= MOST_EXPIRED as usize || expired_calls > found.expired_event_ids;
    // This machine's clock may have jumped, so "long ago" is only certain if SIGNL4's clock says so too.
    let is_long_ago = |(_, own, next): &(i64, Option<String>, Option<String>)| {
        is_later(name, own) || newer_by(name, next).is_some_and(|by| by > CANDIDATE_FOR.unsigned_abs())
    };
    Candidates {
        is_room_id: found.by_external.iter().any(|alert| alert.external_id == alert.room.as_str()),
        unanswered_calls,
        may_be_expired: is_unnamed && !found.expired.iter().all(is_long_ago),
        unassigned_event_ids: others.len(),
        is_unassigned: found.is_unassigned,
        by_event_id: found.by_event,
        by_external_id: found.by_external,
        unanswered,
        call_under_way,
    }
}

/// The `eventId` and the external ID, if there are both.
fn ids(reference: &AlertRef) -> Option<(&EventId, &str)> {
    Some((reference.event_id.as_ref()?, reference.external_id.as_deref()?))
}

/// The reply to an event; `None` if nothing is posted.
fn text(
    notification: &Notification,
    kind: ReplyKind,
    renderer: Renderer<'_>,
    which: Option<&str>,
) -> Option<String> {
    let without = if kind == ReplyKind::Annotated { NO_TEXT } else { "" };
    let words = ReplyWords {
        user: notification.user.as_deref().unwrap_or(NOBODY),
        text: notification.note.as_deref().unwrap_or(without),
        team: notification.team.as_deref().unwrap_or_default(),
        which,
        ..ReplyWords::default()
    };
    // A note that was entered together with another action is appended below it.
    let note = match (kind, &notification.note) {
        (ReplyKind::Annotated, _) | (_, None) => None,
        (_, Some(_)) => renderer.text(ReplyKind::Annotated, &words, None),
    };
    let which = which.filter(|_| note.is_none());
    let own = renderer.text(kind, &ReplyWords { which, ..words }, None);
    match (own, note) {
        (Some(own), Some(note)) => Some(format!("{own}\n{note}")),
        (own, note) => own.or(note),
    }
}

/// The reply to an event has the event's name. `None` for events without a reply.
fn reply_kind(event_kind: EventKind) -> Option<ReplyKind> {
    event_kind.name().parse().ok()
}

fn log(notification: &Notification, correlation: &Correlation<Alert>) {
    let (event, kind, by) = (&notification.id, notification.event_kind.name(), correlation.target.name());
    match &correlation.target {
        ReplyTarget::Thread(alert, FoundBy::Unanswered) => {
            info!(%event, kind, by, alert = %alert.id, "event of an alert whose call got no answer");
        }
        ReplyTarget::Thread(alert, _) => info!(%event, kind, by, alert = %alert.id, "event correlated"),
        ReplyTarget::Room(room, maybe_about) if !maybe_about.is_empty() => {
            let alerts: Vec<String> = maybe_about.iter().map(|alert| alert.id.to_string()).collect();
            warn!(%event, kind, by, %room, ?alerts, "event of one of several alerts whose calls got no answer; posted in their room");
        }
        ReplyTarget::Room(room, _) => {
            warn!(%event, kind, by, %room, "event of an alert that is not ours; posted in its room");
        }
        // This is normal for a team that other sources page too.
        ReplyTarget::Nowhere => {
            info!(%event, kind, by, "event of an alert that is not ours; not posted");
        }
    }
    let reference = notification.alert.as_ref();
    // If there are several alerts, it is unknown which one the `eventId` belongs to.
    let is_known = matches!(correlation.target, ReplyTarget::Thread(..));
    let event_id = reference.and_then(|alert| alert.event_id.as_ref()).filter(|_| is_known);
    for alert in correlation.raised.iter().filter(|alert| alert.state != AlertState::Sent) {
        info!(alert = %alert.id, event_id = event_id.map(tracing::field::display), "alert sent: confirmed by SIGNL4's event, because its call got no answer");
        telemetry::ALERTS.count(&[("state", AlertState::Sent.name())]);
        let age = Timestamp::now().duration_since(alert.created_at);
        telemetry::ALERT_DELIVERY.record(Duration::try_from(age).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_waits_for_the_calls_that_were_under_way_when_it_came_and_for_no_later_one() {
        let [first, second, later] = [1, 2, 3].map(DeliveryId::of);
        let mut wait = Wait { since: Instant::now(), calls: vec![first, second] };
        assert!(wait.is_for_one_of(&[first, second]) && wait.is_for_one_of(&[later, second]));
        assert!(!wait.is_for_one_of(&[later, first]), "its second call");
    }

    #[test]
    fn every_event_about_an_alert_has_the_reply_of_its_name_and_no_other_event_has_one() {
        use EventKind::{Acknowledged, Annotated, Closed, Escalated, Failed, Raised, Unattended};
        let kinds = [Raised, Acknowledged, Closed, Annotated, Escalated, Unattended, Failed];
        assert_eq!(
            kinds.map(|kind| reply_kind(kind).unwrap()),
            [
                ReplyKind::Raised,
                ReplyKind::Acknowledged,
                ReplyKind::Closed,
                ReplyKind::Annotated,
                ReplyKind::Escalated,
                ReplyKind::Unattended,
                ReplyKind::Failed,
            ]
        );
        for other in [EventKind::Test, EventKind::Duty, EventKind::Unknown] {
            assert_eq!(reply_kind(other), None);
        }
    }

    #[test]
    fn former_alerts_with_known_event_ids_are_not_candidates_for_other_events_unless_too_many() {
        let may_be_expired = |alerts: u32, expired_event_ids| {
            let expired = (0..alerts).map(|_| (1, None, None)).collect();
            let found = store::Candidates { expired, expired_event_ids, ..store::Candidates::default() };
            let reference = AlertRef { event_id: Some(EventId::new("e")), external_id: None };
            candidates(&reference, found, false).may_be_expired
        };
        assert!(may_be_expired(2, 1) && !may_be_expired(2, 2));
        assert!(may_be_expired(MOST_EXPIRED, 1_000));
    }

    #[test]
    fn an_event_id_made_after_a_later_answer_belongs_to_no_call_of_before() {
        // The number counts down, 100 ns each.
        let at = |second: u64| format!("{}_a", 2_518_000_000_000_000_000 - second * 10_000_000);
        let is_candidate = |own: Option<u64>, next: Option<u64>| {
            let alert = Alert {
                id: store::AlertId::default(),
                message: rocketchat::MessageId::new("m"),
                trigger: "signl4".into(),
                room: RoomId::new("r"),
                thread: rocketchat::MessageId::new("m"),
                author: None,
                external_id: "r".into(),
                state: AlertState::Sent,
                event_id: own.map(at),
                unanswered: 1,
                told_waiting: false,
                created_at: Timestamp::UNIX_EPOCH,
            };
            let unanswered = vec![store::Unanswered { alert, next_event_id: next.map(at) }];
            let unassigned_event_ids = vec![at(198)];
            let found =
                store::Candidates { unanswered, unassigned_event_ids, ..store::Candidates::default() };
            let reference = AlertRef { event_id: Some(EventId::new(at(200))), external_id: None };
            let found = candidates(&reference, found, false);
            // The earlier `eventId` may belong to a call of up to two seconds before.
            let may_be_earlier = own.max(next).is_none_or(|answer| answer >= 138);
            assert_eq!(found.unanswered_calls, usize::from(may_be_earlier));
            !found.unanswered.is_empty()
        };
        assert!(is_candidate(None, None) && is_candidate(None, Some(201)) && is_candidate(Some(201), None));
        assert!(!is_candidate(Some(139), None) && !is_candidate(None, Some(139)));
        assert!(!is_candidate(Some(137), None) && !is_candidate(None, Some(137)));
        assert!(
            is_candidate(Some(141), None) && is_candidate(None, Some(141)),
            "a call may be processed late"
        );
    }
}
