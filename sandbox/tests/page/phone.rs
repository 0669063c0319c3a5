//! The actions on the phone.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::browser::Browser;

#[tokio::test]
async fn the_phone_shows_an_alert_with_its_room_and_takes_each_step_for_the_one_on_duty() {
    let browser = Browser::start().await;
    let mut states = browser.stream().await;
    let path = format!("api/alerts/{}", browser.page_somebody("pump 3 is down").await);
    assert_eq!(browser.put("api/duty", json!({"user": "Mia"})).await.0, StatusCode::NO_CONTENT);
    for step in [
        json!({"step": "nobody_on_duty"}),
        json!({"step": "escalate"}),
        json!({"step": "acknowledge"}),
        json!({"step": "annotate", "text": " on my way "}),
        json!({"step": "close"}),
    ] {
        assert_eq!(browser.post(&path, step.clone()).await.0, StatusCode::NO_CONTENT, "{step}");
    }
    let state = states.find(|state| (state["alerts"][0]["status"] == "closed").then(|| state.clone())).await;
    let alert = &state["alerts"][0];
    assert_eq!(state["on_duty"], "Mia");
    assert_eq!((&alert["external_id"], &alert["room"]), (&json!("GENERAL"), &json!("#general")));
    let history: Vec<_> = alert["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["kind"].clone(), it["user"].clone()))
        .collect();
    let expected = [
        (json!("raised"), Value::Null),
        (json!("nobody_on_duty"), Value::Null),
        (json!("escalated"), Value::Null),
        (json!("acknowledged"), json!("Mia")),
        (json!("annotated"), json!("Mia")),
        (json!("closed"), json!("Mia")),
    ];
    assert_eq!(history, expected);
    assert_eq!(alert["history"][4]["text"], "on my way");
}

#[tokio::test]
async fn a_step_that_makes_no_sense_is_refused_with_a_reason() {
    let browser = Browser::start().await;
    let path = format!("api/alerts/{}", browser.page_somebody("pump 3 is down").await);
    let empty = browser.post(&path, json!({"step": "annotate", "text": "  "})).await;
    let unknown = browser.post("api/alerts/none", json!({"step": "close"})).await;
    let nobody = browser.put("api/duty", json!({"user": "Nobody"})).await;
    browser.post(&path, json!({"step": "close"})).await;
    let again = browser.post(&path, json!({"step": "close"})).await;
    let expected = [
        (empty, StatusCode::UNPROCESSABLE_ENTITY),
        (unknown, StatusCode::NOT_FOUND),
        (nobody, StatusCode::UNPROCESSABLE_ENTITY),
        (again, StatusCode::CONFLICT),
    ];
    for ((status, answer), expected) in expected {
        assert_eq!(status, expected, "{answer}");
        assert!(!answer["error"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn alerts_come_newest_first() {
    let browser = Browser::start().await;
    for text in ["one", "two"] {
        browser.page_somebody(text).await;
    }
    let texts = browser
        .state_with(|state| {
            let alerts = state["alerts"].as_array()?;
            (alerts.len() == 2).then(|| alerts.iter().map(|alert| alert["text"].clone()).collect::<Vec<_>>())
        })
        .await;
    assert_eq!(texts, ["two", "one"]);
}
