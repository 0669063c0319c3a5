//! The page's server, as a browser meets it: over real sockets, both simulators behind it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test panics")]

use std::time::Duration;

use axum::Router;
use axum::http::StatusCode as Answer;
use axum::routing::get;
use reqwest::{Client, Method, Response, StatusCode};
use sandbox::DemoWorld;
use sandbox::page::{Page, PageOptions};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Long enough for a loaded machine.
const SOON: Duration = Duration::from_secs(20);

struct Visit {
    world: DemoWorld,
    page: Page,
    http: Client,
}

impl Visit {
    async fn start() -> Self {
        Self::with(PageOptions::default()).await
    }

    async fn with(options: PageOptions) -> Self {
        let world = DemoWorld::start().await.unwrap();
        let page = Page::start(options, world.chat().clone(), world.signl4().clone()).await.unwrap();
        let http = Client::builder().no_proxy().build().unwrap();
        Self { world, page, http }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.page.url())
    }

    async fn get(&self, path: &str) -> Response {
        self.http.get(self.url(path)).timeout(SOON).send().await.unwrap()
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let call = self.http.request(method, self.url(path)).timeout(SOON).json(&body);
        let answer = call.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap_or_default())
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.call(Method::POST, path, body).await
    }

    async fn put(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.call(Method::PUT, path, body).await
    }

    /// The `_id` of a user.
    fn id(&self, username: &str) -> String {
        self.world.chat().user(username).unwrap().id
    }

    async fn write(&self, username: &str, text: &str) -> String {
        let body = json!({"room": "GENERAL", "user": self.id(username), "text": text});
        let (status, answer) = self.post("api/messages", body).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        answer["id"].as_str().unwrap().to_owned()
    }

    /// Pages as the bot does, and gives the alert's id.
    async fn page_somebody(&self, text: &str) -> String {
        let body = json!({"title": "Alert", "message": text, "user": "alice", "X-S4-ExternalID": "GENERAL"});
        let call = self.http.post(self.world.webhook_url()).timeout(SOON).json(&body);
        assert_eq!(call.send().await.unwrap().status(), StatusCode::CREATED);
        self.world.signl4().alerts().last().unwrap().id.clone()
    }

    async fn stream(&self) -> States {
        let response = self.http.get(self.url("api/events")).send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        States { response, bytes: Vec::new() }
    }

    /// The first state for which `look` finds something.
    async fn state_with<T>(&self, look: impl FnMut(&Value) -> Option<T>) -> T {
        self.stream().await.find(look).await
    }
}

/// The stream of states.
struct States {
    response: Response,
    bytes: Vec<u8>,
}

impl States {
    /// The next state; `None` when the stream has ended.
    async fn next(&mut self) -> Option<Value> {
        loop {
            while let Some(end) = self.bytes.windows(2).position(|pair| pair == b"\n\n") {
                let event: Vec<u8> = self.bytes.drain(..end + 2).collect();
                let event = String::from_utf8(event).unwrap();
                if let Some(data) = event.lines().find_map(|line| line.strip_prefix("data: ")) {
                    return Some(serde_json::from_str(data).unwrap());
                }
            }
            self.bytes.extend(self.response.chunk().await.ok()??);
        }
    }

    async fn find<T>(&mut self, mut look: impl FnMut(&Value) -> Option<T>) -> T {
        let found = async {
            loop {
                let state = self.next().await.expect("the stream goes on");
                if let Some(found) = look(&state) {
                    return found;
                }
            }
        };
        tokio::time::timeout(SOON, found).await.expect("the state in time")
    }
}

/// The message with this text in a state.
fn message<'a>(state: &'a Value, text: &str) -> Option<&'a Value> {
    let rooms = state["rooms"].as_array().unwrap().iter();
    rooms.flat_map(|room| room["messages"].as_array().unwrap()).find(|message| message["text"] == text)
}

