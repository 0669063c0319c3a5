//! The outbox: the order in which rows leave, what becomes of them and of their alerts.

use std::time::Duration;

use jiff::{Timestamp, ToSpan};

use super::fixture::{Fixture, call, new_alert, pager, replies, reply, retry};
use crate::store::{AlertChange, AlertState, Delivery, NewDelivery, Next, Queue, Settlement};
use signl4::EventId;

const MINUTE: Duration = Duration::from_secs(60);

async fn next(fixture: &Fixture, queue: &Queue) -> Next {
    fixture.store.next_delivery(queue, Timestamp::now()).await.unwrap()
}

async fn due_text(fixture: &Fixture) -> String {
    fixture.due(&replies()).await.body
}

async fn fill(fixture: &Fixture, rows: &[(&str, &str)]) {
    for (ordering, text) in rows {
        fixture.put(&reply(ordering, text)).await;
    }
}

#[tokio::test]
async fn a_queue_without_rows_is_empty() {
    let fixture = Fixture::new().await;
    assert_eq!(next(&fixture, &replies()).await, Next::Empty);
}

#[tokio::test]
async fn rows_leave_in_the_order_in_which_they_were_queued() {
    let fixture = Fixture::new().await;
    fill(&fixture, &[("t1", "a"), ("t2", "b"), ("t1", "c")]).await;
    for expected in [r#""a""#, r#""b""#, r#""c""#] {
        let delivery = fixture.due(&replies()).await;
        assert_eq!(delivery.body, expected);
        fixture.settle(&delivery, Settlement::Delivered).await;
    }
    assert_eq!(next(&fixture, &replies()).await, Next::Empty);
}

