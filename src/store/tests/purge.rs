//! What is deleted, and what never is.

use jiff::{Timestamp, ToSpan};

use super::fixture::{Fixture, delivered, new_alert, outcome, reply};
use crate::store::{AlertState, EventOutcome, NewDelivery};
use signl4::{AlertRef, EventId, NotificationId};

/// A moment that all rows so far lie before.
fn later() -> Timestamp {
    Timestamp::now() + 1.minute()
}

fn long_ago() -> Timestamp {
    Timestamp::now() - 1.hour()
}

#[tokio::test]
async fn waiting_rows_are_never_deleted() {
    let fixture = Fixture::new().await;
    fixture.alert("m1").await;
    fixture.put(&reply("t1", "waits")).await;
    fixture.store.receive_event(&NotificationId::new("n1"), b"{}").await.unwrap();
    assert_eq!(fixture.store.purge(later(), later()).await.unwrap(), 0);
    assert_eq!((fixture.count("delivery").await, fixture.count("alert").await), (2, 1));
}

#[tokio::test]
async fn settled_rows_are_deleted_at_their_age_and_not_sooner() {
    let fixture = Fixture::new().await;
    fixture.alert("m1").await;
    fixture.sent(Some("e1")).await;
    fixture.add(&new_alert("m2"), AlertState::Suppressed).await.unwrap();
    fixture.happened("n1", outcome("nowhere")).await;

    assert_eq!(fixture.store.purge(long_ago(), long_ago()).await.unwrap(), 0);
    assert_eq!(fixture.store.purge(later(), later()).await.unwrap(), 4);
    for table in ["alert", "delivery", "event"] {
        assert_eq!(fixture.count(table).await, 0, "{table}");
    }
}

#[tokio::test]
async fn an_event_id_of_one_of_several_alerts_is_deleted_with_the_alerts_of_its_age() {
    let fixture = Fixture::new().await;
    let name = EventId::new("e1");
    fixture.happened("n1", EventOutcome { learned: Some((&name, "r")), ..outcome("room") }).await;
    let is_kept = async || {
        let reference = AlertRef { event_id: Some(name.clone()), external_id: None };
        fixture.store.candidates(&reference, long_ago()).await.unwrap().is_unassigned
    };
    assert_eq!(fixture.store.purge(later(), long_ago()).await.unwrap(), 1, "its event");
    assert!(is_kept().await);
    assert_eq!(fixture.store.purge(later(), later()).await.unwrap(), 1);
    assert!(!is_kept().await);
}

#[tokio::test]
async fn an_alert_may_be_kept_for_longer_than_what_was_done_for_it() {
    let fixture = Fixture::new().await;
    let alert = fixture.alert("m1").await;
    fixture.sent(Some("e1")).await;
    assert_eq!(fixture.store.purge(later(), long_ago()).await.unwrap(), 1, "its call");
    assert_eq!(fixture.now(&alert).await.state, AlertState::Sent);
}

#[tokio::test]
async fn an_alert_stays_as_long_as_a_reply_about_it_waits() {
    let fixture = Fixture::new().await;
    let alert = fixture.alert("m1").await;
    fixture.sent(Some("e1")).await;
    let about = NewDelivery { alert: Some(alert.id), ..reply("m1", "closed") };
    fixture.put(&about).await;
    assert_eq!(fixture.store.purge(later(), later()).await.unwrap(), 1, "its call alone");
    assert_eq!(fixture.now(&alert).await.state, AlertState::Sent);
    let delivery = fixture.claimed(&about.queue).await;
    fixture.settle(&delivery, delivered(None)).await;
    assert_eq!(fixture.store.purge(later(), later()).await.unwrap(), 2);
    assert_eq!(fixture.store.alert(alert.id).await.unwrap(), None);
}

#[tokio::test]
async fn all_settled_rows_are_deleted_even_if_they_need_several_statements() {
    let fixture = Fixture::new().await;
    sqlx::query(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1700) \
         INSERT INTO event (id, state, received_at, settled_at, body) SELECT 'n' || i, 'settled', 0, 0, $1 FROM n",
    )
    .bind(vec![0_u8])
    .execute(&fixture.store.writer)
    .await
    .unwrap();
    assert_eq!(fixture.store.purge(long_ago(), long_ago()).await.unwrap(), 1700);
    assert_eq!(fixture.count("event").await, 0);
}
