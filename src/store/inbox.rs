//! The inbox: SIGNL4's notifications, from before they are answered until they are settled.

use jiff::Timestamp;

use super::{
    Alert, AlertId, DeliveryId, NewDelivery, Store, StoreError,
    engine::Tx,
    outbox,
    rows::{Millis, key, millis, text},
};
use signl4::{AlertRef, EventId, NotificationId};

pub(super) const WAITING: &str =
    "SELECT * FROM event WHERE state = 'waiting' AND seq > $1 ORDER BY seq LIMIT $2";
pub(super) const BY_EVENT: &str = "SELECT * FROM alert WHERE event_id = $1 ORDER BY id DESC LIMIT 1";
pub(super) const BY_LEARNED_ID: &str =
    "SELECT * FROM alert WHERE id = (SELECT alert_id FROM learned_event_id WHERE event_id = $1)";
/// An event can only be about an alert that was raised, or may have been.
pub(super) const BY_EXTERNAL: &str = "SELECT * FROM alert WHERE external_id = $1 AND state <> 'suppressed' \
    AND (state = 'sent' OR unanswered > 0) ORDER BY id DESC LIMIT 2";
pub(super) const UNANSWERED: &str = "SELECT a.*, (SELECT n.event_id FROM alert n WHERE n.first_call > a.settled_call \
    AND n.event_id IS NOT NULL ORDER BY n.first_call LIMIT 1) AS next_event_id \
    FROM alert a WHERE a.external_id = $1 AND a.unanswered > 0 AND (a.settled_at IS NULL OR a.settled_at >= $2) ORDER BY a.id DESC";
pub(super) const EXPIRED: &str = "SELECT a.unanswered, a.event_id, (SELECT n.event_id FROM alert n WHERE n.first_call > a.settled_call \
    AND n.event_id IS NOT NULL ORDER BY n.first_call LIMIT 1) FROM alert a \
    WHERE a.external_id = $1 AND a.unanswered > 0 AND a.settled_at < $2 ORDER BY a.id DESC LIMIT $3";
/// Of very many, the newest are enough: a missing one can only keep alerts from being known as raised.
pub(super) const UNASSIGNED: &str = "SELECT event_id FROM learned_event_id WHERE external_id = $1 AND alert_id IS NULL \
    AND created_at >= $2 ORDER BY created_at DESC LIMIT 100";
pub(super) const UNASSIGNED_BEFORE: &str =
    "SELECT count(*) FROM learned_event_id WHERE external_id = $1 AND alert_id IS NULL AND created_at < $2";
pub(super) const IS_UNASSIGNED: &str =
    "SELECT 1 FROM learned_event_id WHERE event_id = $1 AND alert_id IS NULL";
const RECEIVED: &str =
    "INSERT INTO event (id, body, received_at) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING";
const LEARN: &str = "INSERT INTO learned_event_id (event_id, alert_id, external_id, created_at) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (event_id) DO NOTHING";
const ONE_ANSWERED: &str = "UPDATE alert SET unanswered = unanswered - 1 WHERE id = $1 AND unanswered > 0";
const RAISED: &str = "UPDATE alert SET state = 'sent', settled_at = $1, settled_call = (SELECT max(first_call) FROM alert) \
    WHERE id = $2 AND state IN ('queued', 'not_sent')";
const NO_MORE_CALLS: &str = "UPDATE delivery SET state = 'delivered', last_error = NULL, settled_at = $1 \
    WHERE alert_id = $2 AND kind = 'alert' AND state = 'waiting'";
const CALL_UNDER_WAY: &str =
    "SELECT 1 FROM delivery WHERE alert_id = $1 AND state = 'under_way' AND kind = 'alert' LIMIT 1";

/// The store looks for this many [expired](Candidates::expired) alerts at most.
pub const MOST_EXPIRED: u32 = 100;

/// A notification that waits to be correlated.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct StoredEvent {
    /// Its row; later notifications have greater ones.
    pub seq: i64,
    /// The body as SIGNL4 sent it, whether or not it can be read.
    pub body: Vec<u8>,
    /// When it arrived.
    #[sqlx(try_from = "Millis")]
    pub received_at: Timestamp,
}

