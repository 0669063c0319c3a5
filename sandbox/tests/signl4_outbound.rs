//! The notifications of the simulated SIGNL4, as their receiver sees them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test panics")]

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use sandbox::signl4::{
    ActionError, AlertStatus, DutyChange, Options, OutboundFault, OutboundPolicy, Outcome, Reshape, Signl4,
    Times, WebhookFault,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const SOON: Duration = Duration::from_secs(10);

/// A receiver that answers with `status` and hands on each body.
struct Receiver {
    address: SocketAddr,
    bodies: mpsc::UnboundedReceiver<Value>,
}

impl Receiver {
    async fn start(address: &str, status: StatusCode) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, bodies) = mpsc::unbounded_channel();
        let take = move |State(sender): State<mpsc::UnboundedSender<Value>>, body: Bytes| async move {
            sender.send(serde_json::from_slice(&body).unwrap()).unwrap();
            status
        };
        let app = Router::new().route("/signl4/secret", post(take)).with_state(sender);
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, bodies }
    }

    fn url(&self) -> String {
        format!("http://{}/signl4/secret", self.address)
    }

    async fn next(&mut self) -> Value {
        tokio::time::timeout(SOON, self.bodies.recv()).await.expect("a notification in time").unwrap()
    }
}

fn quick(attempts: u32) -> OutboundPolicy {
    let pause = Duration::from_millis(10);
    OutboundPolicy { timeout: SOON, attempts, first_pause: pause, longest_pause: pause }
}

async fn started(url: &str) -> Signl4 {
    let options = Options { outbound_url: Some(url.into()), outbound: quick(3), ..Options::default() };
    Signl4::start(options).await.unwrap()
}

async fn page(signl4: &Signl4, title: &str) -> Value {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().timeout(SOON).build().unwrap();
    let body = json!({"title": title, "X-S4-ExternalID": "ROOM"});
    let answer = client.post(signl4.webhook_url("operations")).json(&body).send().await.unwrap();
    answer.json().await.unwrap()
}

/// A simulator and its receiver, with one alert whose raising has been received.
async fn with_an_alert() -> (Signl4, Receiver, String) {
    let mut receiver = Receiver::start("127.0.0.1:0", StatusCode::OK).await;
    let signl4 = started(&receiver.url()).await;
    page(&signl4, "pump 3 is down").await;
    assert_eq!(receiver.next().await["eventType"], 200);
    let id = signl4.alerts()[0].id.clone();
    (signl4, receiver, id)
}

#[tokio::test]
async fn raising_and_each_step_are_notified_in_the_documented_shapes() {
    let mut receiver = Receiver::start("127.0.0.1:0", StatusCode::OK).await;
    let signl4 = started(&receiver.url()).await;
    let answer = page(&signl4, "pump 3 is down").await;
    let alert = signl4.alerts().remove(0);
    let rene = signl4.people()[0].clone();
    let user = json!({"username": "Rene", "mailaddress": "rene@example.com", "id": rene.id});

    let raised = receiver.next().await;
    assert_eq!(raised["eventType"], 200);
    assert_eq!(
        raised["alert"],
        json!({"statusCode": 1, "eventId": answer["eventId"], "externalEventId": "ROOM", "id": alert.id})
    );
    assert_eq!(raised["eventRaisedUtc"].as_str().unwrap().len(), "2017-09-01T08:11:37.4815663Z".len());

    signl4.acknowledge(&alert.id, "Rene").unwrap();
    let acknowledged = receiver.next().await;
    assert_eq!(acknowledged["eventType"], 201);
    assert_eq!(acknowledged["alert"]["statusCode"], 2);
    assert_eq!(acknowledged["alert"]["acknowledgedUserIds"], json!([rene.id]));
    assert_eq!(acknowledged["user"], user);
    assert!(acknowledged.get("annotation").is_none());

    signl4.annotate(&alert.id, "rene", "OK, I'll take care about it.").unwrap();
    let annotated = receiver.next().await;
    assert_eq!((&annotated["eventType"], &annotated["alert"]["statusCode"]), (&json!(203), &json!(0)));
    assert_eq!(annotated["annotation"]["message"], "OK, I'll take care about it.");

    signl4.close(&alert.id, "Rene").unwrap();
    let closed = receiver.next().await;
    assert_eq!((&closed["eventType"], &closed["alert"]["statusCode"]), (&json!(201), &json!(4)));
    assert_ne!(closed["id"], acknowledged["id"]);
    assert_eq!(signl4.alert(&alert.id).unwrap().status, AlertStatus::Closed);
}

