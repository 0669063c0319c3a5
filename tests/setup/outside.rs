//! `check --json`, and `check --public-url`: whether SIGNL4 can reach the bot.

use std::fs;

use axum::{Router, http::StatusCode, routing::post};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::Child;

use super::fixture::{Fixture, free_address, wait_until_ready};

const SECRET: &str = "a-listener-secret-of-some-length";

/// The output of `check --json` with more arguments, and its exit code.
async fn check(fixture: &Fixture, more: &[&str]) -> (Value, i32) {
    let config = format!(
        "[rocketchat]\nurl = {:?}\nuser_id = {:?}\nauth_token = {:?}\n[signl4]\nwebhook_url = {:?}\n\
         [listener]\nbind = \"127.0.0.1:0\"\nsecret = {SECRET:?}\n[admin]\nbind = \"127.0.0.1:0\"\n\
         [[trigger]]\nname = \"signl4\"\npattern = 'SIGNL4'\nrooms = [\"#operations\", \"#oprations\"]\n",
        fixture.chat.url(),
        fixture.bot.id,
        fixture.token,
        fixture.webhook_url,
    );
    fs::write(fixture.path("bot.toml"), config).unwrap();
    let output = fixture.run(&[&["check", "--json"], more].concat()).await;
    let said = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    (said, output.status.code().unwrap())
}

/// The findings about a subject.
fn found<'a>(said: &'a Value, subject: &str) -> Vec<&'a Value> {
    said["findings"].as_array().unwrap().iter().filter(|finding| finding["subject"] == subject).collect()
}

/// The running bot with this secret, and the address of its listener.
async fn bot(fixture: &Fixture, secret: &str) -> (String, Child) {
    let (listener, admin) = (free_address(), free_address());
    let running = fixture.start(&[
        ("SIGNL4_BOT_ROCKETCHAT__URL", &fixture.chat.url()),
        ("SIGNL4_BOT_ROCKETCHAT__USER_ID", &fixture.bot.id),
        ("SIGNL4_BOT_ROCKETCHAT__AUTH_TOKEN", &fixture.token),
        ("SIGNL4_BOT_SIGNL4__WEBHOOK_URL", &fixture.webhook_url),
        ("SIGNL4_BOT_LISTENER__SECRET", secret),
        ("SIGNL4_BOT_LISTENER__BIND", &listener),
        ("SIGNL4_BOT_ADMIN__BIND", &admin),
        ("SIGNL4_BOT_STORE__URL", "sqlite://running.db"),
    ]);
    wait_until_ready(&admin).await;
    (format!("http://{listener}"), running)
}

#[tokio::test]
async fn json_has_the_findings_and_the_same_exit_code() {
    let fixture = Fixture::new().await;
    let (said, code) = check(&fixture, &[]).await;
    assert_eq!((code, &said["works"]), (1, &Value::Bool(false)), "{said:#}");
    assert_eq!(said["webhook"], "http://127.0.0.1:0/signl4/<listener.secret>");
    for finding in said["findings"].as_array().unwrap() {
        for key in ["section", "subject", "what"] {
            assert!(finding[key].as_str().is_some_and(|text| !text.is_empty()), "{finding}");
        }
        assert!(["fine", "warning", "problem"].contains(&finding["state"].as_str().unwrap()), "{finding}");
        assert_eq!(finding["fix"].is_string(), finding["state"] != "fine", "{finding}");
        assert_eq!(finding["fix"], finding["mend"], "the former name still works: {finding}");
    }
    let [room] = found(&said, "#oprations")[..] else { panic!("{said:#}") };
    assert_eq!((&room["state"], &room["trigger"]), (&"problem".into(), &"signl4".into()));
    assert_eq!(found(&said, "#operations")[0]["state"], "fine");
    assert!(!said.to_string().contains(SECRET) && !said.to_string().contains(&fixture.token));
}

