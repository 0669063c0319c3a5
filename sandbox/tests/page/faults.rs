//! The switches for simulated failures.

use reqwest::StatusCode;
use serde_json::json;

use super::browser::{Browser, SOON};

/// Asks until the answer is yes.
async fn within(ask: impl AsyncFn() -> bool) {
    let asking = async {
        while !ask().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, asking).await.expect("it came true in time");
}

#[tokio::test]
async fn signl4_can_fail_and_recover() {
    let browser = Browser::start().await;
    browser.switch("signl4_down", true).await;
    let call =
        || browser.http.post(browser.servers.webhook_url()).timeout(SOON).json(&json!({"title": "x"})).send();
    assert!(call().await.unwrap_err().is_connect());
    browser.switch("signl4_down", false).await;
    assert_eq!(call().await.unwrap().status(), StatusCode::CREATED);
}

#[tokio::test]
async fn signl4_can_throttle_and_stop_throttling() {
    let browser = Browser::start().await;
    browser.switch("signl4_throttles", true).await;
    let call =
        || browser.http.post(browser.servers.webhook_url()).timeout(SOON).json(&json!({"title": "x"})).send();
    assert_eq!(call().await.unwrap().status(), StatusCode::TOO_MANY_REQUESTS);
    browser.switch("signl4_throttles", false).await;
    assert_eq!(call().await.unwrap().status(), StatusCode::CREATED);
}

#[tokio::test]
async fn rocket_chat_can_be_cut_off_while_people_keep_writing() {
    let browser = Browser::start().await;
    let refused = async || {
        let call = browser.http.get(format!("{}/api/info", browser.servers.chat_url())).timeout(SOON);
        call.send().await.is_err_and(|error| error.is_connect())
    };
    browser.switch("chat_down", true).await;
    within(async || refused().await).await;
    browser.write("alice", "does anybody hear me?").await;
    browser.switch("chat_down", false).await;
    within(async || !refused().await).await;
}
