//! A store in a directory of its own, and rows to put into it.

use serde_json::json;
use tempfile::TempDir;

use crate::store::{
    Alert, AlertState, Delivery, DeliveryKind, EventOutcome, NewAlert, NewDelivery, Queue, Settlement, Store,
    StoredEvent,
};
use rocketchat::{MessageId, RoomId};
use signl4::{EventId, NotificationId};

pub(super) const ROOM: &str = "GENERAL";

/// A store, and the directory that goes with it.
pub(super) struct Fixture {
    pub(super) store: Store,
    pub(super) directory: TempDir,
}

impl Fixture {
    pub(super) async fn new() -> Self {
        let directory = TempDir::new().unwrap();
        Self { store: Store::open(&url(&directory)).await.unwrap(), directory }
    }

    pub(super) fn url(&self) -> String {
        url(&self.directory)
    }

    /// The next run of the bot on the same file, the last one having been killed.
    pub(super) async fn restarted(self) -> Self {
        let Self { store, directory } = self;
        drop(store);
        let store = Store::open(&url(&directory)).await.unwrap();
        store.recover().await.unwrap();
        Self { store, directory }
    }

    /// A queued alert with its call to SIGNL4.
    pub(super) async fn alert(&self, message: &str) -> Alert {
        let alert = self.add(&new_alert(message), AlertState::Queued).await.unwrap();
        self.put(&call(&alert)).await;
        alert
    }

    pub(super) async fn add(&self, alert: &NewAlert, state: AlertState) -> Option<Alert> {
        let mut intake = self.store.intake().await.unwrap();
        let alert = intake.add_alert(alert, state).await.unwrap();
        intake.commit().await.unwrap();
        alert
    }

    pub(super) async fn put(&self, delivery: &NewDelivery) {
        let mut intake = self.store.intake().await.unwrap();
        intake.add_delivery(delivery).await.unwrap();
        intake.commit().await.unwrap();
    }

    /// Claims the oldest row of the queue that no other holds back; `None` where none waits.
    pub(super) async fn claim(&self, queue: &Queue) -> Option<Delivery> {
        let kind = if *queue == replies() { DeliveryKind::Reply } else { DeliveryKind::Alert };
        let head = self.store.heads(queue, kind, 1).await.unwrap().pop()?;
        self.store.claim(head.id).await.unwrap()
    }

    /// The same where there must be one.
    pub(super) async fn claimed(&self, queue: &Queue) -> Delivery {
        self.claim(queue).await.unwrap_or_else(|| panic!("nothing waits in {queue}"))
    }

    pub(super) async fn settle(&self, delivery: &Delivery, settlement: Settlement) {
        self.store.settle_delivery(delivery, &settlement, &[]).await.unwrap();
    }

    /// Delivers the next row of the pager's queue, to which SIGNL4 answers so.
    pub(super) async fn sent(&self, event_id: Option<&str>) {
        let delivery = self.claimed(&pager()).await;
        self.settle(&delivery, delivered(event_id)).await;
    }

    /// The next notification that waits.
    pub(super) async fn next_event(&self) -> Option<StoredEvent> {
        self.store.waiting_events(0, 1).await.unwrap().pop()
    }

    /// A notification that comes and is settled so.
    pub(super) async fn happened(&self, id: &str, outcome: EventOutcome<'_>) -> bool {
        self.store.receive_event(&NotificationId::new(id), b"{}").await.unwrap();
        let event = self.next_event().await.unwrap();
        self.store.settle_event(&event, &outcome).await.unwrap()
    }

    /// The alert as it stands now.
    pub(super) async fn now(&self, alert: &Alert) -> Alert {
        self.store.alert(alert.id).await.unwrap().unwrap()
    }

    pub(super) async fn count(&self, table: &'static str) -> i64 {
        let sql = match table {
            "alert" => "SELECT count(*) FROM alert",
            "delivery" => "SELECT count(*) FROM delivery",
            "event" => "SELECT count(*) FROM event",
            other => panic!("{other}"),
        };
        let (count,): (i64,) = sqlx::query_as(sql).fetch_one(&self.store.readers).await.unwrap();
        count
    }
}

pub(super) fn url(directory: &TempDir) -> String {
    format!("sqlite://{}", directory.path().join("bot.db").display())
}

pub(super) fn pager() -> Queue {
    Queue::new("signl4")
}

pub(super) fn replies() -> Queue {
    Queue::new("rocketchat:reply")
}

pub(super) fn new_alert(message: &str) -> NewAlert {
    NewAlert {
        message: MessageId::new(message),
        trigger: "signl4".into(),
        room: RoomId::new(ROOM),
        thread: MessageId::new(message),
        author: Some("alice".into()),
        external_id: ROOM.into(),
        queue: pager(),
        event: json!({ "title": message }),
    }
}

/// The call to SIGNL4 that an alert asks for.
pub(super) fn call(alert: &Alert) -> NewDelivery {
    NewDelivery {
        queue: pager(),
        kind: DeliveryKind::Alert,
        ordering: alert.id.to_string(),
        body: json!({ "title": alert.message }),
        alert: Some(alert.id),
    }
}

pub(super) fn reply(ordering: &str, text: &str) -> NewDelivery {
    let kind = DeliveryKind::Reply;
    NewDelivery { queue: replies(), kind, ordering: ordering.into(), body: json!(text), alert: None }
}

pub(super) fn delivered(event_id: Option<&str>) -> Settlement {
    Settlement::Delivered { event_id: event_id.map(EventId::new) }
}

pub(super) fn retry(reason: &str) -> Settlement {
    Settlement::Retry { reason: Some(reason.into()) }
}

pub(super) fn unanswered() -> Settlement {
    Settlement::Unanswered { reason: "no answer in time".into() }
}

/// An event that was settled so.
pub(super) fn outcome(correlation: &str) -> EventOutcome<'_> {
    EventOutcome { correlation, event_kind: "closed", ..EventOutcome::default() }
}
