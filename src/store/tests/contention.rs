//! Many tasks at once: an open intake makes other writers wait, never readers, and nobody fails.

use std::time::Duration;

use jiff::Timestamp;
use tokio::{task::JoinSet, time::timeout};

use super::fixture::{Fixture, ROOM, alerts_queue, delivered, new_alert, outcome, replies, reply};
use crate::store::{AlertState, DeliveryKind, EventOutcome, Progress, RoomProgress};
use rocketchat::{MessageId, RoomId};
use signl4::{AlertRef, EventId, NotificationId};

/// Far longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn readers_work_on_while_an_intake_is_open_and_many_writers_wait_for_it() {
    let fixture = Fixture::new().await;
    fixture.alert("m0").await;
    let mut intake = fixture.store.intake().await.unwrap();
    intake.add_alert(&new_alert("m1"), AlertState::Queued).await.unwrap().unwrap();

    let mut writers = JoinSet::new();
    for n in 0..20 {
        let store = fixture.store.clone();
        writers.spawn(async move { store.receive_event(&NotificationId::new(format!("n{n}")), b"{}").await });
    }
    tokio::task::yield_now().await;
    let reads = async {
        assert_eq!(fixture.store.heads(&alerts_queue(), DeliveryKind::Alert, 9).await.unwrap().len(), 1);
        assert_eq!(fixture.count("alert").await, 1, "what is not committed is not seen");
        let reference = AlertRef { event_id: None, external_id: Some("x".into()) };
        fixture.store.candidates(&reference, Timestamp::now()).await.unwrap();
        fixture.store.progress().await.unwrap();
    };
    timeout(DEADLINE, reads).await.expect("a reader waited for a writer");
    assert!(writers.try_join_next().is_none(), "a writer passed the open intake");

    intake.commit().await.unwrap();
    let written = timeout(DEADLINE, writers.join_all()).await.expect("the writers are stuck");
    assert!(written.into_iter().all(|stored| stored.unwrap()));
    assert_eq!(fixture.count("alert").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_comes_together_with_the_answer_to_its_call_finds_one_sign_of_it() {
    let fixture = Fixture::new().await;
    for round in 0..40 {
        let event_id = format!("e{round}");
        let alert = fixture.alert(&format!("m{round}")).await;
        let call = fixture.claimed(&alerts_queue()).await;
        assert_eq!(call.alert, Some(alert.id));
        let reference = AlertRef { event_id: Some(EventId::new(&event_id)), external_id: Some(ROOM.into()) };
        let store = fixture.store.clone();
        let look = tokio::spawn(async move {
            loop {
                let found = store.candidates(&reference, Timestamp::now()).await.unwrap();
                if found.by_event.is_some() {
                    return;
                }
                assert!(!found.calls_under_way.is_empty(), "neither under way nor answered");
            }
        });
        tokio::task::yield_now().await;
        fixture.settle(&call, delivered(Some(&event_id))).await;
        timeout(DEADLINE, look).await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_parts_of_the_bot_at_once_neither_fail_nor_wait_for_each_other_for_ever() {
    const EACH: usize = 60;
    let fixture = Fixture::new().await;
    let mut parts = JoinSet::new();
    let store = fixture.store.clone();
    parts.spawn(async move {
        for n in 0..EACH {
            let message = MessageId::new(format!("m{n}"));
            let mut intake = store.intake().await.unwrap();
            intake.add_alert(&new_alert(message.as_str()), AlertState::Queued).await.unwrap().unwrap();
            intake.add_delivery(&reply(message.as_str(), "queued")).await.unwrap();
            intake.commit().await.unwrap();
        }
    });
    let store = fixture.store.clone();
    parts.spawn(async move {
        for n in 0..EACH {
            assert!(store.receive_event(&NotificationId::new(format!("n{n}")), b"{}").await.unwrap());
        }
    });
    let store = fixture.store.clone();
    parts.spawn(async move {
        let mut settled = 0;
        while settled < EACH {
            let Some(event) = store.waiting_events(0, 1).await.unwrap().pop() else {
                tokio::task::yield_now().await;
                continue;
            };
            let outcome = EventOutcome { reply: Some(reply("room", "event")), ..outcome("room") };
            store.settle_event(&event, &outcome).await.unwrap();
            settled += 1;
        }
    });
    let store = fixture.store.clone();
    parts.spawn(async move {
        let mut count = 0;
        while count < 2 * EACH {
            let Some(head) = store.heads(&replies(), DeliveryKind::Reply, 1).await.unwrap().pop() else {
                tokio::task::yield_now().await;
                continue;
            };
            let delivery = store.claim(head.id).await.unwrap().unwrap();
            store.settle_delivery(&delivery, &delivered(None), &[]).await.unwrap();
            count += 1;
        }
    });
    let store = fixture.store.clone();
    parts.spawn(async move {
        let room = RoomId::new("r");
        for n in 0..EACH {
            let at = Timestamp::from_second(i64::try_from(n).unwrap()).unwrap();
            let row = RoomProgress { since: at, cursor: at, is_behind: false };
            let facts = Progress { read_until: Some(at), ..Progress::default() };
            store.save_progress(&[(room.clone(), Some(row))], &facts).await.unwrap();
            store.check_writable().await.unwrap();
            store.purge(at, at).await.unwrap();
        }
    });
    timeout(2 * DEADLINE, parts.join_all()).await.expect("the parts wait for each other");
    assert_eq!(fixture.count("alert").await, i64::try_from(EACH).unwrap());
}
