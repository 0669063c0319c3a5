//! No row stops its queue: panics and calls that hang, on a real store.

use std::sync::Mutex;

use serde_json::json;
use tempfile::TempDir;
use tokio::{task::JoinHandle, time::sleep};

use super::*;
use crate::{health::Health, store::DeliveryId};

const SOON: Duration = Duration::from_secs(20);
const WAIT: Duration = Duration::from_millis(5);
const SLOW: Duration = Duration::from_millis(300);

/// Does with each row what its body says.
struct Scripted {
    tried: Arc<Mutex<Vec<(DeliveryId, String)>>>,
}

impl Destination for Scripted {
    async fn attempt(&self, delivery: &Delivery) -> Attempt {
        self.tried.lock().unwrap().push((delivery.id, delivery.body.clone()));
        match delivery.body.as_str() {
            "\"panic\"" => panic!("as the row says"),
            "\"hang\"" => std::future::pending().await,
            "\"refuse\"" => Settlement::Retry { reason: Some("HTTP 403".into()) }.into(),
            "\"slow\"" => {
                sleep(SLOW).await;
                Settlement::Delivered { event_id: None }.into()
            }
            _ => Settlement::Delivered { event_id: None }.into(),
        }
    }

    async fn give_up(&self, _: &Delivery, reason: String) -> Attempt {
        let then = vec![row("given up", "reported")];
        Attempt { settlement: Settlement::Failed { reason, may_have_arrived: false }, pause: None, then }
    }
}

struct Fixture {
    store: Store,
    tried: Arc<Mutex<Vec<(DeliveryId, String)>>>,
    cancel: CancellationToken,
    worker: JoinHandle<()>,
    _directory: TempDir,
}

fn queue() -> Queue {
    Queue::new("rocketchat:reply")
}

fn row(ordering: &str, body: &str) -> NewDelivery {
    let (ordering, body) = (ordering.to_owned(), json!(body));
    NewDelivery { queue: queue(), kind: DeliveryKind::Reply, ordering, body, alert: None }
}

async fn add(store: &Store, row: &NewDelivery) {
    let mut intake = store.intake().await.unwrap();
    intake.add_delivery(row).await.unwrap();
    intake.commit().await.unwrap();
}

impl Fixture {
    /// A worker with these rows in its queue, each with its own ordering.
    async fn with(bodies: &[&str]) -> Self {
        let directory = TempDir::new().unwrap();
        let url = crate::store::StoreUrl::sqlite(directory.path().join("bot.db"));
        let store = Store::open(&url).await.unwrap();
        let (tried, cancel) = (Arc::default(), CancellationToken::new());
        let to = Scripted { tried: Arc::clone(&tried) };
        for (at, body) in bodies.iter().enumerate() {
            add(&store, &row(&at.to_string(), body)).await;
        }
        let context = QueueContext {
            queue: queue(),
            kind: DeliveryKind::Reply,
            to,
            store: store.clone(),
            health: Health::default(),
        };
        let worker = tokio::spawn(work(context, Schedule::new(WAIT, WAIT), cancel.clone()));
        Self { store, tried, cancel, worker, _directory: directory }
    }

    async fn add(&self, row: &NewDelivery) {
        add(&self.store, row).await;
    }

    /// Waits until so many rows are left.
    async fn wait_until_left(&self, count: u64) {
        let left = async {
            let mut changes = self.store.changes();
            while self.store.waiting_in(&queue()).await.unwrap() != count {
                changes.changed().await.unwrap();
            }
        };
        let waited = timeout(SOON, left).await;
        waited.unwrap_or_else(|_| panic!("{:?}", self.tried.lock().unwrap()));
    }

    fn times(&self, body: &str) -> usize {
        let body = json!(body).to_string();
        self.tried.lock().unwrap().iter().filter(|(_, tried)| *tried == body).count()
    }
}

#[tokio::test]
async fn a_row_that_panics_is_given_up_and_reported_and_the_others_are_delivered() {
    let fixture = Fixture::with(&["panic", "one", "two"]).await;
    fixture.wait_until_left(0).await;
    assert_eq!(fixture.times("panic"), usize::try_from(MOST_PANICS).unwrap());
    let delivered = (fixture.times("one"), fixture.times("two"), fixture.times("reported"));
    assert_eq!(delivered, (1, 1, 1), "each once, and what its giving up led to");
}

#[tokio::test]
async fn a_row_that_hangs_holds_back_no_other_and_a_new_one_is_delivered_at_once() {
    let fixture = Fixture::with(&["hang", "one", "two"]).await;
    fixture.wait_until_left(1).await;
    let added = Instant::now();
    fixture.add(&row("new", "three")).await;
    fixture.wait_until_left(1).await;
    assert_eq!(fixture.times("three"), 1);
    assert!(added.elapsed() < ATTEMPT_LIMIT / 2, "{:?}", added.elapsed());
}

#[tokio::test]
async fn rows_that_are_refused_again_and_again_hold_back_no_other() {
    let fixture = Fixture::with(&["refuse", "refuse", "refuse"]).await;
    // From now on, one of them is always due.
    let tried_often = async {
        while fixture.times("refuse") < 20 {
            sleep(WAIT).await;
        }
    };
    timeout(SOON, tried_often).await.unwrap();
    fixture.add(&row("new", "one")).await;
    fixture.wait_until_left(3).await;
    assert_eq!(fixture.times("one"), 1);
}

#[tokio::test]
async fn a_worker_that_is_cancelled_finishes_what_is_under_way_and_starts_nothing_more() {
    let mut fixture = Fixture::with(&[]).await;
    // One after the other, as of one thread.
    for body in ["slow", "later"] {
        fixture.add(&row("thread", body)).await;
    }
    while fixture.times("slow") == 0 {
        tokio::task::yield_now().await;
    }
    fixture.cancel.cancel();
    timeout(SOON, &mut fixture.worker).await.unwrap().unwrap();
    assert_eq!((fixture.times("slow"), fixture.times("later")), (1, 0));
    assert_eq!(fixture.store.waiting_in(&queue()).await.unwrap(), 1, "the slow one is settled");
}
