//! Which requests are accepted, and which files are served.

use reqwest::StatusCode;
use serde_json::json;

use super::browser::{Browser, SOON};

fn quoted_after(text: &str, marks: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for mark in marks {
        let rests = text.split(mark).skip(1);
        found.extend(rests.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
    }
    found
}

#[tokio::test]
async fn every_file_that_the_page_names_is_served() {
    let browser = Browser::start().await;
    let html = browser.get("").await.text().await.unwrap();
    let mut wanted: Vec<String> = quoted_after(&html, &["href=\"", "src=\""]);
    wanted.retain(|name| !name.contains('#'));
    assert!(wanted.contains(&"app.js".to_owned()), "{wanted:?}");
    let mut seen = Vec::new();
    while let Some(name) = wanted.pop() {
        let answer = browser.get(&name).await;
        assert_eq!(answer.status(), StatusCode::OK, "{name}");
        let text = answer.text().await.unwrap();
        let imports = quoted_after(&text, &["from \"./"]);
        seen.push(name);
        wanted.extend(imports.into_iter().filter(|name| !seen.contains(name)));
    }
    assert!(seen.contains(&"message.js".to_owned()), "{seen:?}");
}

#[tokio::test]
async fn the_browser_may_load_nothing_from_elsewhere() {
    let browser = Browser::start().await;
    for path in ["", "app.js", "no-such-file", "api/events"] {
        let answer = browser.get(path).await;
        let policy = answer.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'self';"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff", "{path}");
    }
}

#[tokio::test]
async fn requests_of_another_web_site_are_refused() {
    let browser = Browser::start().await;
    let body = json!({"room": "GENERAL", "user": browser.id("alice"), "text": "SIGNL4 from afar"});
    let post = || browser.http.post(browser.url("api/messages")).timeout(SOON);
    let foreign = post().header("origin", "https://evil.example").json(&body).send().await.unwrap();
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
    let opaque = post().header("origin", "null").json(&body).send().await.unwrap();
    assert_eq!(opaque.status(), StatusCode::FORBIDDEN);
    // What a form can send without asking first.
    let form = post().header("content-type", "text/plain").body(body.to_string()).send().await.unwrap();
    assert_eq!(form.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let rebound = browser.http.get(browser.page.url()).header("host", "evil.example").send().await.unwrap();
    assert_eq!(rebound.status(), StatusCode::FORBIDDEN);
    let own = post()
        .header("origin", format!("http://{}", browser.page.address()))
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(own.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn the_streams_end_with_the_page() {
    let browser = Browser::start().await;
    let mut states = browser.stream().await;
    assert!(states.next().await.is_some());
    drop(browser.page);
    let end = async { while states.next().await.is_some() {} };
    tokio::time::timeout(SOON, end).await.expect("the stream ends");
}
