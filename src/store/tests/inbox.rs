//! The inbox: each notification once, until it is settled together with its reply.

use jiff::{Timestamp, ToSpan};

use super::fixture::{Fixture, ROOM, new_alert, outcome, pager, replies, reply, retry};
use crate::store::{AlertChange, AlertState, EventOutcome, StoredEvent};
use signl4::{AlertRef, EventId, NotificationId};

async fn receive(fixture: &Fixture, id: &str) -> bool {
    fixture.store.receive_event(&NotificationId::new(id), &format!("body of {id}")).await.unwrap()
}

async fn next(fixture: &Fixture, now: Timestamp) -> Result<StoredEvent, Option<Timestamp>> {
    fixture.store.next_event(now).await.unwrap()
}

fn reference(event_id: Option<&str>, external_id: Option<&str>) -> AlertRef {
    AlertRef { event_id: event_id.map(EventId::new), external_id: external_id.map(Into::into) }
}

#[tokio::test]
async fn a_notification_that_comes_twice_is_kept_once() {
    let fixture = Fixture::new().await;
    assert!(receive(&fixture, "n1").await);
    assert!(!receive(&fixture, "n1").await);
    let event = next(&fixture, Timestamp::now()).await.unwrap();
    fixture.store.settle_event(&event, &outcome("nowhere"), None).await.unwrap();
    assert!(!receive(&fixture, "n1").await, "also after it is settled");
    assert_eq!(next(&fixture, Timestamp::now()).await, Err(None));
    assert_eq!(fixture.count("event").await, 1);
}

#[tokio::test]
async fn notifications_come_out_as_they_came_in() {
    let fixture = Fixture::new().await;
    let mut changes = fixture.store.changes();
    changes.mark_unchanged();
    for id in ["n3", "n1", "n2"] {
        assert!(receive(&fixture, id).await);
    }
    assert!(changes.has_changed().unwrap());
    let fixture = fixture.restarted().await;
    for id in ["n3", "n1", "n2"] {
        let event = next(&fixture, Timestamp::now()).await.unwrap();
        assert_eq!(event.body, format!("body of {id}"));
        fixture.store.settle_event(&event, &outcome("nowhere"), None).await.unwrap();
    }
}

#[tokio::test]
async fn a_postponed_notification_lets_the_others_pass_until_its_time() {
    let fixture = Fixture::new().await;
    receive(&fixture, "n1").await;
    receive(&fixture, "n2").await;
    let now = Timestamp::now();
    let first = next(&fixture, now).await.unwrap();
    let later = now + 5.seconds();
    let alert = fixture.alert("m1").await;
    fixture.store.mark_in_flight(alert.id).await.unwrap();
    fixture.store.postpone_event(&first, &reference(Some("x"), Some(ROOM)), later).await.unwrap();
    let second = next(&fixture, now).await.unwrap();
    assert_eq!(second.body, "body of n2");
    fixture.store.settle_event(&second, &outcome("nowhere"), None).await.unwrap();
    let at = next(&fixture, now).await.unwrap_err().unwrap();
    assert_eq!(at.as_millisecond(), later.as_millisecond());
    assert_eq!(next(&fixture, later + 1.millisecond()).await.unwrap(), first);
}

#[tokio::test]
async fn what_waited_for_an_answer_is_due_with_it_and_before_what_came_later() {
    let fixture = Fixture::new().await;
    receive(&fixture, "n1").await;
    let now = Timestamp::now();
    let first = next(&fixture, now).await.unwrap();
    let alert = fixture.alert("m1").await;
    fixture.store.mark_in_flight(alert.id).await.unwrap();
    fixture.store.postpone_event(&first, &reference(Some("x"), Some(ROOM)), now + 5.seconds()).await.unwrap();
    receive(&fixture, "n2").await;
    fixture.sent(Some("e1")).await;
    assert_eq!(next(&fixture, Timestamp::now()).await.unwrap(), first);
    // Looked at just before the answer came, it must not be put off after it.
    fixture.store.postpone_event(&first, &reference(Some("x"), Some(ROOM)), now + 5.seconds()).await.unwrap();
    assert_eq!(next(&fixture, Timestamp::now()).await.unwrap(), first);
}

#[tokio::test]
async fn a_notification_postponed_before_the_clock_was_set_back_is_due() {
    let fixture = Fixture::new().await;
    receive(&fixture, "n1").await;
    let now = Timestamp::now();
    let event = next(&fixture, now).await.unwrap();
    let alert = fixture.alert("m1").await;
    fixture.store.mark_in_flight(alert.id).await.unwrap();
    fixture.store.postpone_event(&event, &reference(Some("x"), Some(ROOM)), now + 5.seconds()).await.unwrap();
    assert!(next(&fixture, now).await.is_err());
    assert_eq!(next(&fixture, now - 10.minutes()).await.unwrap(), event);
}

#[tokio::test]
async fn a_notification_and_its_reply_are_settled_once_and_together() {
    let fixture = Fixture::new().await;
    receive(&fixture, "n1").await;
    let event = next(&fixture, Timestamp::now()).await.unwrap();
    for _ in 0..2 {
        fixture.store.settle_event(&event, &outcome("event_id"), Some(&reply("t1", "closed"))).await.unwrap();
    }
    assert_eq!(next(&fixture, Timestamp::now()).await, Err(None));
    assert_eq!(fixture.store.waiting_in(&replies()).await.unwrap(), 1);
}

