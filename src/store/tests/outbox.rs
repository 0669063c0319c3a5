//! The outbox: the order in which rows are delivered, what becomes of them and of their alerts.

use std::time::Duration;

use jiff::Timestamp;

use super::fixture::{Fixture, alerts_queue, delivered, new_alert, replies, reply, retry, unanswered};
use crate::store::{Alert, AlertState, DeliveryKind, NewDelivery, Queue, Settlement};

const MINUTE: Duration = Duration::from_secs(60);

async fn fill(fixture: &Fixture, rows: &[(&str, &str)]) {
    for (ordering, text) in rows {
        fixture.put(&reply(ordering, text)).await;
    }
}

async fn body(fixture: &Fixture) -> String {
    fixture.claimed(&replies()).await.body
}

#[tokio::test]
async fn rows_come_in_the_order_in_which_they_were_queued() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.claim(&replies()).await, None);
    fill(&fixture, &[("t1", "a"), ("t2", "b"), ("t1", "c")]).await;
    for expected in [r#""a""#, r#""b""#, r#""c""#] {
        let delivery = fixture.claimed(&replies()).await;
        assert_eq!(delivery.body, expected);
        fixture.settle(&delivery, delivered(None)).await;
    }
    assert_eq!(fixture.claim(&replies()).await, None);
}