#[tokio::test]
async fn escalation_nobody_on_duty_and_failure_have_no_user() {
    let (signl4, mut receiver, id) = with_an_alert().await;
    signl4.nobody_on_duty(&id).unwrap();
    let nobody = receiver.next().await;
    assert_eq!((&nobody["eventType"], &nobody["alert"]["statusCode"]), (&json!(201), &json!(8)));
    signl4.escalate(&id).unwrap();
    let escalated = receiver.next().await;
    assert_eq!((&escalated["eventType"], &escalated["alert"]["statusCode"]), (&json!(202), &json!(1)));
    assert_eq!(escalated["team"]["id"], signl4.teams()[0].id.as_str());
    signl4.fail(&id).unwrap();
    let failed = receiver.next().await;
    assert_eq!(failed["alert"]["statusCode"], 16);
    assert!([nobody, escalated, failed].iter().all(|body| body.get("user").is_none()));
}

#[tokio::test]
async fn a_note_typed_with_the_acknowledgement_is_part_of_the_201() {
    let (signl4, mut receiver, id) = with_an_alert().await;
    signl4.acknowledge_with_note(&id, "Mia", "on my way").unwrap();
    let event = receiver.next().await;
    assert_eq!((&event["eventType"], &event["alert"]["statusCode"]), (&json!(201), &json!(2)));
    assert_eq!(event["annotation"]["message"], "on my way");
    assert_eq!(event["user"]["username"], "Mia");
}

#[tokio::test]
async fn test_duty_and_raw_events_carry_no_alert() {
    let mut receiver = Receiver::start("127.0.0.1:0", StatusCode::OK).await;
    let signl4 = started(&receiver.url()).await;
    signl4.send_test_event();
    signl4.send_duty_event(DutyChange::PunchedIn, "Jonas").unwrap();
    signl4.send_raw(json!(["anything"]));
    let test = receiver.next().await;
    assert_eq!(test["eventType"], 1);
    let duty = receiver.next().await;
    assert_eq!((&duty["eventType"], &duty["user"]["username"]), (&json!(302), &json!("Jonas")));
    assert!(test.get("alert").is_none() && duty.get("alert").is_none());
    assert_eq!(receiver.next().await, json!(["anything"]));
}

#[tokio::test]
async fn a_handed_over_phone_is_notified_as_punched_out_and_punched_in() {
    let mut receiver = Receiver::start("127.0.0.1:0", StatusCode::OK).await;
    let signl4 = started(&receiver.url()).await;
    signl4.hand_over_duty("Rene").unwrap();
    signl4.hand_over_duty("mia").unwrap();
    assert_eq!(signl4.on_duty().unwrap().name, "Mia");
    let (out, into) = (receiver.next().await, receiver.next().await);
    assert_eq!((&out["eventType"], &out["user"]["username"]), (&json!(303), &json!("Rene")));
    assert_eq!((&into["eventType"], &into["user"]["username"]), (&json!(302), &json!("Mia")));
    assert_eq!(signl4.notifications().len(), 2);
    assert_eq!(signl4.hand_over_duty("Nobody"), Err(ActionError::NoSuchUser));
}

#[tokio::test]
async fn a_step_that_the_state_forbids_changes_and_notifies_nothing() {
    let (signl4, _receiver, id) = with_an_alert().await;
    signl4.close(&id, "Rene").unwrap();
    let before = signl4.notifications().len();
    let conflict = Err(ActionError::Conflict { status: AlertStatus::Closed });
    assert_eq!(signl4.close(&id, "Rene"), conflict);
    assert_eq!(signl4.acknowledge(&id, "Rene"), conflict);
    assert_eq!(signl4.escalate(&id), conflict);
    assert_eq!(signl4.acknowledge("none", "Rene"), Err(ActionError::NoSuchAlert));
    assert_eq!(signl4.acknowledge(&id, "Nobody"), Err(ActionError::NoSuchUser));
    assert_eq!(signl4.notifications().len(), before);
}

#[tokio::test]
async fn a_receiver_that_is_away_gets_the_notification_when_it_is_back() {
    let address = Receiver::start("127.0.0.1:0", StatusCode::OK).await.url();
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let options = Options {
        outbound_url: Some(address.replace(address.split('/').nth(2).unwrap(), &free.to_string())),
        outbound: OutboundPolicy { attempts: 500, ..quick(0) },
        ..Options::default()
    };
    let signl4 = Signl4::start(options).await.unwrap();
    page(&signl4, "while away").await;
    signl4.wait_until(SOON, |_, sent| sent[0].attempts >= 2).await.unwrap();
    let mut receiver = Receiver::start(&free.to_string(), StatusCode::OK).await;
    assert_eq!(receiver.next().await["eventType"], 200);
    let sent = signl4.wait_for_delivery(SOON).await.unwrap();
    assert_eq!(sent[0].outcome, Outcome::Delivered(200));
}

