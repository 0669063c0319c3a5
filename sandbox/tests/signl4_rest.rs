//! The REST API of the simulated SIGNL4.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test panics")]

use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use sandbox::signl4::{AlertStatus, Options, Plan, Signl4};
use serde_json::{Value, json};

struct Api {
    signl4: Signl4,
    http: Client,
}

impl Api {
    async fn start(options: Options) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap();
        Self { signl4: Signl4::start(options).await.unwrap(), http }
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let url = format!("{}{path}", self.signl4.api_url());
        let mut call = self.http.request(method, url).header("X-S4-Api-Key", self.signl4.api_key());
        if !body.is_null() {
            call = call.json(&body);
        }
        let answer = call.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        (status, if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() })
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.call(Method::GET, path, Value::Null).await
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.call(Method::POST, path, body).await
    }

    async fn raise(&self, external_id: &str) -> String {
        let team = &self.signl4.teams()[0].id;
        let (status, answer) = self
            .post(&format!("/v2/events/{team}"), json!({"title": "x", "X-S4-ExternalID": external_id}))
            .await;
        assert_eq!(status, StatusCode::CREATED);
        answer["eventId"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn an_event_leads_to_its_alert_through_its_whole_life() {
    let api = Api::start(Options::default()).await;
    let event_id = api.raise("ROOM").await;
    let (_, overview) = api.get(&format!("/v2/events/{event_id}/overview")).await;
    let path = format!("/v2/alerts/{}", overview["alertId"].as_str().unwrap());
    let rene = &api.signl4.people()[0].id;

    let (_, alert) = api.get(&path).await;
    assert_eq!((&alert["status"], &alert["externalId"]), (&json!(1), &json!("ROOM")));
    let (_, alert) = api.post(&format!("{path}/acknowledge"), json!({"userId": rene})).await;
    assert_eq!(alert["status"], 2);
    let note = json!({"text": "a note", "type": 1, "userId": rene});
    assert_eq!(api.post(&format!("{path}/annotate"), note).await.0, StatusCode::OK);
    let (_, alert) = api.post(&format!("{path}/close"), Value::Null).await;
    assert_eq!(alert["status"], 4);

    let history = &api.signl4.alerts()[0].history;
    assert_eq!(history[1].user.as_deref(), Some("Rene"));
    assert_eq!(history[2].text.as_deref(), Some("a note"));
}

#[tokio::test]
async fn a_forbidden_step_is_409_and_an_unknown_alert_404_in_the_documented_shape() {
    let api = Api::start(Options::default()).await;
    api.raise("ROOM").await;
    let id = api.signl4.alerts()[0].id.clone();
    api.signl4.close(&id, "Rene").unwrap();
    let (status, error) = api.post(&format!("/v2/alerts/{id}/close"), json!({})).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let mut keys: Vec<_> = error.as_object().unwrap().keys().cloned().collect();
    keys.sort();
    assert_eq!(keys, ["code", "details", "errors", "message", "requestId"]);
    assert_eq!(api.post("/v2/alerts/none/acknowledge", json!({})).await.0, StatusCode::NOT_FOUND);
    assert_eq!(api.get("/v2/events/none/overview").await.0, StatusCode::NOT_FOUND);
    assert_eq!(api.signl4.alerts()[0].status, AlertStatus::Closed);
}

#[tokio::test]
async fn a_missing_or_wrong_key_is_401() {
    let api = Api::start(Options::default()).await;
    let url = format!("{}/v2/teams", api.signl4.api_url());
    assert_eq!(api.http.get(&url).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let wrong = api.http.get(&url).header("X-S4-Api-Key", "wrong").send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn alerts_are_listed_by_page_and_by_filter() {
    let api = Api::start(Options::default()).await;
    assert_eq!(api.post("/v2/alerts/paged", json!({})).await.0, StatusCode::NO_CONTENT);
    for room in ["A", "B", "A"] {
        api.raise(room).await;
    }
    let newest = api.signl4.alerts()[2].id.clone();
    api.signl4.close(&newest, "Rene").unwrap();

    let (_, page) = api.post("/v2/alerts/paged", json!({"maxResults": 2})).await;
    assert_eq!((page["results"].as_array().unwrap().len(), &page["hasMore"]), (2, &json!(true)));
    let rest = json!({"maxResults": 2, "continuationToken": page["continuationToken"]});
    let (_, page) = api.post("/v2/alerts/paged", rest).await;
    assert_eq!((page["results"][0]["id"].as_str(), &page["hasMore"]), (Some(newest.as_str()), &json!(false)));

    let (_, page) =
        api.post("/v2/alerts/paged", json!({"externalId": "A", "alertStatusCodes": [1, 2]})).await;
    assert_eq!(page["results"].as_array().unwrap().len(), 1);
    assert_eq!(api.post("/v2/alerts/paged", json!({"maxResults": 101})).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn users_show_who_is_on_duty() {
    let api = Api::start(Options::default()).await;
    let (_, users) = api.get("/v2/users").await;
    let modes: Vec<_> =
        users.as_array().unwrap().iter().map(|user| &user["dutyInfos"][0]["dutyMode"]).collect();
    assert_eq!(modes, [&json!(1), &json!(0), &json!(0)]);
    api.signl4.hand_over_duty("Mia").unwrap();
    let (_, users) = api.get("/v2/users").await;
    let modes: Vec<_> =
        users.as_array().unwrap().iter().map(|user| &user["dutyInfos"][0]["dutyMode"]).collect();
    assert_eq!(modes, [&json!(0), &json!(1), &json!(0)]);
    let (_, teams) = api.get("/v2/teams").await;
    assert_eq!(teams[0]["name"], "operations");
}

#[tokio::test]
async fn the_free_plan_allows_ten_calls() {
    let api = Api::start(Options { plan: Plan::Free, ..Options::default() }).await;
    for _ in 0..10 {
        assert_eq!(api.get("/v2/teams").await.0, StatusCode::OK);
    }
    assert_eq!(api.get("/v2/teams").await.0, StatusCode::TOO_MANY_REQUESTS);
}