#[tokio::test]
async fn a_notification_stays_where_its_reply_cannot_be_queued() {
    let fixture = Fixture::new().await;
    receive(&fixture, "n1").await;
    let event = next(&fixture, Timestamp::now()).await.unwrap();
    // An alert that is not there breaks the foreign key of the reply, after the event was settled.
    let mut impossible = reply("t1", "closed");
    let ghost = fixture.alert("m1").await.id;
    sqlx::query("DELETE FROM alert").execute(&fixture.store.writer).await.unwrap();
    impossible.alert = Some(ghost);
    fixture.store.settle_event(&event, &outcome("event_id"), Some(&impossible)).await.unwrap_err();
    assert_eq!(next(&fixture, Timestamp::now()).await.unwrap(), event);
    assert_eq!(fixture.count("delivery").await, 0);
}

#[tokio::test]
async fn an_alert_is_found_by_signl4s_name_for_it() {
    let fixture = Fixture::new().await;
    let first = fixture.alert("m1").await;
    fixture.alert("m2").await;
    fixture.sent(Some("e1")).await;
    fixture.sent(Some("e2")).await;
    let found = fixture.store.candidates(&reference(Some("e1"), None)).await.unwrap();
    assert_eq!(found.by_event.unwrap().id, first.id);
    assert!(found.by_external.is_empty() && found.unanswered.is_none() && !found.in_flight);
}

#[tokio::test]
async fn of_alerts_with_one_external_id_the_two_newest_that_left_are_candidates() {
    let fixture = Fixture::new().await;
    let mut alerts = Vec::new();
    for message in ["m1", "m2", "m3"] {
        alerts.push(fixture.alert(message).await);
    }
    fixture.add(&new_alert("m4"), AlertState::Suppressed).await.unwrap();
    let found = fixture.store.candidates(&reference(Some("unknown"), Some(ROOM))).await.unwrap();
    assert_eq!(found.by_event, None);
    assert_eq!(found.by_external, [alerts[2].clone(), alerts[1].clone()]);
    let found = fixture.store.candidates(&reference(None, Some("somebody else's"))).await.unwrap();
    assert!(found.by_external.is_empty());
}

#[tokio::test]
async fn an_alert_whose_answer_never_came_goes_before_one_that_was_named_later() {
    let fixture = Fixture::new().await;
    let lost = fixture.alert("m1").await;
    let named = fixture.alert("m2").await;
    let untouched = fixture.alert("m3").await;
    let maybe = AlertChange::StillQueued { maybe_raised: true };
    for _ in 0..2 {
        let delivery = fixture.due(&pager()).await;
        let later = retry(Timestamp::now() + 1.hour(), "timeout");
        fixture.store.settle_delivery(&delivery, &later, Some(&maybe), &[]).await.unwrap();
    }
    let unanswered = async || {
        let found = fixture.store.candidates(&reference(Some("x"), Some(ROOM))).await.unwrap();
        found.unanswered.map(|alert| alert.id)
    };
    assert_eq!(unanswered().await, Some(named.id), "the newest");
    sqlx::query("UPDATE alert SET event_id = 'e2' WHERE id = ?")
        .bind(named.id.0)
        .execute(&fixture.store.writer)
        .await
        .unwrap();
    assert_eq!(unanswered().await, Some(lost.id));
    assert_eq!(fixture.now(&untouched).await.unanswered, 0);
}

#[tokio::test]
async fn a_call_under_way_is_told_for_its_external_id_alone() {
    let fixture = Fixture::new().await;
    let alert = fixture.alert("m1").await;
    let in_flight =
        async |external| fixture.store.candidates(&reference(Some("x"), external)).await.unwrap().in_flight;
    assert!(!in_flight(Some(ROOM)).await);
    fixture.store.mark_in_flight(alert.id).await.unwrap();
    assert!(in_flight(Some(ROOM)).await);
    assert!(!in_flight(Some("other")).await);
    assert!(in_flight(None).await, "it may be about that call");
    fixture.sent(Some("e1")).await;
    assert!(!in_flight(Some(ROOM)).await);
}

#[tokio::test]
async fn a_name_that_an_alert_claimed_finds_it_and_uses_up_one_lost_answer() {
    let fixture = Fixture::new().await;
    let alert = fixture.alert("m1").await;
    fixture.store.mark_in_flight(alert.id).await.unwrap();
    let fixture = fixture.restarted().await;
    receive(&fixture, "n1").await;
    let event = next(&fixture, Timestamp::now()).await.unwrap();
    let name = EventId::new("lost");
    let outcome = EventOutcome { alert: Some(alert.id), claimed: Some(&name), ..outcome("unanswered") };
    for _ in 0..2 {
        fixture.store.settle_event(&event, &outcome, None).await.unwrap();
    }
    let found = fixture.store.candidates(&reference(Some("lost"), Some(ROOM))).await.unwrap();
    assert_eq!(found.by_event.map(|alert| (alert.id, alert.unanswered)), Some((alert.id, 0)));
    let other = fixture.store.candidates(&reference(Some("another"), Some(ROOM))).await.unwrap();
    assert!(other.by_event.is_none() && other.unanswered.is_none(), "{other:?}");
}
