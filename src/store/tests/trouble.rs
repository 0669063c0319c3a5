//! A disk that fills up: an error for each write, nothing partial, and work continues once there is space again.

use super::fixture::{Fixture, alerts_queue, assert_known, delivered, new_alert, reply};
use crate::store::{AlertState, StoreError};
use signl4::NotificationId;

impl Fixture {
    /// Lets the file grow no further, as a full disk does; SQLite reports both with the same code.
    async fn fill_disk(&self) {
        let (pages,): (i64,) =
            sqlx::query_as("PRAGMA page_count").fetch_one(&self.store.writer).await.unwrap();
        self.limit(pages).await;
    }

    async fn free_disk(&self) {
        self.limit(1 << 20).await;
    }

    async fn limit(&self, pages: i64) {
        let sql = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
        sqlx::query(sql).execute(&self.store.writer).await.unwrap();
    }
}

fn long() -> String {
    "x".repeat(100_000)
}

fn assert_full<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert_known(result, "the store's disk is full");
}

#[tokio::test]
async fn a_message_that_the_disk_has_no_space_for_can_be_given_again() {
    let fixture = Fixture::on_sqlite().await;
    fixture.fill_disk().await;
    let mut intake = fixture.store.intake().await.unwrap();
    assert_full(intake.add_delivery(&reply("t1", &long())).await);
    drop(intake);

    fixture.free_disk().await;
    let alert = fixture.alert("m1").await;
    assert_eq!(fixture.claimed(&alerts_queue()).await.alert, Some(alert.id));
}

#[tokio::test]
async fn an_event_that_the_disk_has_no_space_for_is_not_stored() {
    let fixture = Fixture::on_sqlite().await;
    fixture.fill_disk().await;
    let id = NotificationId::new("n1");
    assert_full(fixture.store.receive_event(&id, long().as_bytes()).await);
    fixture.free_disk().await;
    assert!(fixture.store.receive_event(&id, long().as_bytes()).await.unwrap());
}

#[tokio::test]
async fn an_outcome_that_the_disk_has_no_space_for_is_settled_whole_later() {
    let fixture = Fixture::on_sqlite().await;
    let alert = fixture.alert("m1").await;
    let delivery = fixture.claimed(&alerts_queue()).await;
    let sent = delivered(Some("e1"));
    let then = [reply("m1", &long())];
    fixture.fill_disk().await;
    for _ in 0..3 {
        let settle = fixture.store.settle_delivery(&delivery, &sent, &then);
        assert_full(settle.await);
        fixture.fill_disk().await;
    }
    assert_eq!(fixture.now(&alert).await.state, AlertState::Queued, "nothing of it holds");

    fixture.free_disk().await;
    let settle = fixture.store.settle_delivery(&delivery, &sent, &then);
    settle.await.unwrap();
    assert_eq!(fixture.now(&alert).await.state, AlertState::Sent);
}

#[tokio::test]
async fn reading_continues_while_the_disk_is_full() {
    let fixture = Fixture::on_sqlite().await;
    fixture.alert("m1").await;
    fixture.fill_disk().await;
    assert_full(fixture.store.receive_event(&NotificationId::new("n1"), long().as_bytes()).await);
    assert_eq!(fixture.store.waiting_in(&alerts_queue()).await.unwrap(), 1);
    assert!(fixture.store.progress().await.unwrap().rooms.is_empty());
}

#[tokio::test]
async fn an_intake_that_is_cancelled_leaves_the_store_as_it_was() {
    let fixture = Fixture::new().await;
    for round in 0..20 {
        let store = fixture.store.clone();
        let task = tokio::spawn(async move {
            let mut intake = store.intake().await.unwrap();
            for message in 0.. {
                let alert = new_alert(&format!("m{message}"));
                intake.add_alert(&alert, AlertState::Queued).await.unwrap();
            }
        });
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        fixture.store.check_writable().await.unwrap();
    }
    assert_eq!(fixture.count("alert").await, 0);
}
