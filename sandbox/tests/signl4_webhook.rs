//! The inbound webhook of the simulated SIGNL4, called like the real one.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test panics")]

use std::time::Duration;

use reqwest::{Client, Response, StatusCode};
use sandbox::signl4::{AlertStatus, HistoryKind, Options, Plan, Signl4, Team, Times, WebhookFault};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(10);

async fn started() -> Signl4 {
    Signl4::start(Options::default()).await.unwrap()
}

async fn with_plan(plan: Plan) -> Signl4 {
    Signl4::start(Options { plan, ..Options::default() }).await.unwrap()
}

fn client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().timeout(SOON).build().unwrap()
}

async fn post(url: &str, body: &Value) -> Response {
    client().post(url).json(body).send().await.unwrap()
}

async fn page(signl4: &Signl4, body: Value) -> Response {
    post(&signl4.webhook_url("operations"), &body).await
}

fn seconds_until_reset(response: &Response) -> i64 {
    let header = response.headers()["x-ratelimit-reset"].to_str().unwrap();
    header.parse::<i64>().unwrap() - jiff::Timestamp::now().as_second()
}

#[tokio::test]
async fn a_call_raises_an_alert_and_answers_its_event_id() {
    let signl4 = started().await;
    let body = json!({
        "title": "Alert from Rocket.Chat", "message": "pump 3 is down", "channel": "general",
        "X-S4-ExternalID": "GENERAL", "X-S4-SourceSystem": "RocketChat", "X-S4-Service": "Pumps",
        "X-S4-Location": "52.1,13.2", "X-S4-AlertingScenario": "single_ack", "X-S4-Status": "new",
    });
    let answer = page(&signl4, body.clone()).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    let answer: Value = answer.json().await.unwrap();

    let alerts = signl4.wait_for_alerts(1, SOON).await.unwrap();
    let alert = &alerts[0];
    assert_eq!(answer, json!({"eventId": alert.event_id}));
    assert_eq!((alert.title.as_str(), alert.text.as_str()), ("Alert from Rocket.Chat", "pump 3 is down"));
    assert_eq!(alert.external_id.as_deref(), Some("GENERAL"));
    assert_eq!(alert.source_system.as_deref(), Some("RocketChat"));
    assert_eq!(alert.service.as_deref(), Some("Pumps"));
    assert_eq!(alert.location.as_deref(), Some("52.1,13.2"));
    assert_eq!(alert.alerting_scenario.as_deref(), Some("single_ack"));
    assert_eq!(alert.parameters.iter().collect::<Vec<_>>(), [(&"channel".to_owned(), &"general".to_owned())]);
    assert_eq!(alert.status, AlertStatus::New);
    assert_eq!(alert.received.body, body);
    assert_eq!(alert.received.headers["content-type"], "application/json");
    assert_ne!(alert.id, alert.event_id);
}

#[tokio::test]
async fn a_multipart_call_raises_an_alert_with_its_file() {
    let signl4 = started().await;
    let body = concat!(
        "--b\r\nContent-Disposition: form-data; name=\"Title\"\r\n\r\nLeak\r\n",
        "--b\r\nContent-Disposition: form-data; name=\"X-S4-ExternalID\"\r\n\r\nR1\r\n",
        "--b\r\nContent-Disposition: form-data; name=\"File\"; filename=\"a.txt\"\r\n",
        "Content-Type: text/plain\r\n\r\nwater\r\n--b--\r\n",
    );
    let url = signl4.webhook_url("operations");
    let call = client().post(url).header("content-type", "multipart/form-data; boundary=b").body(body);
    assert_eq!(call.send().await.unwrap().status(), StatusCode::CREATED);
    let alert = signl4.alerts().remove(0);
    assert_eq!((alert.title.as_str(), alert.external_id.as_deref()), ("Leak", Some("R1")));
    assert_eq!((alert.attachments[0].file_name.as_str(), alert.attachments[0].length), ("a.txt", 5));
}

