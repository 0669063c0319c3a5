//! What waits and why, and what happened to the last alerts.

use std::time::Duration;

use jiff::{Timestamp, ToSpan};

use super::fixture::{Fixture, alerts_queue, delivered, outcome, replies, reply, retry};
use crate::store::{
    Alert, AlertId, AlertState, Callbacks, DeliveryState, EventOutcome, InboxDepth, LastAlerts, NewDelivery,
    QueueDepth, Settlement,
};
use signl4::NotificationId;

impl Fixture {
    async fn queues(&self) -> Vec<QueueDepth> {
        self.store.outbox_depth().await.unwrap()
    }

    async fn last(&self, limit: u32) -> LastAlerts {
        self.store.last_alerts(limit, Timestamp::UNIX_EPOCH).await.unwrap()
    }

    /// An event about an alert, settled with a reply in its thread.
    async fn happened_to(&self, id: &str, alert: &Alert, event_kind: &'static str) {
        let reply = NewDelivery { alert: Some(alert.id), ..reply(alert.thread.as_str(), event_kind) };
        let settled = EventOutcome {
            correlation: "event_id",
            alert: Some(alert.id),
            event_kind,
            actor: Some("Rene"),
            reply: Some(reply),
            ..EventOutcome::default()
        };
        self.happened(id, settled).await;
    }
}

#[tokio::test]
async fn a_store_in_which_nothing_waits_has_no_depth() {
    let fixture = Fixture::new().await;
    fixture.alert("m1").await;
    fixture.sent(Some("e1")).await;
    assert_eq!(fixture.queues().await, []);
    assert_eq!(fixture.store.inbox_depth().await.unwrap(), InboxDepth::default());
}

#[tokio::test]
async fn each_queue_shows_how_much_waits_since_when_and_why() {
    let fixture = Fixture::new().await;
    for message in ["m1", "m2", "m3"] {
        fixture.alert(message).await;
    }
    fixture.put(&reply("t1", "waits")).await;
    let first = fixture.claimed(&alerts_queue()).await;
    fixture.settle(&first, retry("SIGNL4 answered 503")).await;
    let [replying, paging] = &fixture.queues().await[..] else { panic!("two queues") };
    assert_eq!((replying.queue.clone(), replying.waiting, &replying.last_error), (replies(), 1, &None));
    assert_eq!((paging.queue.clone(), paging.waiting, paging.attempts), (alerts_queue(), 3, 1));
    assert_eq!(paging.oldest, first.created_at);
    assert_eq!(paging.last_error.as_deref(), Some("SIGNL4 answered 503"));
}

#[tokio::test]
async fn the_inbox_shows_how_much_waits_and_since_when() {
    let fixture = Fixture::new().await;
    let before = Timestamp::now() - 1.second();
    for id in ["n1", "n2"] {
        fixture.store.receive_event(&NotificationId::new(id), b"{}").await.unwrap();
    }
    let depth = fixture.store.inbox_depth().await.unwrap();
    assert_eq!(depth.waiting, 2);
    assert!(depth.oldest.is_some_and(|oldest| oldest >= before));
}

#[tokio::test]
async fn an_alert_comes_with_its_deliveries_and_events_in_their_order() {
    let fixture = Fixture::new().await;
    let alert = fixture.alert("m1").await;
    fixture.alert("m2").await;
    fixture.sent(Some("e1")).await;
    fixture.happened_to("n1", &alert, "acknowledged").await;
    fixture.happened_to("n2", &alert, "closed").await;
    let posted = fixture.claimed(&replies()).await;
    fixture.settle(&posted, delivered(None)).await;
    fixture.claimed(&replies()).await;

    let LastAlerts { alerts, deliveries, events } = fixture.last(10).await;
    let [newer, older] = &alerts[..] else { panic!("two alerts") };
    assert_eq!(newer.message.as_str(), "m2");
    assert_eq!((older.id, older.state), (alert.id, AlertState::Sent));
    let happened: Vec<(AlertId, &str)> =
        events.iter().map(|event| (event.alert, event.event_kind.as_str())).collect();
    assert_eq!(happened, [(alert.id, "acknowledged"), (alert.id, "closed")]);
    assert_eq!(events[0].actor.as_deref(), Some("Rene"));
    assert_eq!(events[0].correlation, "event_id");
    let [call, other, first, second] = &deliveries[..] else { panic!("{deliveries:?}") };
    assert_eq!(
        [call, other, first, second].map(|delivery| delivery.alert == alert.id),
        [true, false, true, true]
    );
    assert_eq!(call.queue, alerts_queue());
    assert!(call.state == DeliveryState::Delivered && call.at >= alert.created_at, "{call:?}");
    assert_eq!((first.state, second.state), (DeliveryState::Delivered, DeliveryState::UnderWay));
}

