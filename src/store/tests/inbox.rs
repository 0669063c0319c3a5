//! The inbox: each notification once, until it is settled together with its reply.

use jiff::{SignedDuration, Timestamp};

use super::fixture::{
    Fixture, ROOM, alerts_queue, call, new_alert, outcome, replies, reply, retry, unanswered,
};
use crate::store::{
    Alert, AlertId, AlertState, Candidates, EventOutcome, NewAlert, Raised, Settlement, Unanswered,
};
use signl4::{AlertRef, EventId, NotificationId};

async fn receive(fixture: &Fixture, id: &str) -> bool {
    fixture.store.receive_event(&NotificationId::new(id), format!("body of {id}").as_bytes()).await.unwrap()
}

fn reference(event_id: Option<&str>, external_id: Option<&str>) -> AlertRef {
    AlertRef { event_id: event_id.map(EventId::new), external_id: external_id.map(Into::into) }
}

async fn found(fixture: &Fixture, event_id: Option<&str>, external_id: Option<&str>) -> Candidates {
    let since = Timestamp::now() - SignedDuration::from_hours(1);
    fixture.store.candidates(&reference(event_id, external_id), since).await.unwrap()
}

fn ids(alerts: &[Alert]) -> Vec<AlertId> {
    alerts.iter().map(|alert| alert.id).collect()
}

fn unanswered_ids(found: &[Unanswered]) -> Vec<AlertId> {
    found.iter().map(|found| found.alert.id).collect()
}

/// An alert whose call got no answer.
async fn lost(fixture: &Fixture, message: &str) -> Alert {
    let alert = fixture.alert(message).await;
    let delivery = fixture.claimed(&alerts_queue()).await;
    assert_eq!(delivery.alert, Some(alert.id), "others wait");
    fixture.settle(&delivery, unanswered()).await;
    fixture.now(&alert).await
}

fn raised(alert: &Alert) -> Raised {
    Raised { alert: alert.id, confirmations: vec![reply(alert.thread.as_str(), "sent")] }
}

#[tokio::test]
async fn a_notification_that_comes_twice_is_kept_once() {
    let fixture = Fixture::new().await;
    assert!(receive(&fixture, "n1").await);
    assert!(!receive(&fixture, "n1").await);
    let event = fixture.next_event().await.unwrap();
    fixture.store.settle_event(&event, &outcome("nowhere")).await.unwrap();
    assert!(!receive(&fixture, "n1").await, "also after it is settled");
    assert_eq!(fixture.next_event().await, None);
    assert_eq!(fixture.count("event").await, 1);
}

#[tokio::test]
async fn notifications_are_returned_in_order_and_a_waiting_one_blocks_no_other() {
    let fixture = Fixture::new().await;
    let mut changes = fixture.store.changes();
    changes.mark_unchanged();
    for id in ["n3", "n1", "n2"] {
        assert!(receive(&fixture, id).await);
    }
    assert!(changes.has_changed().unwrap());
    let fixture = fixture.restarted().await;
    let events = fixture.store.waiting_events(0, 9).await.unwrap();
    let bodies: Vec<&[u8]> = events.iter().map(|event| event.body.as_slice()).collect();
    assert_eq!(bodies, [b"body of n3", b"body of n1", b"body of n2"]);
    fixture.store.settle_event(&events[1], &outcome("nowhere")).await.unwrap();
    assert_eq!(fixture.store.waiting_events(events[0].seq, 9).await.unwrap(), events[2..]);
}

#[tokio::test]
async fn a_notification_and_its_reply_are_settled_once_and_together() {
    let fixture = Fixture::new().await;
    receive(&fixture, "n1").await;
    let event = fixture.next_event().await.unwrap();
    let closed = EventOutcome { reply: Some(reply("t1", "closed")), ..outcome("event_id") };
    for _ in 0..2 {
        assert!(fixture.store.settle_event(&event, &closed).await.unwrap());
    }
    assert_eq!(fixture.next_event().await, None);
    assert_eq!(fixture.store.waiting_in(&replies()).await.unwrap(), 1);
}

#[tokio::test]
async fn a_notification_stays_if_its_reply_cannot_be_queued() {
    let fixture = Fixture::new().await;
    receive(&fixture, "n1").await;
    let event = fixture.next_event().await.unwrap();
    // An alert that is not there breaks the foreign key of the reply, after the event was settled.
    let mut impossible = reply("t1", "closed");
    let ghost = fixture.alert("m1").await.id;
    sqlx::query("DELETE FROM alert").execute(&fixture.store.writer).await.unwrap();
    impossible.alert = Some(ghost);
    let outcome = EventOutcome { reply: Some(impossible), ..outcome("event_id") };
    fixture.store.settle_event(&event, &outcome).await.unwrap_err();
    assert_eq!(fixture.next_event().await.unwrap(), event);
    assert_eq!(fixture.count("delivery").await, 0);
}