#[tokio::test]
async fn every_file_that_the_page_names_is_served() {
    let visit = Visit::start().await;
    let html = visit.get("").await.text().await.unwrap();
    let mut wanted: Vec<String> = quoted_after(&html, &["href=\"", "src=\""]);
    wanted.retain(|name| !name.contains('#'));
    assert!(wanted.contains(&"app.js".to_owned()), "{wanted:?}");
    let mut seen = Vec::new();
    while let Some(name) = wanted.pop() {
        let answer = visit.get(&name).await;
        assert_eq!(answer.status(), StatusCode::OK, "{name}");
        let text = answer.text().await.unwrap();
        let imports = quoted_after(&text, &["from \"./"]);
        seen.push(name);
        wanted.extend(imports.into_iter().filter(|name| !seen.contains(name)));
    }
    assert!(seen.contains(&"message.js".to_owned()), "{seen:?}");
}

fn quoted_after(text: &str, marks: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for mark in marks {
        let rests = text.split(mark).skip(1);
        found.extend(rests.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
    }
    found
}

#[tokio::test]
async fn the_browser_may_load_nothing_from_elsewhere() {
    let visit = Visit::start().await;
    for path in ["", "app.js", "no-such-file", "api/events"] {
        let answer = visit.get_headers(path).await;
        let policy = answer["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'self';"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer["x-content-type-options"], "nosniff", "{path}");
    }
}

impl Visit {
    async fn get_headers(&self, path: &str) -> reqwest::header::HeaderMap {
        self.http.get(self.url(path)).send().await.unwrap().headers().clone()
    }
}

#[tokio::test]
async fn what_is_written_stands_in_the_room_and_its_reply_in_its_thread() {
    let visit = Visit::start().await;
    let mut states = visit.stream().await;
    let first = visit.write("alice", "pump 3 <b>is</b> down").await;
    let reply = json!({"user": visit.id("bob"), "text": " on it "});
    assert_eq!(visit.post(&format!("api/messages/{first}/replies"), reply).await.0, StatusCode::CREATED);
    let shown = states
        .find(|state| {
            message(state, "pump 3 <b>is</b> down").filter(|it| it["replies"][0] != Value::Null).cloned()
        })
        .await;
    assert_eq!((&shown["author"], &shown["bot"]), (&json!("Alice Meyer"), &json!(false)));
    assert_eq!(
        (&shown["replies"][0]["author"], &shown["replies"][0]["text"]),
        (&json!("Bob Tanaka"), &json!("on it"))
    );
    assert_eq!(visit.world.chat().thread_replies(&first).len(), 1);
}

#[tokio::test]
async fn a_bot_is_shown_by_its_alias_and_marked() {
    let visit = Visit::start().await;
    let (chat, bot) = (visit.world.chat(), visit.world.bot_user_id());
    chat.post("GENERAL", bot, sandbox::rocketchat::NewMessage::text("Rene: Alert closed.").alias("SIGNL4"))
        .unwrap();
    let shown = visit.state_with(|state| message(state, "Rene: Alert closed.").cloned()).await;
    assert_eq!((&shown["author"], &shown["bot"]), (&json!("SIGNL4"), &json!(true)));
    let people = visit.state_with(|state| state["people"].as_array().cloned()).await;
    assert!(people.iter().all(|person| person["id"] != bot), "{people:?}");
}

#[tokio::test]
async fn people_edit_their_own_messages_only() {
    let visit = Visit::start().await;
    let id = visit.write("alice", "pump 3 is down").await;
    let path = format!("api/messages/{id}");
    let (status, answer) = visit.put(&path, json!({"user": visit.id("bob"), "text": "no"})).await;
    assert_eq!((status, answer["error"].is_string()), (StatusCode::FORBIDDEN, true));
    let (status, _) =
        visit.put(&path, json!({"user": visit.id("alice"), "text": "SIGNL4 pump 3 is down"})).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let edited = visit.state_with(|state| message(state, "SIGNL4 pump 3 is down").cloned()).await;
    assert_eq!(edited["edited"], true);
    let (status, _) = visit.put("api/messages/none", json!({"user": visit.id("alice"), "text": "x"})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_second_reaction_takes_the_first_one_back() {
    let visit = Visit::start().await;
    let id = visit.write("alice", "pump 3 is down").await;
    let path = format!("api/messages/{id}/reactions");
    let like = json!({"user": visit.id("bob"), "emoji": "+1"});
    for expected in [1, 0] {
        assert_eq!(visit.post(&path, like.clone()).await.0, StatusCode::NO_CONTENT);
        assert_eq!(visit.world.chat().message(&id).unwrap().reacted_with("+1").len(), expected);
    }
    let (status, _) = visit.post(&path, json!({"user": visit.id("bob"), "emoji": "<b>"})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn the_phone_shows_an_alert_with_its_room_and_takes_each_step_for_the_one_on_duty() {
    let visit = Visit::start().await;
    let mut states = visit.stream().await;
    let path = format!("api/alerts/{}", visit.page_somebody("pump 3 is down").await);
    assert_eq!(visit.put("api/duty", json!({"user": "Mia"})).await.0, StatusCode::NO_CONTENT);
    for step in [
        json!({"step": "nobody_on_duty"}),
        json!({"step": "escalate"}),
        json!({"step": "acknowledge"}),
        json!({"step": "annotate", "text": " on my way "}),
        json!({"step": "close"}),
    ] {
        assert_eq!(visit.post(&path, step.clone()).await.0, StatusCode::NO_CONTENT, "{step}");
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
    let visit = Visit::start().await;
    let path = format!("api/alerts/{}", visit.page_somebody("pump 3 is down").await);
    let empty = visit.post(&path, json!({"step": "annotate", "text": "  "})).await;
    let unknown = visit.post("api/alerts/none", json!({"step": "close"})).await;
    let nobody = visit.put("api/duty", json!({"user": "Nobody"})).await;
    visit.post(&path, json!({"step": "close"})).await;
    let again = visit.post(&path, json!({"step": "close"})).await;
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
    let visit = Visit::start().await;
    for text in ["one", "two"] {
        visit.page_somebody(text).await;
    }
    let texts = visit
        .state_with(|state| {
            let alerts = state["alerts"].as_array()?;
            (alerts.len() == 2).then(|| alerts.iter().map(|alert| alert["text"].clone()).collect::<Vec<_>>())
        })
        .await;
    assert_eq!(texts, ["two", "one"]);
}

#[tokio::test]
async fn signl4_can_be_down_and_come_back() {
    let visit = Visit::start().await;
    visit.switch("signl4_down", true).await;
    let call =
        || visit.http.post(visit.world.webhook_url()).timeout(SOON).json(&json!({"title": "x"})).send();
    assert!(call().await.unwrap_err().is_connect());
    visit.switch("signl4_down", false).await;
    assert_eq!(call().await.unwrap().status(), StatusCode::CREATED);
}

#[tokio::test]
async fn signl4_can_throttle_and_stop_throttling() {
    let visit = Visit::start().await;
    visit.switch("signl4_throttles", true).await;
    let call =
        || visit.http.post(visit.world.webhook_url()).timeout(SOON).json(&json!({"title": "x"})).send();
    assert_eq!(call().await.unwrap().status(), StatusCode::TOO_MANY_REQUESTS);
    visit.switch("signl4_throttles", false).await;
    assert_eq!(call().await.unwrap().status(), StatusCode::CREATED);
}

#[tokio::test]
async fn rocket_chat_can_be_cut_off_while_people_go_on_writing() {
    let visit = Visit::start().await;
    let refused = async || {
        let call = visit.http.get(format!("{}/api/info", visit.world.chat_url())).timeout(SOON);
        call.send().await.is_err_and(|error| error.is_connect())
    };
    visit.switch("chat_down", true).await;
    within(async || refused().await).await;
    visit.write("alice", "does anybody hear me?").await;
    visit.switch("chat_down", false).await;
    within(async || !refused().await).await;
}

/// Asks until the answer is yes.
async fn within(ask: impl AsyncFn() -> bool) {
    let asking = async {
        while !ask().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, asking).await.expect("it came true in time");
}

impl Visit {
    /// Turns a switch and waits until the page shows it.
    async fn switch(&self, trouble: &str, on: bool) {
        let (status, answer) = self.put("api/trouble", json!({"trouble": trouble, "on": on})).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
        self.state_with(|state| (state["trouble"][trouble] == on).then_some(())).await;
    }
}

#[tokio::test]
async fn the_page_tells_what_the_bot_lacks_and_when_it_is_ready() {
    let (ready, told) = watch::channel(false);
    let readyz = move || {
        let ready = *told.borrow();
        async move {
            let body = r#"{"ready":false,"missing":["Rocket.Chat is not connected"]}"#;
            (if ready { Answer::OK } else { Answer::SERVICE_UNAVAILABLE }, body)
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bot_ready_url = Some(format!("http://{}/readyz", listener.local_addr().unwrap()));
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/readyz", get(readyz))).await });
    let visit = Visit::with(PageOptions { bot_ready_url, ..PageOptions::default() }).await;
    let mut states = visit.stream().await;
    let lacking = json!({"state": "not_ready", "missing": ["Rocket.Chat is not connected"]});
    states.find(|state| (state["bot"] == lacking).then_some(())).await;
    ready.send(true).unwrap();
    states.find(|state| (state["bot"]["state"] == "ready").then_some(())).await;
}

#[tokio::test]
async fn without_a_bot_to_ask_its_state_is_unknown() {
    let visit = Visit::start().await;
    assert_eq!(visit.stream().await.next().await.unwrap()["bot"], json!({"state": "unknown"}));
}

#[tokio::test]
async fn another_web_site_gets_nothing_done() {
    let visit = Visit::start().await;
    let body = json!({"room": "GENERAL", "user": visit.id("alice"), "text": "SIGNL4 from afar"});
    let post = || visit.http.post(visit.url("api/messages")).timeout(SOON);
    let foreign = post().header("origin", "https://evil.example").json(&body).send().await.unwrap();
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
    let opaque = post().header("origin", "null").json(&body).send().await.unwrap();
    assert_eq!(opaque.status(), StatusCode::FORBIDDEN);
    // What a form can send without asking first.
    let form = post().header("content-type", "text/plain").body(body.to_string()).send().await.unwrap();
    assert_eq!(form.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let rebound = visit.http.get(visit.page.url()).header("host", "evil.example").send().await.unwrap();
    assert_eq!(rebound.status(), StatusCode::FORBIDDEN);
    let own =
        post().header("origin", format!("http://{}", visit.page.address())).json(&body).send().await.unwrap();
    assert_eq!(own.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn what_is_too_long_or_empty_is_refused() {
    let visit = Visit::start().await;
    let draft = |text: &str| json!({"room": "GENERAL", "user": visit.id("alice"), "text": text});
    let refused = [
        (draft("  \n"), StatusCode::UNPROCESSABLE_ENTITY),
        (draft(&"ä".repeat(5_001)), StatusCode::UNPROCESSABLE_ENTITY),
        (draft(&"x".repeat(70_000)), StatusCode::PAYLOAD_TOO_LARGE),
        (json!({"room": "none", "user": visit.id("alice"), "text": "x"}), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({"room": "GENERAL", "user": "nobody", "text": "x"}), StatusCode::UNPROCESSABLE_ENTITY),
    ];
    let before = visit.world.chat().messages("GENERAL").len();
    for (body, expected) in refused {
        assert_eq!(visit.post("api/messages", body).await.0, expected);
    }
    assert_eq!(visit.world.chat().messages("GENERAL").len(), before);
    visit.write("alice", &"ä".repeat(5_000)).await;
}

#[tokio::test]
async fn the_streams_end_with_the_page() {
    let visit = Visit::start().await;
    let mut states = visit.stream().await;
    assert!(states.next().await.is_some());
    drop(visit.page);
    let end = async { while states.next().await.is_some() {} };
    tokio::time::timeout(SOON, end).await.expect("the stream ends");
}
