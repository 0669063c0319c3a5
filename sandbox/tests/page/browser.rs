//! A client that uses the page as a browser does: calls and the stream of states.

use std::time::Duration;

use reqwest::{Client, Method, Response, StatusCode};
use sandbox::DemoServers;
use sandbox::page::{Page, PageOptions};
use serde_json::{Value, json};

/// Long enough for a loaded machine.
pub const SOON: Duration = Duration::from_secs(20);

/// Running demo servers, their page, and a visitor.
pub struct Browser {
    pub servers: DemoServers,
    pub page: Page,
    pub http: Client,
}

impl Browser {
    pub async fn start() -> Self {
        Self::with(PageOptions::default()).await
    }

    pub async fn with(options: PageOptions) -> Self {
        let servers = DemoServers::start().await.unwrap();
        let page = Page::start(options, servers.chat().clone(), servers.signl4().clone()).await.unwrap();
        let http = Client::builder().no_proxy().build().unwrap();
        Self { servers, page, http }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.page.url())
    }

    pub async fn get(&self, path: &str) -> Response {
        self.http.get(self.url(path)).timeout(SOON).send().await.unwrap()
    }

    pub async fn call(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let call = self.http.request(method, self.url(path)).timeout(SOON).json(&body);
        let answer = call.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap_or_default())
    }

    pub async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.call(Method::POST, path, body).await
    }

    pub async fn put(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.call(Method::PUT, path, body).await
    }

    /// The `_id` of a user.
    pub fn id(&self, username: &str) -> String {
        self.servers.chat().user(username).unwrap().id
    }

    pub async fn write(&self, username: &str, text: &str) -> String {
        let body = json!({"room": "GENERAL", "user": self.id(username), "text": text});
        let (status, answer) = self.post("api/messages", body).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        answer["id"].as_str().unwrap().to_owned()
    }

    /// Pages as the bot does, and gives the alert's id.
    pub async fn page_somebody(&self, text: &str) -> String {
        let body = json!({"title": "Alert", "message": text, "user": "alice", "X-S4-ExternalID": "GENERAL"});
        let call = self.http.post(self.servers.webhook_url()).timeout(SOON).json(&body);
        assert_eq!(call.send().await.unwrap().status(), StatusCode::CREATED);
        self.servers.signl4().alerts().last().unwrap().id.clone()
    }

    pub async fn stream(&self) -> States {
        let response = self.http.get(self.url("api/events")).send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        States { response, bytes: Vec::new() }
    }

    /// The first state for which `look` finds something.
    pub async fn state_with<T>(&self, look: impl FnMut(&Value) -> Option<T>) -> T {
        self.stream().await.find(look).await
    }

    /// Turns a switch and waits until the page shows it.
    pub async fn switch(&self, fault: &str, on: bool) {
        let (status, answer) = self.put("api/faults", json!({"fault": fault, "on": on})).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
        self.state_with(|state| (state["faults"][fault] == on).then_some(())).await;
    }
}

/// The stream of states.
pub struct States {
    response: Response,
    bytes: Vec<u8>,
}

impl States {
    /// The next state; `None` when the stream has ended.
    pub async fn next(&mut self) -> Option<Value> {
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

    pub async fn find<T>(&mut self, mut look: impl FnMut(&Value) -> Option<T>) -> T {
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
pub fn message<'a>(state: &'a Value, text: &str) -> Option<&'a Value> {
    let rooms = state["rooms"].as_array().unwrap().iter();
    rooms.flat_map(|room| room["messages"].as_array().unwrap()).find(|message| message["text"] == text)
}