/// How a notification is settled.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventOutcome<'a> {
    /// How its alert was found, or why it was not looked for: a short name.
    pub correlation: &'static str,
    /// The alert it is about.
    pub alert: Option<AlertId>,
    /// What happened to the alert: a short name.
    pub event_kind: &'static str,
    /// Who did it.
    pub actor: Option<&'a str>,
    /// An `eventId` that was not known before, with its external ID. It is assigned to `alert`, whose answer was lost;
    /// without `alert`, it belongs to one of several.
    pub learned: Option<(&'a EventId, &'a str)>,
    /// Alerts that this notification proves to be raised: their calls are not repeated.
    pub raised: Vec<Raised>,
    /// What to post about it.
    pub reply: Option<NewDelivery>,
}

/// An alert that SIGNL4 raised, according to an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Raised {
    /// The alert.
    pub alert: AlertId,
    /// What to post in its thread, if it was not known to be sent before.
    pub confirmations: Vec<NewDelivery>,
}

/// An alert that unanswered calls may have raised.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Unanswered {
    /// The alert.
    #[sqlx(flatten)]
    pub alert: Alert,
    /// The `eventId` in SIGNL4's answer for the first alert whose first call began after this one was settled.
    pub next_event_id: Option<String>,
}

/// The alerts a notification may be about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidates {
    /// The alert that SIGNL4 answered this `eventId` for, or that it was assigned to later.
    pub by_event: Option<Alert>,
    /// Up to two alerts with that external ID that were raised or may have been, the newest first.
    pub by_external: Vec<Alert>,
    /// The alerts with that external ID whose calls may have raised one with an unknown `eventId`, the newest first.
    pub unanswered: Vec<Unanswered>,
    /// For each such alert that was settled before `since`: the number of unanswered calls, the `eventId` that answered its own last
    /// call, and the one for the first alert whose first call began later. The newest [`MOST_EXPIRED`] of them.
    pub expired: Vec<(i64, Option<String>, Option<String>)>,
    /// How many `eventId`s are known to belong to some of those.
    pub expired_event_ids: i64,
    /// The newest `eventId`s that are known to belong to some of `unanswered`.
    pub unassigned_event_ids: Vec<String>,
    /// Whether this `eventId` is known, however long, to belong to one of several alerts.
    pub is_unassigned: bool,
    /// The calls under way for alerts with that external ID; all calls if the notification has none.
    pub calls_under_way: Vec<DeliveryId>,
}

impl Store {
    /// Stores a notification. Returns `false` if it is already stored.
    ///
    /// # Errors
    /// When the store fails; then the notification must not be answered with 2xx.
    pub async fn receive_event(&self, id: &NotificationId, body: &[u8]) -> Result<bool, StoreError> {
        let mut tx = self.write_in_any_role().await?;
        let insert = sqlx::query(RECEIVED).bind(key(id.as_str())).bind(body).bind(millis(Timestamp::now()));
        let inserted = tx.execute(insert).await?;
        tx.commit().await?;
        self.changed();
        Ok(inserted == 1)
    }

