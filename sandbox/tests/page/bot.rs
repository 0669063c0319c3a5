//! What the page shows about the bot.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::get;
use sandbox::page::PageOptions;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::browser::Browser;

/// A bot whose private listener answers as the test says, and the page that asks it.
async fn with_bot(readyz: &str, metrics: &str) -> (Browser, impl Fn(&str, &str)) {
    let reported = Arc::new(Mutex::new((readyz.to_owned(), metrics.to_owned())));
    let (ready, scraped) = (Arc::clone(&reported), Arc::clone(&reported));
    let routes = Router::new()
        .route("/readyz", get(move || async move { ready.lock().unwrap().0.clone() }))
        .route("/metrics", get(move || async move { scraped.lock().unwrap().1.clone() }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bot_url = Some(format!("http://{}/", listener.local_addr().unwrap()));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let browser = Browser::with(PageOptions { bot_url, ..PageOptions::default() }).await;
    (browser, move |readyz: &str, metrics: &str| {
        *reported.lock().unwrap() = (readyz.to_owned(), metrics.to_owned());
    })
}

const READY: &str = r#"{"ready":true,"state":"ready","missing":[],"warnings":[]}"#;

#[tokio::test]
async fn the_page_shows_what_the_bot_lacks_and_when_it_is_ready() {
    let down = r#"{"ready":false,"state":"down","missing":["Rocket.Chat is not connected"],
                  "warnings":[{"what":"no callback","since":null}]}"#;
    let (browser, tell) = with_bot(down, "").await;
    let mut states = browser.stream().await;
    let said = |state: &Value| (state["bot"]["state"].clone(), state["bot"]["reasons"].clone());
    let lacking = (json!("down"), json!(["Rocket.Chat is not connected", "no callback"]));
    states.find(|state| (said(state) == lacking).then_some(())).await;
    tell(READY, "");
    states.find(|state| (said(state) == (json!("ready"), json!([]))).then_some(())).await;
}

#[tokio::test]
async fn a_waiting_alert_is_shown_at_once_while_signl4_is_down_and_otherwise_when_delayed() {
    let metrics = |age: &str| {
        format!(
            "signl4_bot_outbox_deliveries{{queue=\"signl4\"}} 2\n\
             signl4_bot_outbox_oldest_age_seconds{{queue=\"signl4\"}} {age}\n"
        )
    };
    let young = metrics("0.1");
    let (browser, tell) = with_bot(READY, &young).await;
    let mut states = browser.stream().await;
    states.find(|state| (state["bot"]["state"] == "ready" && state["waiting"] == 0).then_some(())).await;
    browser.switch("signl4_down", true).await;
    states.find(|state| (state["waiting"] == 2).then_some(())).await;
    browser.switch("signl4_down", false).await;
    states.find(|state| (state["waiting"] == 0).then_some(())).await;
    tell(READY, &metrics("3"));
    states.find(|state| (state["waiting"] == 2).then_some(())).await;
}

#[tokio::test]
async fn without_a_bot_to_ask_its_state_is_unknown() {
    let browser = Browser::start().await;
    let unknown = json!({"url": null, "state": "unknown", "reasons": []});
    assert_eq!(browser.stream().await.next().await.unwrap()["bot"], unknown);
}