#[tokio::test]
async fn an_alert_is_found_by_its_event_id() {
    let fixture = Fixture::new().await;
    let first = fixture.alert("m1").await;
    fixture.alert("m2").await;
    fixture.sent(Some("e1")).await;
    fixture.sent(Some("e2")).await;
    let found = found(&fixture, Some("e1"), None).await;
    assert_eq!(found.by_event.unwrap().id, first.id);
    assert!(found.by_external.is_empty() && found.unanswered.is_empty() && found.calls_under_way.is_empty());
}

#[tokio::test]
async fn only_alerts_that_were_raised_or_may_have_been_are_candidates() {
    let fixture = Fixture::new().await;
    let sent = fixture.alert("m1").await;
    fixture.sent(Some("e1")).await;
    let lost = lost(&fixture, "m2").await;
    // Refused, and suppressed by a cooldown: the event cannot be about either.
    fixture.alert("m3").await;
    fixture.claimed(&alerts_queue()).await;
    let refused = fixture.claimed(&alerts_queue()).await;
    fixture.settle(&refused, retry("503")).await;
    fixture.add(&new_alert("m4"), AlertState::Suppressed).await.unwrap();
    let unknown = found(&fixture, Some("unknown"), Some(ROOM)).await;
    assert_eq!(unknown.by_event, None);
    assert_eq!(ids(&unknown.by_external), [lost.id, sent.id], "the newest first");
    assert_eq!(unanswered_ids(&unknown.unanswered), [lost.id]);
    assert!(found(&fixture, None, Some("somebody else's")).await.by_external.is_empty());
}

#[tokio::test]
async fn an_alert_settled_long_ago_is_assigned_no_event_id() {
    let fixture = Fixture::new().await;
    let unnamed = fixture.alert("m1").await;
    fixture.sent(None).await;
    let reference = reference(Some("x"), Some(ROOM));
    let found = async |since| fixture.store.candidates(&reference, since).await.unwrap();
    let now = Timestamp::now();
    let recent = found(now - SignedDuration::from_hours(1)).await;
    assert_eq!((unanswered_ids(&recent.unanswered), recent.expired), (vec![unnamed.id], vec![]));
    let later = now + SignedDuration::from_secs(1);
    let expired = found(later).await;
    assert_eq!((expired.unanswered, expired.expired), (vec![], vec![(1, None, None)]));
    fixture.alert("m2").await;
    fixture.sent(Some("e2")).await;
    assert_eq!(found(later).await.expired, [(1, None, Some("e2".to_owned()))], "the next alert's");
}

#[tokio::test]
async fn a_call_under_way_is_reported_only_for_its_external_id() {
    let fixture = Fixture::new().await;
    fixture.alert("m1").await;
    let under_way = async |external| found(&fixture, Some("x"), external).await.calls_under_way;
    assert_eq!(under_way(Some(ROOM)).await, []);
    let call = fixture.claimed(&alerts_queue()).await;
    assert_eq!(under_way(Some(ROOM)).await, [call.id]);
    assert_eq!(under_way(Some("other")).await, []);
    assert_eq!(under_way(None).await, [call.id], "it may be about that call");
    fixture.settle(&call, unanswered()).await;
    assert_eq!(under_way(Some(ROOM)).await, []);
}

#[tokio::test]
async fn the_answer_to_the_first_call_that_began_after_an_alert_was_settled_is_known() {
    let fixture = Fixture::new().await;
    for message in ["m1", "m2", "m3"] {
        fixture.alert(message).await;
    }
    let first = fixture.claimed(&alerts_queue()).await;
    let second = fixture.claimed(&alerts_queue()).await;
    fixture.settle(&first, Settlement::Delivered { event_id: None }).await;
    fixture.settle(&second, Settlement::Delivered { event_id: Some(EventId::new("e2")) }).await;
    let of_next = async || {
        let found = found(&fixture, Some("x"), Some(ROOM)).await;
        found.unanswered.into_iter().map(|found| found.next_event_id).collect::<Vec<_>>()
    };
    assert_eq!(of_next().await, [None], "the call for m2 began before m1 was settled");
    fixture.sent(Some("e3")).await;
    lost(&fixture, "m4").await;
    assert_eq!(of_next().await, [None, Some("e3".to_owned())], "m4 is not settled");
}