    /// The oldest `limit` waiting notifications whose rows come after the row `after`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn waiting_events(&self, after: i64, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        let waiting = sqlx::query_as(WAITING).bind(after).bind(i64::from(limit));
        self.run(waiting.fetch_all(&self.readers)).await
    }

    /// The alerts that `alert` may refer to. No new `eventId` is assigned to an alert that was settled before `since`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn candidates(&self, alert: &AlertRef, since: Timestamp) -> Result<Candidates, StoreError> {
        let mut found = Candidates::default();
        // One snapshot: if a call's answer was stored between two of these queries, neither would find it.
        let mut snapshot = self.snapshot().await?;
        if let Some(event_id) = &alert.event_id {
            for statement in [BY_EVENT, BY_LEARNED_ID] {
                if found.by_event.is_none() {
                    let alert = sqlx::query_as(statement).bind(key(event_id.as_str()));
                    found.by_event = self.run(alert.fetch_optional(&mut *snapshot.connection)).await?;
                }
            }
            let unassigned = sqlx::query(IS_UNASSIGNED).bind(key(event_id.as_str()));
            found.is_unassigned = snapshot.finds(unassigned).await?;
        }
        let external_id = alert.external_id.as_deref().map(key);
        if let Some(external_id) = &external_id {
            let by_external = sqlx::query_as(BY_EXTERNAL).bind(external_id);
            found.by_external = self.run(by_external.fetch_all(&mut *snapshot.connection)).await?;
            let unanswered = sqlx::query_as(UNANSWERED).bind(external_id).bind(millis(since));
            found.unanswered = self.run(unanswered.fetch_all(&mut *snapshot.connection)).await?;
            let expired =
                sqlx::query_as(EXPIRED).bind(external_id).bind(millis(since)).bind(i64::from(MOST_EXPIRED));
            found.expired = self.run(expired.fetch_all(&mut *snapshot.connection)).await?;
            let unassigned = sqlx::query_scalar(UNASSIGNED).bind(external_id).bind(millis(since));
            found.unassigned_event_ids = self.run(unassigned.fetch_all(&mut *snapshot.connection)).await?;
            let before = sqlx::query_scalar(UNASSIGNED_BEFORE).bind(external_id).bind(millis(since));
            found.expired_event_ids = self.run(before.fetch_one(&mut *snapshot.connection)).await?;
        }
        let under_way = sqlx::query_scalar(outbox::UNDER_WAY).bind(external_id);
        found.calls_under_way = self.run(under_way.fetch_all(&mut *snapshot.connection)).await?;
        Ok(found)
    }

    /// Settles a notification and all its consequences in one transaction. Returns `false` without any change if a call is
    /// under way for an alert that it proves to be raised: that call's answer has to be stored first.
    ///
    /// # Errors
    /// When the store fails; then nothing is changed.
    pub async fn settle_event(
        &self,
        event: &StoredEvent,
        outcome: &EventOutcome<'_>,
    ) -> Result<bool, StoreError> {
        let now = Timestamp::now();
        let mut tx = self.write().await?;
        for raised in &outcome.raised {
            if tx.finds(sqlx::query(CALL_UNDER_WAY).bind(raised.alert)).await? {
                return Ok(false);
            }
        }
        let settle = sqlx::query(
            "UPDATE event SET state = 'settled', outcome = $1, alert_id = $2, event_kind = $3, actor = $4, settled_at = $5 \
             WHERE seq = $6 AND state = 'waiting'",
        )
        .bind(outcome.correlation)
        .bind(outcome.alert)
        .bind(outcome.event_kind)
        .bind(outcome.actor.map(text))
        .bind(millis(now))
        .bind(event.seq);
        if tx.execute(settle).await? == 1 {
            learn(&mut tx, outcome, now).await?;
            for raised in &outcome.raised {
                settle_raised(&mut tx, raised, now).await?;
            }
            if let Some(reply) = &outcome.reply {
                outbox::insert(&mut tx, reply, now).await?;
            }
        }
        tx.commit().await?;
        self.changed();
        Ok(true)
    }
}

/// Stores an `eventId`. A call raises at most one alert, so the alert has one unanswered call fewer.
async fn learn(tx: &mut Tx, outcome: &EventOutcome<'_>, now: Timestamp) -> Result<(), StoreError> {
    let Some((event_id, external_id)) = outcome.learned else { return Ok(()) };
    let learn = sqlx::query(LEARN).bind(key(event_id.as_str())).bind(outcome.alert).bind(key(external_id));
    if let (1, Some(alert)) = (tx.execute(learn.bind(millis(now))).await?, outcome.alert) {
        tx.execute(sqlx::query(ONE_ANSWERED).bind(alert)).await?;
    }
    Ok(())
}

async fn settle_raised(tx: &mut Tx, raised: &Raised, now: Timestamp) -> Result<(), StoreError> {
    if tx.execute(sqlx::query(RAISED).bind(millis(now)).bind(raised.alert)).await? == 0 {
        return Ok(());
    }
    tx.execute(sqlx::query(NO_MORE_CALLS).bind(millis(now)).bind(raised.alert)).await?;
    for confirmation in &raised.confirmations {
        outbox::insert(tx, confirmation, now).await?;
    }
    Ok(())
}