#[tokio::test]
async fn a_row_that_is_not_settled_holds_back_its_own_ordering_and_no_other() {
    let fixture = Fixture::new().await;
    fill(&fixture, &[("t1", "a"), ("t1", "b"), ("t2", "c")]).await;
    let first = fixture.claimed(&replies()).await;
    assert_eq!(body(&fixture).await, r#""c""#, "b waits behind a");
    assert_eq!(fixture.claim(&replies()).await, None);

    fixture.settle(&first, retry("no")).await;
    let again = fixture.claimed(&replies()).await;
    assert_eq!((again.id, again.attempts), (first.id, 2));
    fixture.settle(&again, Settlement::Failed { reason: "never".into(), may_have_arrived: false }).await;
    assert_eq!(body(&fixture).await, r#""b""#, "a row that is given up holds nothing back");
}

#[tokio::test]
async fn a_row_is_claimed_once() {
    let fixture = Fixture::new().await;
    fixture.alert("m1").await;
    let head = &fixture.store.heads(&alerts_queue(), DeliveryKind::Alert, 9).await.unwrap()[0];
    assert!(fixture.store.claim(head.id).await.unwrap().is_some());
    assert_eq!(fixture.store.claim(head.id).await.unwrap(), None);
    assert_eq!(fixture.store.heads(&alerts_queue(), DeliveryKind::Alert, 9).await.unwrap(), []);
}

#[tokio::test]
async fn an_outcome_belongs_to_its_attempt() {
    let fixture = Fixture::new().await;
    fixture.alert("m1").await;
    let first = fixture.claimed(&alerts_queue()).await;
    fixture.settle(&first, retry("refused")).await;
    let second = fixture.claimed(&alerts_queue()).await;
    assert_eq!((first.id, first.attempts + 1), (second.id, second.attempts));
    fixture.settle(&first, retry("late")).await;
    fixture.store.uncertain_claims.lock().await.push((first.id, first.attempts));
    assert_eq!(fixture.claim(&alerts_queue()).await, None, "the second attempt is still under way");
}

#[tokio::test]
async fn a_row_whose_claim_may_hold_is_read_by_no_worker_before_it_is_released() {
    let fixture = Fixture::new().await;
    fixture.alert("m1").await;
    let row = fixture.store.heads(&alerts_queue(), DeliveryKind::Alert, 9).await.unwrap()[0].id;
    fixture.store.uncertain_claims.lock().await.push((row, 0));
    let busy = fixture.store.intake().await.unwrap();
    let read = || async { fixture.store.heads(&alerts_queue(), DeliveryKind::Alert, 9).await.unwrap().len() };
    let (mut first, mut second) = (std::pin::pin!(read()), std::pin::pin!(read()));
    for reading in [first.as_mut(), second.as_mut()] {
        let early = tokio::time::timeout(Duration::from_millis(200), reading).await;
        assert!(early.is_err(), "the store is busy, so nothing was released");
    }
    drop(busy);
    assert_eq!(tokio::join!(first, second), (1, 1));
}

#[tokio::test]
async fn queues_do_not_wait_for_each_other_and_a_row_of_another_kind_is_not_taken() {
    let fixture = Fixture::new().await;
    let alert = fixture.alert("m1").await;
    fixture.put(&NewDelivery { ordering: alert.id.to_string(), ..reply("", "r") }).await;
    fixture.claimed(&alerts_queue()).await;
    assert_eq!(body(&fixture).await, r#""r""#);
    fixture.put(&NewDelivery { queue: alerts_queue(), ..reply("", "no alert") }).await;
    assert_eq!(fixture.claim(&alerts_queue()).await, None);
}

#[tokio::test]
async fn a_delivery_counts_its_attempts_and_remembers_the_last_error() {
    let fixture = Fixture::new().await;
    let alert = fixture.alert("m1").await;
    for attempts in 1..4 {
        let delivery = fixture.claimed(&alerts_queue()).await;
        assert_eq!((delivery.attempts, delivery.alert), (attempts, Some(alert.id)));
        fixture.settle(&delivery, retry(&format!("error {attempts}"))).await;
    }
    let because = fixture.store.waiting_because(alert.id).await.unwrap();
    assert_eq!(because.as_deref(), Some("error 3"));
    fixture.settle(&fixture.claimed(&alerts_queue()).await, Settlement::Retry { reason: None }).await;
    assert_eq!(fixture.store.waiting_because(alert.id).await.unwrap(), None);
}

#[tokio::test]
async fn follow_up_rows_are_queued_with_the_settlement_and_only_once() {
    let fixture = Fixture::new().await;
    let alert = fixture.alert("m1").await;
    let delivery = fixture.claimed(&alerts_queue()).await;
    let then = [reply("m1", "sent"), reply("m1", "and more")];
    let mut changes = fixture.store.changes();
    changes.mark_unchanged();
    for _ in 0..2 {
        fixture.store.settle_delivery(&delivery, &delivered(Some("e1")), &then).await.unwrap();
    }
    assert!(changes.has_changed().unwrap(), "the queue of the replies is woken");
    assert_eq!(fixture.store.waiting_in(&replies()).await.unwrap(), 2);
    assert_eq!(body(&fixture).await, r#""sent""#);
    assert_eq!(fixture.now(&alert).await.event_id.as_deref(), Some("e1"));
    assert_eq!(fixture.claim(&alerts_queue()).await, None);
}

#[tokio::test]
async fn an_alert_becomes_what_its_call_says() {
    let fixture = Fixture::new().await;
    let cases = [
        (delivered(Some("e")), AlertState::Sent, 0),
        // To find its thread, an answer without an `eventId` is like no answer.
        (delivered(None), AlertState::Sent, 1),
        (Settlement::Failed { reason: "404".into(), may_have_arrived: false }, AlertState::NotSent, 0),
        (Settlement::Failed { reason: "504".into(), may_have_arrived: true }, AlertState::NotSent, 1),
        (unanswered(), AlertState::Queued, 1),
        (Settlement::Crashed { reason: "a bug".into() }, AlertState::Queued, 1),
        (retry("refused"), AlertState::Queued, 0),
    ];
    for (at, (settlement, state, unanswered)) in cases.into_iter().enumerate() {
        let alert = fixture.alert(&format!("m{at}")).await;
        let row = fixture.store.heads(&alerts_queue(), DeliveryKind::Alert, 99).await.unwrap().pop().unwrap();
        let delivery = fixture.store.claim(row.id).await.unwrap().unwrap();
        fixture.settle(&delivery, settlement.clone()).await;
        let now = fixture.now(&alert).await;
        assert_eq!((now.state, now.unanswered), (state, unanswered), "{settlement:?}");
    }
    let fixture = fixture.restarted().await;
    let (lost,): (i64,) = sqlx::query_as("SELECT CAST(sum(unanswered) AS BIGINT) FROM alert")
        .fetch_one(&fixture.store.readers)
        .await
        .unwrap();
    assert_eq!(lost, 4, "no settled call is taken for one under way");
}

#[tokio::test]
async fn an_alert_is_not_withdrawn_once_its_cooldown_suppressed_another_one() {
    let fixture = Fixture::new().await;
    let withdrawn = Settlement::Withdrawn { reason: "deleted".into() };
    let first = fixture.alert("m1").await;
    let delivery = fixture.claimed(&alerts_queue()).await;
    let other = fixture.add(&new_alert("m2"), AlertState::Suppressed).await.unwrap();
    let behind = async |alert: &Alert| fixture.store.suppressed_behind(alert.id, 9).await.unwrap();
    assert_eq!(behind(&first).await, [other]);
    assert!(!fixture.store.settle_delivery(&delivery, &withdrawn, &[]).await.unwrap());
    assert_eq!(fixture.now(&first).await.state, AlertState::Queued);
    fixture.settle(&delivery, delivered(Some("e1"))).await;
    let second = fixture.alert("m3").await;
    fixture.add(&new_alert("m4"), AlertState::Suppressed).await.unwrap();
    assert_eq!((behind(&first).await.len(), behind(&second).await.len()), (1, 1), "each stands for its own");
    let third = fixture.alert("m5").await;
    let row = fixture.store.heads(&alerts_queue(), DeliveryKind::Alert, 9).await.unwrap().pop().unwrap();
    let delivery = fixture.store.claim(row.id).await.unwrap().unwrap();
    assert!(fixture.store.settle_delivery(&delivery, &withdrawn, &[]).await.unwrap());
    assert_eq!(fixture.now(&third).await.state, AlertState::Withdrawn);
}

#[tokio::test]
async fn crashes_in_a_row_are_counted_until_the_next_outcome() {
    let fixture = Fixture::new().await;
    fixture.alert("m1").await;
    fixture
        .settle(&fixture.claimed(&alerts_queue()).await, Settlement::Crashed { reason: "a bug".into() })
        .await;
    fixture.claimed(&alerts_queue()).await;
    let fixture = fixture.restarted().await;
    let heads = fixture.store.heads(&alerts_queue(), DeliveryKind::Alert, 9).await.unwrap();
    assert_eq!((heads[0].crashes, heads[0].unanswered), (2, 2), "a panic, and the end of the process");
    fixture.settle(&fixture.claimed(&alerts_queue()).await, retry("refused")).await;
    let heads = fixture.store.heads(&alerts_queue(), DeliveryKind::Alert, 9).await.unwrap();
    assert_eq!((heads[0].crashes, heads[0].unanswered), (0, 2));
}

#[tokio::test]
async fn two_alerts_with_the_same_event_id_are_both_settled() {
    let fixture = Fixture::new().await;
    let (first, second) = (fixture.alert("m1").await, fixture.alert("m2").await);
    fixture.sent(Some("the same")).await;
    fixture.sent(Some("the same")).await;
    for alert in [&first, &second] {
        assert_eq!(fixture.now(alert).await.state, AlertState::Sent);
    }
    assert_eq!(fixture.claim(&alerts_queue()).await, None);
}

#[tokio::test]
async fn late_alerts_are_those_that_still_wait_the_oldest_first() {
    let fixture = Fixture::new().await;
    let mut alerts = Vec::new();
    for message in ["m1", "m2", "m3"] {
        alerts.push(fixture.alert(message).await);
    }
    fixture.add(&new_alert("m4"), AlertState::Suppressed).await.unwrap();
    fixture.sent(Some("e1")).await;
    let late = async |since| -> Vec<_> {
        fixture.store.late_alerts(since).await.unwrap().into_iter().map(|alert| alert.id).collect()
    };
    let soon = Timestamp::now() + MINUTE;
    assert_eq!(late(soon).await, [alerts[1].id, alerts[2].id]);
    assert!(late(Timestamp::now() - MINUTE).await.is_empty());
    fixture.store.report_late(alerts[1].id, None).await.unwrap();
    assert_eq!(late(soon).await, [alerts[2].id]);
}

#[tokio::test]
async fn a_late_alert_is_reported_once_in_its_thread() {
    let fixture = Fixture::new().await;
    let alert = fixture.alert("m1").await;
    for _ in 0..3 {
        fixture.store.report_late(alert.id, Some(&reply("m1", "late"))).await.unwrap();
    }
    assert!(fixture.now(&alert).await.told_waiting);
    assert_eq!(fixture.store.waiting_in(&replies()).await.unwrap(), 1);
}

#[tokio::test]
async fn an_alert_sent_meanwhile_is_not_reported_late() {
    let fixture = Fixture::new().await;
    let alert = fixture.alert("m1").await;
    fixture.sent(Some("e1")).await;
    fixture.store.report_late(alert.id, Some(&reply("m1", "late"))).await.unwrap();
    assert!(!fixture.now(&alert).await.told_waiting);
    assert_eq!(fixture.store.waiting_in(&replies()).await.unwrap(), 0);
}

#[tokio::test]
async fn the_waiting_rows_of_one_kind_move_to_another_queue() {
    let fixture = Fixture::new().await;
    let network = Queue::new("signl4:network");
    let alert = fixture.add(&new_alert("m1"), AlertState::Queued).await.unwrap();
    let call = super::fixture::call(&alert);
    for row in [&call, &call, &NewDelivery { kind: DeliveryKind::Reply, ..call.clone() }] {
        fixture.put(&NewDelivery { queue: network.clone(), ..row.clone() }).await;
    }
    let settled = fixture.claimed(&network).await;
    fixture.settle(&settled, delivered(None)).await;
    sqlx::query("UPDATE delivery SET kind = 'unknown' WHERE kind = 'reply'")
        .execute(&fixture.store.writer)
        .await
        .unwrap();

    let mut used = fixture.store.queues_in_use().await.unwrap();
    used.sort();
    assert_eq!(used, [(network.clone(), None), (network.clone(), Some(DeliveryKind::Alert))]);
    let moved = fixture.store.move_queue(&network, DeliveryKind::Alert, &alerts_queue()).await.unwrap();
    assert_eq!(moved, [Some(alert.id)]);
    assert_eq!(fixture.claimed(&alerts_queue()).await.alert, Some(alert.id));
    assert_eq!(
        fixture.store.waiting_in(&network).await.unwrap(),
        1,
        "the row of an unknown kind is left alone"
    );
}
