//! What the page tells of the bot.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use sandbox::page::PageOptions;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::browser::Browser;

#[tokio::test]
async fn the_page_tells_what_the_bot_lacks_and_when_it_is_ready() {
    let (ready, told) = watch::channel(false);
    let readyz = move || {
        let ready = *told.borrow();
        async move {
            let body = r#"{"ready":false,"missing":["Rocket.Chat is not connected"]}"#;
            (if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, body)
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bot_ready_url = Some(format!("http://{}/readyz", listener.local_addr().unwrap()));
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/readyz", get(readyz))).await });
    let browser = Browser::with(PageOptions { bot_ready_url, ..PageOptions::default() }).await;
    let mut states = browser.stream().await;
    let lacking = json!({"state": "not_ready", "missing": ["Rocket.Chat is not connected"]});
    states.find(|state| (state["bot"] == lacking).then_some(())).await;
    ready.send(true).unwrap();
    states.find(|state| (state["bot"]["state"] == "ready").then_some(())).await;
}

#[tokio::test]
async fn without_a_bot_to_ask_its_state_is_unknown() {
    let browser = Browser::start().await;
    assert_eq!(browser.stream().await.next().await.unwrap()["bot"], json!({"state": "unknown"}));
}