#[tokio::test]
async fn a_row_that_has_to_wait_holds_back_its_own_ordering_and_no_other() {
    let fixture = Fixture::new().await;
    fill(&fixture, &[("t1", "a"), ("t1", "b"), ("t2", "c")]).await;
    let at = Timestamp::now() + MINUTE;
    let first = fixture.due(&replies()).await;
    fixture.settle(&first, retry(at, "no")).await;

    let other = fixture.due(&replies()).await;
    assert_eq!(other.body, r#""c""#, "b waits behind a");
    fixture.settle(&other, Settlement::Delivered).await;
    let Next::At(earliest) = next(&fixture, &replies()).await else { panic!("b passed a") };
    assert_eq!(earliest.as_millisecond(), at.as_millisecond(), "b, which is due, does not count before a");

    let Next::Due(again) = fixture.store.next_delivery(&replies(), at + MINUTE).await.unwrap() else {
        panic!("a is not due at its time")
    };
    assert_eq!((again.body.as_str(), again.attempts), (r#""a""#, 1));
    fixture.settle(&again, Settlement::Failed { reason: "never".into() }).await;
    assert_eq!(due_text(&fixture).await, r#""b""#, "a row that is given up holds nothing back");
}

#[tokio::test]
async fn lanes_do_not_wait_for_each_other() {
    let fixture = Fixture::new().await;
    let alert = fixture.alert("m1").await;
    fixture.put(&NewDelivery { ordering: alert.id.to_string(), ..reply("", "r") }).await;
    let stuck = fixture.due(&pager()).await;
    fixture.settle(&stuck, retry(Timestamp::now() + MINUTE, "down")).await;
    assert_eq!(due_text(&fixture).await, r#""r""#);
    assert_eq!(next(&fixture, &Queue::new("signl4:network")).await, Next::Empty);
}

#[tokio::test]
async fn the_oldest_row_that_is_due_leaves_first_and_else_the_earliest_time_is_told() {
    let fixture = Fixture::new().await;
    fill(&fixture, &[("t1", "a"), ("t2", "b"), ("t3", "c")]).await;
    let now = Timestamp::now();
    for seconds in [50, 40, 30] {
        let delivery = fixture.due(&replies()).await;
        fixture.settle(&delivery, retry(now + seconds.seconds(), "no")).await;
    }
    let Next::At(at) = next(&fixture, &replies()).await else { panic!("something is due") };
    assert_eq!(at.as_millisecond(), (now + 30.seconds()).as_millisecond());
    let Next::Due(first) = fixture.store.next_delivery(&replies(), now + 45.seconds()).await.unwrap() else {
        panic!("nothing is due")
    };
    assert_eq!(first.body, r#""b""#);
}

#[tokio::test]
async fn a_row_that_would_wait_longer_than_anything_may_is_due_for_the_clock_was_set_back() {
    let fixture = Fixture::new().await;
    fill(&fixture, &[("t1", "a")]).await;
    let delivery = fixture.due(&replies()).await;
    let now = Timestamp::now();
    let longest = now + 2.hours();
    fixture.settle(&delivery, retry(longest, "paused")).await;
    assert!(matches!(fixture.store.next_delivery(&replies(), now).await.unwrap(), Next::At(_)));
    let before = now - 1.second();
    assert!(matches!(fixture.store.next_delivery(&replies(), before).await.unwrap(), Next::Due(_)));
}

#[tokio::test]
async fn a_delivery_counts_its_attempts_and_remembers_the_last_error() {
    let fixture = Fixture::new().await;
    let alert = fixture.alert("m1").await;
    for attempts in 0..3 {
        let delivery = fixture.due(&pager()).await;
        assert_eq!((delivery.attempts, delivery.alert), (attempts, Some(alert.id)));
        fixture.settle(&delivery, retry(Timestamp::now(), &format!("error {attempts}"))).await;
    }
    let because = fixture.store.waiting_because(alert.id).await.unwrap();
    assert_eq!(because.as_deref(), Some("error 2"));
    let delivery = fixture.due(&pager()).await;
    fixture.settle(&delivery, Settlement::Retry { at: Timestamp::now(), reason: None }).await;
    assert_eq!(fixture.store.waiting_because(alert.id).await.unwrap(), None);
}

#[tokio::test]
async fn what_follows_from_a_delivery_is_queued_with_its_settlement_and_only_once() {
    let fixture = Fixture::new().await;
    let alert = fixture.alert("m1").await;
    let delivery = fixture.due(&pager()).await;
    let change = AlertChange::Sent(Some(EventId::new("e1")));
    let then = [reply("m1", "sent"), reply("m1", "and more")];
    let mut changes = fixture.store.changes();
    changes.mark_unchanged();
    for _ in 0..2 {
        let settle = fixture.store.settle_delivery(&delivery, &Settlement::Delivered, Some(&change), &then);
        settle.await.unwrap();
    }
    assert!(changes.has_changed().unwrap(), "the queue of the replies is woken");
    assert_eq!(fixture.store.waiting_in(&replies()).await.unwrap(), 2);
    assert_eq!(due_text(&fixture).await, r#""sent""#);
    assert_eq!(fixture.now(&alert).await.event_id, Some(EventId::new("e1")));
    assert_eq!(next(&fixture, &pager()).await, Next::Empty);
}

#[tokio::test]
async fn an_alert_becomes_what_its_call_says() {
    let fixture = Fixture::new().await;
    let cases = [
        (AlertChange::Sent(Some(EventId::new("e"))), Settlement::Delivered, AlertState::Sent, 0),
        // Taken without a name is as good as no answer, where its thread is to be found.
        (AlertChange::Sent(None), Settlement::Delivered, AlertState::Sent, 1),
        (AlertChange::NotSent, Settlement::Failed { reason: "404".into() }, AlertState::NotSent, 0),
        (
            AlertChange::StillQueued { maybe_raised: true },
            retry(Timestamp::now() + MINUTE, "timeout"),
            AlertState::Queued,
            1,
        ),
        (
            AlertChange::StillQueued { maybe_raised: false },
            retry(Timestamp::now() + MINUTE, "refused"),
            AlertState::Queued,
            0,
        ),
    ];
    for (at, (change, settlement, state, unanswered)) in cases.into_iter().enumerate() {
        let alert = fixture.alert(&format!("m{at}")).await;
        fixture.store.mark_in_flight(alert.id).await.unwrap();
        let delivery = fixture.due(&pager()).await;
        fixture.store.settle_delivery(&delivery, &settlement, Some(&change), &[]).await.unwrap();
        let now = fixture.now(&alert).await;
        assert_eq!((now.state, now.unanswered), (state, unanswered), "{change:?}");
    }
    let fixture = fixture.restarted().await;
    let (lost,): (i64,) =
        sqlx::query_as("SELECT sum(unanswered) FROM alert").fetch_one(&fixture.store.readers).await.unwrap();
    assert_eq!(lost, 2, "no settled call is taken for one under way");
}

#[tokio::test]
async fn two_alerts_that_signl4_names_alike_are_both_settled() {
    let fixture = Fixture::new().await;
    let (first, second) = (fixture.alert("m1").await, fixture.alert("m2").await);
    fixture.sent(Some("the same")).await;
    fixture.sent(Some("the same")).await;
    for alert in [&first, &second] {
        assert_eq!(fixture.now(alert).await.state, AlertState::Sent);
    }
    assert_eq!(next(&fixture, &pager()).await, Next::Empty);
}

#[tokio::test]
async fn an_alert_waits_for_the_reason_that_holds_its_own_queue() {
    let fixture = Fixture::new().await;
    let (first, second) = (fixture.alert("m1").await, fixture.alert("m2").await);
    fixture.put(&NewDelivery { alert: Some(second.id), ..reply("m2", "a reply about it") }).await;
    let delivery = fixture.due(&replies()).await;
    fixture.settle(&delivery, retry(Timestamp::now() + MINUTE, "Rocket.Chat is down")).await;
    assert_eq!(fixture.store.waiting_because(second.id).await.unwrap(), None, "nothing holds SIGNL4's queue");

    let delivery = fixture.due(&pager()).await;
    assert_eq!(delivery.alert, Some(first.id));
    fixture.settle(&delivery, retry(Timestamp::now() + MINUTE, "SIGNL4 is down")).await;
    let because = fixture.store.waiting_because(second.id).await.unwrap();
    assert_eq!(because.as_deref(), Some("SIGNL4 is down"));
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
    fixture.store.tell_late(alerts[1].id, None).await.unwrap();
    assert_eq!(late(soon).await, [alerts[2].id]);
}

#[tokio::test]
async fn a_thread_is_told_once_that_its_alert_is_late() {
    let fixture = Fixture::new().await;
    let alert = fixture.alert("m1").await;
    for _ in 0..3 {
        fixture.store.tell_late(alert.id, Some(&reply("m1", "late"))).await.unwrap();
    }
    assert!(fixture.now(&alert).await.told_waiting);
    assert_eq!(fixture.store.waiting_in(&replies()).await.unwrap(), 1);
}

#[tokio::test]
async fn an_alert_that_went_out_meanwhile_is_not_told_to_be_late() {
    let fixture = Fixture::new().await;
    let alert = fixture.alert("m1").await;
    fixture.sent(Some("e1")).await;
    fixture.store.tell_late(alert.id, Some(&reply("m1", "late"))).await.unwrap();
    assert!(!fixture.now(&alert).await.told_waiting);
    assert_eq!(fixture.store.waiting_in(&replies()).await.unwrap(), 0);
}

#[tokio::test]
async fn what_waits_for_a_team_that_is_gone_pages_another_one() {
    let fixture = Fixture::new().await;
    let network = Queue::new("signl4:network");
    let alert = fixture.add(&new_alert("m1"), AlertState::Queued).await.unwrap();
    fixture.put(&NewDelivery { queue: network.clone(), ..call(&alert) }).await;
    fixture.put(&NewDelivery { queue: network.clone(), ..reply("x", "settled") }).await;
    let settled = Delivery { id: crate::store::DeliveryId(2), ..fixture.due(&network).await };
    fixture.settle(&settled, Settlement::Delivered).await;
    fixture.put(&reply("t1", "stays")).await;

    let known = [pager(), replies()];
    assert_eq!(fixture.store.adopt_orphans(&known, &pager()).await.unwrap(), [Some(alert.id)]);
    assert_eq!(fixture.due(&pager()).await.alert, Some(alert.id));
    assert_eq!(fixture.store.waiting_in(&replies()).await.unwrap(), 1);
    assert_eq!(next(&fixture, &network).await, Next::Empty);
    assert_eq!(fixture.store.adopt_orphans(&known, &pager()).await.unwrap(), []);
}

#[tokio::test]
async fn what_waits_for_something_that_is_no_longer_so_is_due_at_once() {
    let fixture = Fixture::new().await;
    let network = Queue::new("signl4:network");
    let later = || retry(Timestamp::now() + 1.hour(), "throttled");
    let alert = fixture.alert("m1").await;
    fixture.settle(&fixture.due(&pager()).await, later()).await;
    assert!(matches!(next(&fixture, &pager()).await, Next::At(_)));
    fixture.store.hurry(&pager()).await.unwrap();
    assert_eq!(fixture.due(&pager()).await.alert, Some(alert.id));

    fixture.settle(&fixture.due(&pager()).await, later()).await;
    fixture.store.adopt_orphans(&[replies()], &network).await.unwrap();
    assert_eq!(fixture.due(&network).await.alert, Some(alert.id), "the new way is tried at once");
}

#[tokio::test]
async fn whatever_waits_is_tried_at_once_after_a_restart() {
    let at = Timestamp::now() + 1.hour();
    for settlement in [retry(at, "no answer"), Settlement::Retry { at, reason: None }] {
        let fixture = Fixture::new().await;
        fixture.alert("m1").await;
        fixture.settle(&fixture.due(&pager()).await, settlement).await;
        assert!(matches!(next(&fixture, &pager()).await, Next::At(_)));
        fixture.restarted().await.due(&pager()).await;
    }
}

#[tokio::test]
async fn what_waits_is_set_back_with_our_clock() {
    let fixture = Fixture::new().await;
    let at = Timestamp::now() + 1.hour();
    fixture.alert("m1").await;
    fixture.settle(&fixture.due(&pager()).await, retry(at, "no answer")).await;
    fixture.store.clock_was_set_back(Duration::from_mins(20)).await.unwrap();
    let Next::At(due) = next(&fixture, &pager()).await else { panic!("it is due or gone") };
    assert_eq!(due.as_millisecond(), (at - 20.minutes()).as_millisecond());
    fixture.store.clock_was_set_back(Duration::from_hours(24 * 365 * 100)).await.unwrap();
    fixture.due(&pager()).await;
}

#[tokio::test]
async fn an_alert_is_as_old_as_it_is_after_our_clock_was_set_back() {
    let fixture = Fixture::new().await;
    let written = fixture.alert("m1").await.created_at;
    let ahead = "UPDATE alert SET created_at = created_at + 3600000";
    sqlx::query(ahead).execute(&fixture.store.writer).await.unwrap();
    let late = async || fixture.store.late_alerts(Timestamp::now() + 1.second()).await.unwrap();
    assert_eq!(late().await, []);
    fixture.store.clock_was_set_back(Duration::from_hours(1)).await.unwrap();
    assert_eq!(late().await[0].created_at, written);
}

#[tokio::test]
async fn a_row_that_was_written_before_our_clock_was_set_back_is_due() {
    let fixture = Fixture::new().await;
    fixture.alert("m1").await;
    let before = Timestamp::now() - 1.hour();
    assert!(matches!(fixture.store.next_delivery(&pager(), before).await.unwrap(), Next::Due(_)));
}