#[tokio::test]
async fn attempts_are_bounded_and_a_refusal_is_final() {
    let failing = Receiver::start("127.0.0.1:0", StatusCode::SERVICE_UNAVAILABLE).await;
    let refusing = Receiver::start("127.0.0.1:0", StatusCode::NOT_FOUND).await;
    let signl4 = started(&failing.url()).await;
    signl4.send_test_event();
    signl4.wait_for_delivery(SOON).await.unwrap();
    signl4.set_outbound_url(&refusing.url());
    signl4.send_test_event();
    let sent = signl4.wait_for_delivery(SOON).await.unwrap();
    assert_eq!(
        (sent[0].attempts, &sent[0].outcome),
        (3, &Outcome::GivenUp("503 Service Unavailable".into()))
    );
    assert_eq!((sent[1].attempts, &sent[1].outcome), (1, &Outcome::Refused(404)));
}

#[tokio::test]
async fn without_a_receiver_nothing_is_sent() {
    let signl4 = Signl4::start(Options::default()).await.unwrap();
    page(&signl4, "x").await;
    assert_eq!(signl4.wait_for_delivery(SOON).await.unwrap()[0].outcome, Outcome::NoReceiver);
}

#[tokio::test]
async fn notifications_can_be_doubled_swapped_delayed_and_dropped() {
    let (signl4, mut receiver, id) = with_an_alert().await;
    let faults = signl4.faults();
    faults.outbound(OutboundFault::Duplicate, Times::Next(1));
    faults.outbound(OutboundFault::AfterNext, Times::Next(1));
    signl4.acknowledge(&id, "Rene").unwrap();
    signl4.annotate(&id, "Rene", "first").unwrap();
    signl4.annotate(&id, "Rene", "second").unwrap();
    let (one, two) = (receiver.next().await, receiver.next().await);
    assert_eq!(one, two);
    assert_eq!(receiver.next().await["annotation"]["message"], "second");
    assert_eq!(receiver.next().await["annotation"]["message"], "first");

    faults.outbound(OutboundFault::Drop, Times::Next(1));
    faults.outbound(OutboundFault::Delay(Duration::from_millis(100)), Times::Next(1));
    for text in ["dropped", "delayed", "prompt"] {
        signl4.annotate(&id, "Rene", text).unwrap();
    }
    assert_eq!(receiver.next().await["annotation"]["message"], "prompt");
    assert_eq!(receiver.next().await["annotation"]["message"], "delayed");
    let sent = signl4.wait_for_delivery(SOON).await.unwrap();
    assert_eq!(sent.iter().filter(|n| n.outcome == Outcome::Dropped).count(), 1);
}

#[tokio::test]
async fn held_notifications_are_sent_when_the_faults_are_cleared() {
    let (signl4, mut receiver, id) = with_an_alert().await;
    signl4.faults().outbound(OutboundFault::AfterNext, Times::Always);
    signl4.annotate(&id, "Rene", "held").unwrap();
    signl4.faults().clear();
    assert_eq!(receiver.next().await["annotation"]["message"], "held");
}

#[tokio::test]
async fn fields_can_be_null_missing_or_too_many() {
    let (signl4, mut receiver, id) = with_an_alert().await;
    let reshaped = [
        Reshape::NullUser,
        Reshape::NoUser,
        Reshape::NoId,
        Reshape::NoEventId,
        Reshape::NoExternalId,
        Reshape::ExtraFields,
    ];
    for reshape in reshaped {
        signl4.faults().outbound(OutboundFault::Reshape(reshape), Times::Next(1));
        signl4.annotate(&id, "Rene", "note").unwrap();
    }
    assert_eq!(receiver.next().await.get("user"), Some(&Value::Null));
    assert_eq!(receiver.next().await.get("user"), None);
    assert_eq!(receiver.next().await.get("id"), None);
    assert_eq!(receiver.next().await["alert"].get("eventId"), None);
    assert_eq!(receiver.next().await["alert"].get("externalEventId"), None);
    let extra = receiver.next().await;
    assert!(extra["user"]["displayname"].is_string() && extra["alert"]["title"].is_string());
}

#[tokio::test]
async fn an_event_can_arrive_before_the_webhook_call_is_answered() {
    let mut receiver = Receiver::start("127.0.0.1:0", StatusCode::OK).await;
    let signl4 = started(&receiver.url()).await;
    signl4.faults().webhook(WebhookFault::EventBeforeAnswer, Times::Next(1));
    let answer = page(&signl4, "x").await;
    let event = receiver.bodies.try_recv().expect("the event was there before the answer");
    assert_eq!(event["alert"]["eventId"], answer["eventId"]);
}