#[tokio::test]
async fn only_so_many_of_the_last_alerts_are_read_and_none_that_is_too_old() {
    let fixture = Fixture::new().await;
    for message in ["m1", "m2", "m3"] {
        fixture.alert(message).await;
    }
    let messages = |last: LastAlerts| -> Vec<String> {
        last.alerts.into_iter().map(|alert| alert.message.to_string()).collect()
    };
    assert_eq!(messages(fixture.last(2).await), ["m3", "m2"]);
    let later = Timestamp::now() + 1.hour();
    assert_eq!(messages(fixture.store.last_alerts(2, later).await.unwrap()), [""; 0]);
}

#[tokio::test]
async fn an_event_outlives_the_alert_it_was_about() {
    let fixture = Fixture::new().await;
    let alert = fixture.alert("m1").await;
    fixture.sent(Some("e1")).await;
    fixture.happened("n1", EventOutcome { alert: Some(alert.id), ..outcome("event_id") }).await;
    sqlx::query("UPDATE event SET settled_at = settled_at + 3600000")
        .execute(&fixture.store.writer)
        .await
        .unwrap();
    let soon = Timestamp::now() + 1.minute();
    assert_eq!(fixture.store.purge(soon, soon).await.unwrap(), 2, "the alert and its call");
    assert_eq!((fixture.count("alert").await, fixture.count("event").await), (0, 1));
}

#[tokio::test]
async fn the_alerts_that_were_sent_after_the_last_event_are_counted() {
    let fixture = Fixture::new().await;
    let callbacks = async || fixture.store.callbacks().await.unwrap();
    let alerts = [fixture.alert("m1").await, fixture.alert("m2").await];
    assert_eq!(callbacks().await, Callbacks::default());
    fixture.sent(Some("e1")).await;
    fixture.sent(None).await;
    let Callbacks { last_event, sent, first_sent } = callbacks().await;
    assert!(last_event.is_none() && sent == 2 && first_sent.is_some());
    fixture.happened_to("n1", &alerts[0], "acknowledged").await;
    assert_eq!(callbacks().await.sent, 0);
    let ago = "UPDATE event SET received_at = received_at - 90000";
    sqlx::query(ago).execute(&fixture.store.writer).await.unwrap();
    let Callbacks { last_event, sent, first_sent } = callbacks().await;
    assert!(sent == 2 && first_sent > last_event);
    fixture.happened_to("n2", &alerts[1], "acknowledged").await;
    assert_eq!(callbacks().await.sent, 0);
}

#[tokio::test]
async fn the_last_alert_is_the_one_that_was_settled_last_and_not_the_one_that_was_queued_last() {
    let given_up = || Settlement::Failed { reason: "HTTP 404".into(), may_have_arrived: false };
    for (overtaken, newer, failed) in
        [(given_up(), delivered(Some("e2")), Some("HTTP 404")), (delivered(Some("e1")), given_up(), None)]
    {
        let fixture = Fixture::new().await;
        fixture.alert("m1").await;
        let first = fixture.claimed(&alerts_queue()).await;
        fixture.alert("m2").await;
        let second = fixture.claimed(&alerts_queue()).await;
        fixture.settle(&second, newer).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        fixture.settle(&first, overtaken).await;
        let last = fixture.store.last_alert_of(&alerts_queue()).await.unwrap().unwrap();
        assert_eq!(last.failed.as_deref(), failed);
    }
}

#[tokio::test]
async fn the_last_alert_is_unconfirmed_until_its_event_id_is_known() {
    let fixture = Fixture::new().await;
    let unconfirmed =
        async || fixture.store.last_alert_of(&alerts_queue()).await.unwrap().map(|last| last.unconfirmed);
    let alert = fixture.alert("m1").await;
    assert_eq!(unconfirmed().await, None);
    fixture.sent(None).await;
    assert_eq!(unconfirmed().await, Some(true));
    fixture.happened_to("n1", &alert, "acknowledged").await;
    assert_eq!(unconfirmed().await, Some(false));
    fixture.alert("m2").await;
    fixture.sent(Some("e2")).await;
    assert_eq!(unconfirmed().await, Some(false));
}