#[tokio::test]
async fn a_foreign_webhook_is_reported_by_its_host_without_its_secret() {
    let mut fixture = Fixture::new().await;
    fixture.webhook_url = "https://relay.invalid/webhook/m5xk3qv7ty".to_owned();
    let (said, _) = check(&fixture, &[]).await;
    let reported = found(&said, "[signl4]");
    assert_eq!(reported.len(), 2, "{said:#}");
    for (finding, state, words) in
        [(reported[0], "problem", "cannot be reached"), (reported[1], "warning", "is not SIGNL4")]
    {
        let what = finding["what"].as_str().unwrap();
        assert!(
            finding["state"] == state && what.contains(words) && what.contains("relay.invalid"),
            "{finding}"
        );
    }
    assert!(!said.to_string().contains("m5xk3"), "{said:#}");
}

#[tokio::test]
async fn a_public_url_that_reaches_the_bot_is_fine() {
    let fixture = Fixture::new().await;
    let (url, _running) = bot(&fixture, SECRET).await;
    let (said, _) = check(&fixture, &["--public-url", &url]).await;
    let [finding] = found(&said, "public URL")[..] else { panic!("{said:#}") };
    assert_eq!(finding["state"], "fine", "{finding}");
    assert_eq!(said["webhook"], format!("{url}/signl4/<listener.secret>"));
}

#[tokio::test]
async fn a_public_url_that_leads_elsewhere_is_a_problem_with_a_fix() {
    let fixture = Fixture::new().await;
    let (url, _running) = bot(&fixture, "another-secret-of-some-length").await;
    let (said, _) = check(&fixture, &["--public-url", &url]).await;
    let finding = found(&said, "public URL")[0];
    assert_eq!(finding["state"], "problem", "{finding}");
    assert!(finding["what"].as_str().unwrap().contains("404"), "{finding}");

    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/bot", socket.local_addr().unwrap());
    let proxy = Router::new().route("/bot/signl4/{secret}", post(|| async { StatusCode::BAD_GATEWAY }));
    tokio::spawn(async move { axum::serve(socket, proxy).await });
    let (said, _) = check(&fixture, &["--public-url", &url]).await;
    let finding = found(&said, "public URL")[0];
    assert_eq!(finding["state"], "problem", "{finding}");
    assert!(finding["what"].as_str().unwrap().contains("proxy that does not reach the bot"), "{finding}");
}

#[tokio::test]
async fn a_public_url_that_redirects_is_a_problem() {
    let fixture = Fixture::new().await;
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    let redirect = || async { (StatusCode::PERMANENT_REDIRECT, [("location", "https://bot.example.com")]) };
    let proxy = Router::new().route("/signl4/{secret}", post(redirect));
    tokio::spawn(async move { axum::serve(socket, proxy).await });
    let (said, _) = check(&fixture, &["--public-url", &url]).await;
    let finding = found(&said, "public URL")[0];
    assert_eq!(
        (&finding["state"], &finding["fix"]),
        (&"problem".into(), &"give the address it redirects to".into())
    );
}

#[tokio::test]
async fn a_public_url_that_cannot_be_called_from_here_is_only_a_warning() {
    let fixture = Fixture::new().await;
    // Bound, so that nobody else can use the port, but not listening.
    let closed = tokio::net::TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    let (said, _) = check(&fixture, &["--public-url", &url]).await;
    let finding = found(&said, "public URL")[0];
    assert_eq!(finding["state"], "warning", "{finding}");
    assert!(finding["what"].as_str().unwrap().contains("cannot be tried from here"), "{finding}");
}

#[tokio::test]
async fn a_public_url_that_contains_the_secret_is_refused() {
    let fixture = Fixture::new().await;
    for command in ["check", "init"] {
        for url in ["https://bot.example.com/signl4/s3cret", "bot.example.com/signl4/s3cret"] {
            let output = fixture.run(&[command, "--public-url", url]).await;
            assert_eq!(output.status.code(), Some(2), "{output:?}");
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(said.contains("--public-url: contains /signl4, which the bot adds: "), "{said}");
            assert!(!said.contains("s3cret"), "{said}");
        }
    }
}
