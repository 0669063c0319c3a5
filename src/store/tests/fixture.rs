//! A store in a directory of its own, and rows to put into it.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use serde_json::json;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

use crate::store::{
    Alert, AlertState, Delivery, DeliveryKind, EventOutcome, NewAlert, NewDelivery, Queue, Settlement, Store,
    StoreError, StoreUrl, StoredEvent,
};
use rocketchat::{MessageId, RoomId};
use signl4::{EventId, NotificationId};

pub(super) const ROOM: &str = "GENERAL";

/// A store of its own: a file in a directory, or a database of the PostgreSQL server that the environment names.
pub(super) struct Fixture {
    pub(super) store: Store,
    pub(super) url: StoreUrl,
    pub(super) directory: TempDir,
}

impl Fixture {
    pub(super) async fn new() -> Self {
        let Some(server) = server() else { return Self::on_sqlite().await };
        let url = new_database(&server).await.parse().unwrap();
        Self { store: opened(&url).await, url, directory: TempDir::new().unwrap() }
    }

    /// The same for what only a file does.
    pub(super) async fn on_sqlite() -> Self {
        let directory = TempDir::new().unwrap();
        let url = url(&directory);
        Self { store: opened(&url).await, url, directory }
    }

    /// The store at rest.
    pub(super) async fn closed(self) -> (StoreUrl, TempDir) {
        self.store.close().await;
        (self.url, self.directory)
    }

    /// The next run of the bot on the same store.
    pub(super) async fn restarted(self) -> Self {
        let (url, directory) = self.closed().await;
        let store = opened(&url).await;
        store.recover().await.unwrap();
        Self { store, url, directory }
    }

    /// As after a newer release.
    pub(super) async fn migrated_further(&self) {
        sqlx::query(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (9999, 'of the future', TRUE, $1, 0)",
        )
        .bind(vec![0_u8])
        .execute(&self.store.writer)
        .await
        .unwrap();
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

    /// Claims the oldest row of the queue that no other holds back; `None` if none waits.
    pub(super) async fn claim(&self, queue: &Queue) -> Option<Delivery> {
        let kind = if *queue == replies() { DeliveryKind::Reply } else { DeliveryKind::Alert };
        let head = self.store.heads(queue, kind, 1).await.unwrap().pop()?;
        self.store.claim(head.id).await.unwrap()
    }

    /// The same, but there must be one.
    pub(super) async fn claimed(&self, queue: &Queue) -> Delivery {
        self.claim(queue).await.unwrap_or_else(|| panic!("nothing waits in {queue}"))
    }

    pub(super) async fn settle(&self, delivery: &Delivery, settlement: Settlement) {
        self.store.settle_delivery(delivery, &settlement, &[]).await.unwrap();
    }

    /// Delivers the next row of the alerts queue, with this answer of SIGNL4.
    pub(super) async fn sent(&self, event_id: Option<&str>) {
        let delivery = self.claimed(&alerts_queue()).await;
        self.settle(&delivery, delivered(event_id)).await;
    }

    /// The next notification that waits.
    pub(super) async fn next_event(&self) -> Option<StoredEvent> {
        self.store.waiting_events(0, 1).await.unwrap().pop()
    }

    /// A notification that arrives and is settled with this outcome.
    pub(super) async fn happened(&self, id: &str, outcome: EventOutcome<'_>) -> bool {
        self.store.receive_event(&NotificationId::new(id), b"{}").await.unwrap();
        let event = self.next_event().await.unwrap();
        self.store.settle_event(&event, &outcome).await.unwrap()
    }

    /// The current alert.
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

pub(super) fn url(directory: &TempDir) -> StoreUrl {
    StoreUrl::sqlite(directory.path().join("bot.db"))
}

/// The URL of a PostgreSQL server for tests, if there is one: `tests/postgres.sh` starts it.
pub(super) fn server() -> Option<String> {
    std::env::var("SIGNL4_TEST_POSTGRES").ok()
}

/// Creates a database; returns its URL.
pub(super) async fn new_database(server: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let mut connection = PgConnection::connect(server).await.unwrap();
    let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::query(create).execute(&mut connection).await.unwrap();
    let mut url = url::Url::parse(server).unwrap();
    url.set_path(&name);
    url.into()
}

/// Opens a store. The server may need a moment to notice that the last process is gone.
pub(super) async fn opened(url: &StoreUrl) -> Store {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match Store::open(url).await {
            Err(StoreError::InUse(_)) if Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            opened => return opened.unwrap(),
        }
    }
}

pub(super) fn alerts_queue() -> Queue {
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
        queue: alerts_queue(),
        event: json!({ "title": message }),
    }
}

/// The call to SIGNL4 that an alert asks for.
pub(super) fn call(alert: &Alert) -> NewDelivery {
    NewDelivery {
        queue: alerts_queue(),
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

/// An event that was settled with this outcome.
pub(super) fn outcome(correlation: &'static str) -> EventOutcome<'static> {
    EventOutcome { correlation, event_kind: "closed", ..EventOutcome::default() }
}

/// It failed with a known cause, whose text has these words.
pub(super) fn assert_known<T: std::fmt::Debug>(result: Result<T, StoreError>, words: &str) {
    assert!(matches!(&result, Err(StoreError::Known(text)) if text.contains(words)), "{result:?}");
}