#[tokio::test]
async fn an_invalid_event_is_refused_and_raises_nothing() {
    let signl4 = started().await;
    let url = signl4.webhook_url("operations");
    for body in ["", "{", "[]", "\"text\"", "{}"] {
        let answer =
            client().post(&url).header("content-type", "application/json").body(body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{body:?}");
        assert!(answer.json::<Value>().await.unwrap()["requestId"].is_string());
    }
    assert_eq!(page_at(&signl4, "wrong-secret").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(client().get(&url).send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(signl4.alerts().is_empty());
}

async fn page_at(signl4: &Signl4, secret: &str) -> Response {
    post(&format!("{}/webhook/{secret}", signl4.url()), &json!({"title": "x"})).await
}

#[tokio::test]
async fn each_team_has_its_own_secret() {
    let teams = vec![Team::new("operations"), Team::new("network")];
    let signl4 = Signl4::start(Options { teams, ..Options::default() }).await.unwrap();
    post(&signl4.webhook_url("network"), &json!({"title": "a"})).await;
    post(&signl4.webhook_url("operations"), &json!({"title": "b"})).await;
    let teams: Vec<_> = signl4.alerts().into_iter().map(|alert| alert.team).collect();
    assert_eq!(teams, ["network", "operations"]);
}

#[tokio::test]
async fn the_same_external_id_raises_another_alert_and_resolved_closes_them_all() {
    let signl4 = started().await;
    for (text, id) in [("one", "R1"), ("two", "R1"), ("other room", "R2")] {
        page(&signl4, json!({"text": text, "X-S4-ExternalID": id, "X-S4-Status": "new"})).await;
    }
    let answer = page(&signl4, json!({"x-s4-externalid": "R1", "x-s4-status": "resolved"})).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    let statuses: Vec<_> = signl4.alerts().iter().map(|alert| alert.status).collect();
    assert_eq!(statuses, [AlertStatus::Closed, AlertStatus::Closed, AlertStatus::New]);
    let kinds: Vec<_> = signl4.alerts()[0].history.iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [HistoryKind::Raised, HistoryKind::Closed]);
}

#[tokio::test]
async fn acknowledged_acts_on_one_alert_with_that_external_id() {
    let signl4 = started().await;
    for text in ["one", "two"] {
        page(&signl4, json!({"text": text, "X-S4-ExternalID": "R1"})).await;
    }
    page(&signl4, json!({"X-S4-ExternalID": "R1", "X-S4-Status": "acknowledged"})).await;
    let acknowledged =
        signl4.alerts().iter().filter(|alert| alert.status == AlertStatus::Acknowledged).count();
    assert_eq!(acknowledged, 1);
}

#[tokio::test]
async fn the_eleventh_call_in_15_seconds_on_the_free_plan_gets_429_with_a_reset() {
    let signl4 = with_plan(Plan::Free).await;
    for nth in 1..=10 {
        let answer = page(&signl4, json!({"title": "x"})).await;
        assert_eq!(answer.status(), StatusCode::CREATED);
        assert_eq!(answer.headers()["x-ratelimit-remaining"], (10 - nth).to_string().as_str());
    }
    let answer = page(&signl4, json!({"title": "x"})).await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.headers()["x-ratelimit-limit"], "10");
    assert!((14..=16).contains(&seconds_until_reset(&answer)), "{answer:?}");
    assert_eq!(signl4.alerts().len(), 10);
}

#[tokio::test]
async fn wrong_secrets_are_throttled_after_ten_and_right_ones_are_not() {
    let signl4 = with_plan(Plan::Commercial).await;
    for _ in 0..10 {
        assert_eq!(page_at(&signl4, "wrong").await.status(), StatusCode::NOT_FOUND);
    }
    assert_eq!(page_at(&signl4, "wrong").await.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(page(&signl4, json!({"title": "x"})).await.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn a_refused_port_listens_again_with_its_state() {
    let signl4 = started().await;
    page(&signl4, json!({"title": "before"})).await;
    let url = signl4.webhook_url("operations");
    signl4.refuse().await;
    assert!(client().post(&url).json(&json!({"title": "during"})).send().await.unwrap_err().is_connect());
    signl4.listen_again().await.unwrap();
    assert_eq!(post(&url, &json!({"title": "after"})).await.status(), StatusCode::CREATED);
    let titles: Vec<_> = signl4.alerts().into_iter().map(|alert| alert.title).collect();
    assert_eq!(titles, ["before", "after"]);
}

#[tokio::test]
async fn it_ends_when_its_last_handle_is_dropped() {
    let signl4 = started().await;
    let url = signl4.webhook_url("operations");
    drop(signl4);
    let gone = async {
        while client().post(&url).json(&json!({"title": "x"})).send().await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, gone).await.unwrap();
}

#[tokio::test]
async fn faults_that_answer_a_status_raise_nothing_and_pass() {
    let signl4 = started().await;
    signl4.faults().webhook(WebhookFault::Status(503), Times::Next(2));
    signl4.faults().webhook(WebhookFault::Throttled(Duration::from_secs(90)), Times::Next(1));
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let answer = page(&signl4, json!({"title": "x"})).await;
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            assert!((89..=91).contains(&seconds_until_reset(&answer)));
        }
        statuses.push(answer.status().as_u16());
    }
    assert_eq!(statuses, [503, 503, 429, 201]);
    assert_eq!(signl4.alerts().len(), 1);
}

#[tokio::test]
async fn a_lost_answer_raises_the_alert_and_cuts_the_connection() {
    let signl4 = started().await;
    signl4.faults().webhook(WebhookFault::LoseAnswer, Times::Next(1));
    let call = client().post(signl4.webhook_url("operations")).json(&json!({"title": "x"}));
    let error = call.send().await.unwrap_err();
    assert!(error.is_request() && !error.is_timeout(), "{error:?}");
    assert_eq!(signl4.alerts().len(), 1);
}

#[tokio::test]
async fn a_call_that_is_never_answered_raises_nothing() {
    let signl4 = started().await;
    signl4.faults().webhook(WebhookFault::NeverAnswer, Times::Always);
    let call = client().post(signl4.webhook_url("operations")).json(&json!({"title": "x"}));
    let error = call.timeout(Duration::from_millis(300)).send().await.unwrap_err();
    assert!(error.is_timeout());
    assert!(signl4.alerts().is_empty());
    signl4.faults().clear();
    assert_eq!(page(&signl4, json!({"title": "x"})).await.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn an_unreadable_answer_still_raises_the_alert() {
    let signl4 = started().await;
    signl4.faults().webhook(WebhookFault::Body("<html>".into()), Times::Next(1));
    signl4.faults().webhook(WebhookFault::Body(String::new()), Times::Next(1));
    for expected in ["<html>", ""] {
        let answer = page(&signl4, json!({"title": "x"})).await;
        assert_eq!(answer.status(), StatusCode::CREATED);
        assert_eq!(answer.text().await.unwrap(), expected);
    }
    assert_eq!(signl4.alerts().len(), 2);
}

#[tokio::test]
async fn a_slow_call_raises_the_alert_long_before_it_answers() {
    let signl4 = started().await;
    signl4.faults().webhook(WebhookFault::Slow(Duration::from_secs(60)), Times::Next(1));
    let other = signl4.clone();
    let call = tokio::spawn(async move { page(&other, json!({"title": "x"})).await });
    signl4.wait_for_alerts(1, SOON).await.unwrap();
    assert!(!call.is_finished());
    call.abort();
}
