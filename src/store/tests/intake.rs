//! The intake: the alerts and replies of a burst of messages are committed together or not at all.

use std::time::Duration;

use super::fixture::{Fixture, ROOM, alerts_queue, call, new_alert};
use crate::store::{Alert, AlertState, Settlement};
use rocketchat::RoomId;

const HOUR: Duration = Duration::from_secs(3600);

async fn quiet_for(fixture: &Fixture, period: Duration, trigger: &str, room: &str) -> bool {
    let mut intake = fixture.store.intake().await.unwrap();
    intake.alerted_within(period, trigger, &RoomId::new(room)).await.unwrap()
}

async fn backdate(fixture: &Fixture, alert: &Alert, by: Duration) {
    sqlx::query("UPDATE alert SET created_at = created_at - $1 WHERE id = $2")
        .bind(i64::try_from(by.as_millis()).unwrap())
        .bind(alert.id.0)
        .execute(&fixture.store.writer)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_dropped_intake_stores_nothing() {
    let fixture = Fixture::new().await;
    let mut intake = fixture.store.intake().await.unwrap();
    let alert = intake.add_alert(&new_alert("m1"), AlertState::Queued).await.unwrap().unwrap();
    intake.add_delivery(&call(&alert)).await.unwrap();
    drop(intake);

    assert_eq!(fixture.store.alert(alert.id).await.unwrap(), None);
    assert_eq!(fixture.count("delivery").await, 0);
}

#[tokio::test]
async fn a_committed_intake_stores_everything_and_wakes_the_workers() {
    let fixture = Fixture::new().await;
    let mut changes = fixture.store.changes();
    changes.mark_unchanged();
    let mut intake = fixture.store.intake().await.unwrap();
    let alert = intake.add_alert(&new_alert("m1"), AlertState::Queued).await.unwrap().unwrap();
    intake.add_delivery(&call(&alert)).await.unwrap();
    assert!(!changes.has_changed().unwrap(), "nobody is woken for what does not hold yet");
    intake.commit().await.unwrap();

    assert!(changes.has_changed().unwrap());
    let expected = new_alert("m1");
    let stored = fixture.now(&alert).await;
    assert_eq!(
        (&stored.message, &stored.trigger, &stored.room, &stored.thread, &stored.external_id),
        (&expected.message, &expected.trigger, &expected.room, &expected.thread, &expected.external_id)
    );
    assert_eq!((stored.state, stored.event_id, stored.unanswered), (AlertState::Queued, None, 0));
    assert_eq!(fixture.claimed(&alerts_queue()).await.body, r#"{"title":"m1"}"#);
}

#[tokio::test]
async fn a_message_alerts_once_for_each_trigger() {
    let fixture = Fixture::new().await;
    let first = fixture.add(&new_alert("m1"), AlertState::Queued).await;
    assert!(first.is_some());
    assert_eq!(fixture.add(&new_alert("m1"), AlertState::Queued).await, None);
    let mut other = new_alert("m1");
    other.trigger = "network".into();
    assert!(fixture.add(&other, AlertState::Queued).await.is_some());
    assert!(fixture.add(&new_alert("m2"), AlertState::Queued).await.is_some());
}

#[tokio::test]
async fn a_suppressed_alert_also_occupies_the_key_of_its_message() {
    let fixture = Fixture::new().await;
    fixture.add(&new_alert("m1"), AlertState::Suppressed).await.unwrap();
    assert_eq!(fixture.add(&new_alert("m1"), AlertState::Queued).await, None);
}

#[tokio::test]
async fn a_cooldown_applies_to_one_trigger_in_one_room() {
    let fixture = Fixture::new().await;
    assert!(!quiet_for(&fixture, HOUR, "signl4", ROOM).await);
    let alert = fixture.alert("m1").await;
    assert!(quiet_for(&fixture, HOUR, "signl4", ROOM).await);
    assert!(!quiet_for(&fixture, HOUR, "signl4", "other").await);
    assert!(!quiet_for(&fixture, HOUR, "network", ROOM).await);
    backdate(&fixture, &alert, HOUR).await;
    assert!(!quiet_for(&fixture, HOUR, "signl4", ROOM).await);
    assert!(quiet_for(&fixture, 2 * HOUR, "signl4", ROOM).await);
}

#[tokio::test]
async fn alerts_that_paged_nobody_start_no_cooldown() {
    let fixture = Fixture::new().await;
    let paged = fixture.alert("m1").await;
    fixture.sent(Some("e1")).await;
    backdate(&fixture, &paged, HOUR).await;
    fixture.add(&new_alert("m2"), AlertState::Suppressed).await.unwrap();
    fixture.alert("m3").await;
    let given_up = fixture.claimed(&alerts_queue()).await;
    let failed = Settlement::Failed { reason: "wrong secret".into(), may_have_arrived: false };
    fixture.store.settle_delivery(&given_up, &failed, &[]).await.unwrap();
    assert!(!quiet_for(&fixture, HOUR, "signl4", ROOM).await);
}

#[tokio::test]
async fn a_clock_set_back_does_not_prolong_a_cooldown() {
    let fixture = Fixture::new().await;
    let alert = fixture.alert("m1").await;
    sqlx::query("UPDATE alert SET created_at = created_at + 7200000 WHERE id = $1")
        .bind(alert.id.0)
        .execute(&fixture.store.writer)
        .await
        .unwrap();
    assert!(!quiet_for(&fixture, HOUR, "signl4", ROOM).await);
}
