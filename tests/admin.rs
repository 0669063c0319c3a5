//! The private listener, end to end: what the real binary shows between both simulators, and to whom.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "bridge/harness.rs"]
mod harness;

use std::collections::BTreeMap;
use std::time::Duration;

use harness::{Harness, LISTENER_SECRET, SOON, http};
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::{Response, StatusCode};
use sandbox::signl4::{Times, WebhookFault};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

const TOKEN: &str = "an-admin-token-of-some-length";

/// What the private listener answers.
struct Admin {
    url: String,
}

impl Admin {
    fn of(harness: &Harness) -> Self {
        Self { url: harness.admin_url() }
    }

    async fn get(&self, path: &str) -> Response {
        http().get(format!("{}{path}", self.url)).send().await.unwrap()
    }

    async fn text(&self, path: &str) -> String {
        self.get(path).await.error_for_status().unwrap().text().await.unwrap()
    }

    async fn readyz(&self) -> (StatusCode, Value) {
        let answer = self.get("/readyz").await;
        (answer.status(), answer.json().await.unwrap())
    }

    async fn metrics(&self) -> Metrics {
        Metrics::read(&self.text("/metrics").await)
    }

    /// Waits until the text at a path contains all of these; returns the text.
    async fn wait_for(&self, path: &str, parts: &[&str]) -> String {
        let deadline = Instant::now() + SOON;
        loop {
            let text = self.text(path).await;
            if parts.iter().all(|part| text.contains(part)) {
                return text;
            }
            assert!(Instant::now() < deadline, "{path} has not all of {parts:?}:\n{text}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the listener answers.
    async fn wait_until_alive(&self) {
        let deadline = Instant::now() + SOON;
        while http().get(format!("{}/healthz", self.url)).send().await.is_err() {
            assert!(Instant::now() < deadline, "nobody listens on {}", self.url);
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A scrape, parsed as strictly as the format requires.
struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    fn read(text: &str) -> Self {
        let mut samples = BTreeMap::new();
        let mut described = (String::new(), String::new());
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(help) = line.strip_prefix("# HELP ") {
                described.0 = help.split(' ').next().unwrap().to_owned();
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                described.1 = kind.split(' ').next().unwrap().to_owned();
            } else {
                let (series, value) = line.rsplit_once(' ').unwrap();
                let family = &described.1;
                assert_eq!(described.0, *family, "described before its samples: {line}");
                assert!(series.starts_with(family.as_str()), "{line} stands under {family}");
                let before = samples.insert(series.to_owned(), value.parse().unwrap());
                assert_eq!(before, None, "twice: {line}");
            }
        }
        Self(samples)
    }

    #[track_caller]
    fn get(&self, series: &str) -> f64 {
        *self.0.get(series).unwrap_or_else(|| panic!("no {series} in {:#?}", self.0))
    }
}

#[tokio::test]
async fn readyz_says_what_is_missing_and_that_nothing_is() {
    let harness = Harness::new().await;
    let admin = Admin::of(&harness);
    harness.chat.faults().set(|switches| switches.refuse_connections = true);
    let mut bot = harness.spawn_bot();
    admin.wait_until_alive().await;
    let (status, body) = admin.readyz().await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body["ready"], json!(false));
    assert!(body["missing"][0].as_str().unwrap().starts_with("Rocket.Chat is not connected"), "{body}");
    assert_eq!(admin.text("/healthz").await, "ok\n", "still alive");

    harness.chat.faults().set(|switches| switches.refuse_connections = false);
    bot.wait_until_ready().await;
    assert_eq!(
        admin.readyz().await,
        (StatusCode::OK, json!({"ready": true, "state": "ready", "missing": [], "warnings": []}))
    );
}

#[tokio::test]
async fn while_alerts_fail_every_endpoint_says_so_and_none_asks_for_a_restart() {
    let harness = Harness::new().await.with_fast_tempo();
    let _bot = harness.start_bot().await;
    let admin = Admin::of(&harness);
    harness.signl4.faults().webhook(WebhookFault::Status(404), Times::Next(1));
    harness.say("SIGNL4 the secret is wrong");
    let reason = "The last alert for SIGNL4 was not sent";
    admin.wait_for("/readyz", &["\"degraded\"", reason]).await;
    assert_eq!(admin.readyz().await.0, StatusCode::OK);
    admin.wait_for("/", &["DEGRADED", reason]).await;
    admin.wait_for("/metrics", &["signl4_bot_degraded 1", "signl4_bot_ready 1"]).await;
    let health = harness.command(&["health"]).await;
    assert!(health.status.success(), "a container must not be restarted for it");
    let said = String::from_utf8(health.stdout).unwrap();
    assert!(said.starts_with("degraded: The last alert for SIGNL4 was not sent"), "{said}");

    let check = String::from_utf8(harness.command(&["check"]).await.stdout).unwrap();
    assert!(check.contains("The last alert for SIGNL4 was not sent"), "{check}");

    harness.say("SIGNL4 the secret is right again");
    harness.alert("SIGNL4 the secret is right again").await;
    admin.wait_for("/readyz", &["\"state\":\"ready\""]).await;
    admin.wait_for("/metrics", &["signl4_bot_degraded 0"]).await;
}

#[tokio::test]
async fn the_metrics_count_an_alert_and_its_acknowledgement() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    let admin = Admin::of(&harness);
    harness.say("nothing to see here");
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    admin
        .wait_for(
            "/metrics",
            &[
                "signl4_bot_replies_total{kind=\"reply\",result=\"posted\"} 1",
                "signl4_bot_replies_total{kind=\"reaction\",result=\"posted\"} 1",
                "signl4_bot_inbox_events 0",
                // A reply is counted a moment before its row is settled.
                "signl4_bot_outbox_oldest_age_seconds{queue=\"rocketchat:reply\"} 0\n",
                "signl4_bot_outbox_oldest_age_seconds{queue=\"rocketchat:reaction\"} 0\n",
            ],
        )
        .await;

    assert_eq!(
        admin.get("/metrics").await.headers()[CONTENT_TYPE],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let metrics = admin.metrics().await;
    for (series, value) in [
        ("signl4_bot_ready", 1.0),
        ("signl4_bot_store_up", 1.0),
        ("signl4_bot_connection_state{state=\"online\"}", 1.0),
        ("signl4_bot_connection_state{state=\"waiting\"}", 0.0),
        ("signl4_bot_watched_rooms{trigger=\"signl4\"}", 1.0),
        ("signl4_bot_messages_seen_total", 2.0),
        ("signl4_bot_messages_unreadable_total", 0.0),
        ("signl4_bot_matches_total{trigger=\"signl4\"}", 1.0),
        ("signl4_bot_alerts_total{state=\"queued\"}", 1.0),
        ("signl4_bot_alerts_total{state=\"sent\"}", 1.0),
        ("signl4_bot_alerts_total{state=\"not_sent\"}", 0.0),
        ("signl4_bot_alert_delivery_seconds_count", 1.0),
        ("signl4_bot_alert_delivery_seconds_bucket{le=\"+Inf\"}", 1.0),
        ("signl4_bot_events_total{type=\"acknowledged\",correlation=\"event_id\"}", 1.0),
        ("signl4_bot_outbox_deliveries{queue=\"signl4\"}", 0.0),
        ("signl4_bot_outbox_oldest_age_seconds{queue=\"rocketchat:reply\"}", 0.0),
        ("signl4_bot_inbox_events", 0.0),
        ("signl4_bot_http_errors_total{peer=\"signl4\",code=\"404\"}", 0.0),
        ("signl4_bot_frames_skipped_total", 0.0),
        (&format!("signl4_bot_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1.0),
    ] {
        assert_eq!(metrics.get(series), value, "{series}");
    }
    assert!(metrics.get("signl4_bot_frames_received_total") > 0.0);
    assert!(metrics.get("signl4_bot_start_time_seconds") > 1_700_000_000.0);
    assert!(metrics.0.keys().all(|series| series.starts_with("signl4_bot_")), "{:?}", metrics.0.keys());
}

#[tokio::test]
async fn the_metrics_count_refusals_interruptions_and_waiting_rows() {
    let harness = Harness::new().await.with_fast_tempo();
    let mut bot = harness.start_bot().await;
    let admin = Admin::of(&harness);
    harness.signl4.faults().webhook(WebhookFault::Status(404), Times::Next(1));
    harness.say("SIGNL4 the secret is wrong");
    admin.wait_for("/metrics", &["signl4_bot_alerts_total{state=\"not_sent\"} 1"]).await;
    harness.signl4.refuse().await;
    harness.say("SIGNL4 nobody answers");
    let waiting = "signl4_bot_outbox_deliveries{queue=\"signl4\"} 1";
    admin.wait_for("/metrics", &[waiting]).await;
    admin.wait_for("/", &["SIGNL4 cannot be reached"]).await;
    harness.chat.faults().set(|switches| switches.refuse_connections = true);
    harness.chat.faults().cut_connections();
    let lost = "signl4_bot_reconnects_total{reason=";
    admin.wait_for("/metrics", &[lost, "signl4_bot_ready 0"]).await;
    harness.chat.faults().set(|switches| switches.refuse_connections = false);
    bot.wait_until_ready().await;
    let metrics = admin.metrics().await;
    assert_eq!(metrics.get("signl4_bot_http_errors_total{peer=\"signl4\",code=\"404\"}"), 1.0);
    assert!(metrics.get("signl4_bot_http_errors_total{peer=\"signl4\",code=\"connect\"}") >= 1.0);
    assert!(metrics.get("signl4_bot_outbox_oldest_age_seconds{queue=\"signl4\"}") > 0.0);
    assert!(metrics.0.keys().any(|series| series.starts_with(lost)));
}

#[tokio::test]
async fn the_status_page_shows_an_alerts_steps_and_no_text() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    let admin = Admin::of(&harness);
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    harness.signl4.acknowledge_with_note(&alert.id, "Rene", "with a wrench").unwrap();
    let link = format!("{}/channel/operations?msg={}", harness.chat.url().trim_end_matches('/'), message.id);
    let page = admin
        .wait_for(
            "/",
            &[
                &format!("href=\"{link}\""),
                "Message in #operations",
                "Message matched, alert queued",
                "Sent to SIGNL4",
                &format!("eventId {}", alert.event_id),
                "Acknowledged by Rene",
                "Reply posted",
                ">acknowledged</span>",
                "Nothing is waiting",
                "#operations</li>",
            ],
        )
        .await;
    for text in ["pump", "wrench", "Alert acknowledged.", &harness.token, harness::LISTENER_SECRET] {
        assert!(!page.contains(text), "{text} is on the page:\n{page}");
    }
}

#[tokio::test]
async fn the_status_page_shows_what_waits_why_and_what_failed() {
    let harness = Harness::new().await.with_fast_tempo();
    let _bot = harness.start_bot().await;
    let admin = Admin::of(&harness);
    harness.signl4.faults().webhook(WebhookFault::Status(404), Times::Next(1));
    harness.say("SIGNL4 the secret is wrong");
    admin.wait_for("/", &[">not sent</span>", "Alert given up", "secret is wrong"]).await;
    harness.signl4.refuse().await;
    harness.say("SIGNL4 nobody answers");
    let page = admin.wait_for("/", &["<code>signl4</code>", "SIGNL4 cannot be reached", "tried"]).await;
    assert!(page.contains("queue=signl4 delivery="), "the log's last errors:\n{page}");
}

/// The page's script fetches the page again, and puts each section in the place of the one with the same `id`.
#[tokio::test]
async fn an_open_page_can_show_what_changed_since_it_was_loaded() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    let admin = Admin::of(&harness);
    let ids = |page: &str| -> Vec<String> {
        let section = regex::Regex::new("<section id=\"([a-z]+)\"").unwrap();
        section.captures_iter(page).map(|found| found[1].to_owned()).collect()
    };
    let loaded = admin.wait_for("/", &["script type=\"module\" src=\"status.js\""]).await;
    assert_eq!(ids(&loaded), ["readiness", "overview", "outbox", "log", "alerts", "rooms"]);
    harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    let fetched = admin.wait_for("/", &[&format!("eventId {}", alert.event_id)]).await;
    assert_eq!(ids(&fetched), ids(&loaded));
    harness.signl4.close(&alert.id, "Rene").unwrap();
    admin.wait_for("/", &["Closed by Rene"]).await;
}

/// Callers need not understand chunks.
#[tokio::test]
async fn every_answer_of_both_listeners_says_its_length() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    let (admin, public) = (harness.admin_url(), harness.listener_url());
    for url in [
        format!("{admin}/"),
        format!("{admin}/healthz"),
        format!("{admin}/nothing"),
        format!("{public}/nothing"),
        format!("{public}/signl4/{LISTENER_SECRET}"),
        format!("{public}/signl4/another"),
    ] {
        let answer = http().get(&url).send().await.unwrap();
        assert!(answer.headers().contains_key(CONTENT_LENGTH), "{url}: {:?}", answer.headers());
    }
    let event = http().post(format!("{public}/signl4/{LISTENER_SECRET}")).body(r#"{"eventType":1}"#);
    let answer = event.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.headers().contains_key(CONTENT_LENGTH), "{:?}", answer.headers());
}

#[tokio::test]
async fn with_a_token_nothing_but_healthz_is_open() {
    let mut harness = Harness::new().await;
    harness.configure(&format!("token = {TOKEN:?}"));
    let bot = harness.spawn_bot();
    let admin = Admin::of(&harness);
    admin.wait_until_alive().await;
    for path in ["/", "/readyz", "/metrics", "/status.js", "/status.css", "/nowhere"] {
        let answer = admin.get(path).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
        let ways: Vec<_> = answer.headers().get_all(WWW_AUTHENTICATE).iter().collect();
        assert!(ways[0].to_str().unwrap().starts_with("Basic "), "a browser asks for it: {ways:?}");
        assert_eq!(answer.text().await.unwrap(), "the admin token is missing or wrong\n");
    }
    let page = format!("{}/", admin.url);
    let wrong = http().get(&page).bearer_auth("an-admin-token-of-some-lengtH").send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    let right = [http().get(&page).bearer_auth(TOKEN), http().get(&page).basic_auth("anybody", Some(TOKEN))];
    for right in right {
        let answer = right.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(!answer.text().await.unwrap().contains(TOKEN));
    }
    bot.wait_for_log(&["with a wrong token were rejected"]).await;
    assert!(!bot.log().contains(TOKEN));
}

#[tokio::test]
async fn the_command_health_names_a_token_that_the_running_bot_does_not_know_yet() {
    let mut harness = Harness::new().await;
    harness.configure(&format!("token = {TOKEN:?}"));
    let _bot = harness.spawn_bot();
    Admin::of(&harness).wait_until_alive().await;
    harness.set_variable("SIGNL4_BOT_ADMIN__TOKEN", "another-admin-token-of-some-length");
    let health = harness.command(&["health"]).await;
    assert!(!health.status.success());
    let said = String::from_utf8(health.stdout).unwrap();
    assert!(said.contains("does not accept admin.token"), "{said}");
}

#[tokio::test]
async fn too_many_wrong_tokens_are_throttled_and_the_right_one_still_works() {
    let mut harness = Harness::new().await;
    harness.configure(&format!("token = {TOKEN:?}"));
    let bot = harness.spawn_bot();
    let admin = Admin::of(&harness);
    admin.wait_until_alive().await;
    let page = format!("{}/", admin.url);
    let wrong = async || http().get(&page).basic_auth("ops", Some("guessed")).send().await.unwrap();
    // The count restarts after a minute. If that happens between these calls, ten more are still too many.
    let mut refused = Vec::new();
    while refused.len() < 21 && refused.last() != Some(&StatusCode::TOO_MANY_REQUESTS) {
        refused.push(wrong().await.status());
    }
    let (last, before) = refused.split_last().unwrap();
    assert_eq!(*last, StatusCode::TOO_MANY_REQUESTS);
    assert!(
        before.len() >= 10 && before.iter().all(|status| *status == StatusCode::UNAUTHORIZED),
        "{before:?}"
    );
    let wait: u64 = wrong().await.headers()[RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(admin.get("/").await.status(), StatusCode::UNAUTHORIZED, "a browser is asked for it");
    assert_eq!(http().get(&page).bearer_auth(TOKEN).send().await.unwrap().status(), StatusCode::OK);
    let reported = bot.log().matches("with a wrong token were rejected").count();
    assert!((1..=2).contains(&reported), "once a minute, not {reported} times");
}

#[tokio::test]
async fn without_a_token_requests_of_other_web_sites_are_refused() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    let page = http().get(format!("{}/", harness.admin_url()));
    let answer = page.header(HOST, "evil.example").header(AUTHORIZATION, "Bearer x").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
}