#[tokio::test]
async fn an_alert_is_assigned_its_event_id_and_is_not_called_for_again() {
    let fixture = Fixture::new().await;
    let alert = lost(&fixture, "m1").await;
    let name = EventId::new("e1");
    let outcome = EventOutcome {
        alert: Some(alert.id),
        learned: Some((&name, ROOM)),
        raised: vec![raised(&alert)],
        ..outcome("unanswered")
    };
    assert!(fixture.happened("n1", outcome).await);
    let now = fixture.now(&alert).await;
    assert_eq!((now.state, now.unanswered), (AlertState::Sent, 0));
    assert_eq!(fixture.claim(&alerts_queue()).await, None, "no second call");
    assert_eq!(fixture.store.waiting_in(&replies()).await.unwrap(), 1, "its thread reports it");
    let again =
        EventOutcome { alert: Some(alert.id), raised: vec![raised(&alert)], ..EventOutcome::default() };
    assert!(fixture.happened("n2", again).await);
    assert_eq!(fixture.store.waiting_in(&replies()).await.unwrap(), 1, "once");
    let found = found(&fixture, Some("e1"), Some(ROOM)).await;
    assert_eq!((found.by_event.map(|alert| alert.id), found.unanswered), (Some(alert.id), vec![]));
}

#[tokio::test]
async fn an_event_waits_for_a_call_under_way_for_the_alert_that_it_shows_to_be_raised() {
    let fixture = Fixture::new().await;
    let alert = lost(&fixture, "m1").await;
    let second = fixture.claimed(&alerts_queue()).await;
    let outcome_of_alert =
        || EventOutcome { alert: Some(alert.id), raised: vec![raised(&alert)], ..outcome("unanswered") };
    assert!(!fixture.happened("n1", outcome_of_alert()).await);
    assert!(fixture.next_event().await.is_some(), "it waits");
    fixture.settle(&second, unanswered()).await;
    assert!(fixture.happened("n1", outcome_of_alert()).await);
    assert_eq!(fixture.now(&alert).await.state, AlertState::Sent);
}

#[tokio::test]
async fn an_event_id_of_one_of_several_alerts_counts_for_an_hour_but_is_never_new_again() {
    let fixture = Fixture::new().await;
    let name = EventId::new("e1");
    let unassigned = EventOutcome { learned: Some((&name, ROOM)), ..outcome("room") };
    assert!(fixture.happened("n1", unassigned.clone()).await && fixture.happened("n2", unassigned).await);
    let known = found(&fixture, Some("e1"), Some(ROOM)).await;
    assert_eq!(
        (known.by_event, known.unassigned_event_ids),
        (None, vec!["e1".to_owned()]),
        "a name counts once"
    );
    let later = Timestamp::now() + SignedDuration::from_secs(1);
    for (name, is_known) in [("e1", true), ("e2", false)] {
        let found = fixture.store.candidates(&reference(Some(name), Some(ROOM)), later).await.unwrap();
        assert_eq!((found.unassigned_event_ids, found.is_unassigned), (vec![], is_known), "{name}");
    }
}

#[tokio::test]
async fn a_known_event_id_settles_no_other_alert() {
    let fixture = Fixture::new().await;
    let alert = lost(&fixture, "m1").await;
    let name = EventId::new("e1");
    let learned = EventOutcome { learned: Some((&name, ROOM)), ..outcome("room") };
    assert!(fixture.happened("n1", learned.clone()).await);
    assert!(fixture.happened("n2", EventOutcome { alert: Some(alert.id), ..learned }).await);
    assert_eq!(fixture.now(&alert).await.unanswered, 1);
}

#[tokio::test]
async fn names_with_nul_and_long_ones_are_kept_and_found_again() {
    let fixture = Fixture::new().await;
    for (at, external_id) in
        ["with\0nul".to_owned(), (0..1_500).map(|n| char::from(33 + (n * n % 90) as u8)).collect()]
            .into_iter()
            .enumerate()
    {
        let new = NewAlert { external_id: external_id.clone(), ..new_alert(&format!("m\0{at}")) };
        let alert = fixture.add(&new, AlertState::Queued).await.unwrap();
        assert_eq!(fixture.add(&new, AlertState::Queued).await, None, "the same pair");
        fixture.put(&call(&alert)).await;
        let delivery = fixture.claimed(&alerts_queue()).await;
        fixture.settle(&delivery, Settlement::Unanswered { reason: "\0".into() }).await;
        assert_eq!(unanswered_ids(&found(&fixture, None, Some(&external_id)).await.unanswered), [alert.id]);
        fixture.sent(Some(&external_id)).await;
        let named = found(&fixture, Some(&external_id), None).await.by_event;
        assert_eq!(named.map(|alert| alert.id), Some(alert.id));
    }
    fixture.store.receive_event(&NotificationId::new("n\0"), b"body\0").await.unwrap();
    let event = fixture.next_event().await.unwrap();
    assert_eq!(event.body, b"body\0");
    let nul = EventOutcome { actor: Some("\0"), reply: Some(reply("\0", "a\0b")), ..outcome("room") };
    assert!(fixture.store.settle_event(&event, &nul).await.unwrap());
    assert_eq!(fixture.claimed(&replies()).await.body, r#""a\u0000b""#);
}
