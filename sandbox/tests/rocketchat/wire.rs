//! Clients of the simulated Rocket.Chat for the tests: a plain DDP client and REST calls, over real sockets.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use reqwest::header::HeaderMap;
use sandbox::rocketchat::{NewRoom, NewUser, RocketChat, Room, User};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// How long a test waits for what must come.
pub const SOON: Duration = Duration::from_secs(20);

/// A DDP client that sends what the test says and reads frame by frame.
pub struct Ddp {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    calls: u32,
}

impl Ddp {
    /// A socket before the first frame.
    pub async fn open(chat: &RocketChat) -> Self {
        Self::try_open(chat).await.unwrap()
    }

    pub async fn try_open(chat: &RocketChat) -> Result<Self, tungstenite::Error> {
        let url = format!("{}/websocket", chat.url().replacen("http", "ws", 1));
        let (socket, _) = connect_async(url).await?;
        Ok(Self { socket, calls: 0 })
    }

    /// A session that is connected and not logged in.
    pub async fn connected(chat: &RocketChat) -> Self {
        let mut ddp = Self::open(chat).await;
        ddp.connect().await;
        ddp
    }

    /// A session that is logged in with a token.
    pub async fn logged_in(chat: &RocketChat, user: &User) -> Self {
        let mut ddp = Self::connected(chat).await;
        let token = chat.create_token(user).unwrap();
        let answer = ddp.call("login", json!([{ "resume": token }])).await;
        assert_eq!(answer["result"]["id"], user.id.as_str(), "{answer}");
        ddp
    }

    pub async fn connect(&mut self) -> Value {
        self.send(json!({ "msg": "connect", "version": "1", "support": ["1"] })).await;
        self.until("connected").await
    }

    pub async fn send(&mut self, frame: Value) {
        self.send_text(&frame.to_string()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// Closes the connection; the answer is read by [`end`](Self::end).
    pub async fn close(&mut self, code: u16) {
        let frame = CloseFrame { code: code.into(), reason: "".into() };
        self.socket.send(Message::Close(Some(frame))).await.unwrap();
    }

    /// The text of the next frame, or `None` when the connection has ended.
    async fn text_or_end(&mut self) -> Option<String> {
        loop {
            let message =
                tokio::time::timeout(SOON, self.socket.next()).await.expect("no frame came in time");
            match message {
                Some(Ok(Message::Text(text))) => return Some(text.to_string()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// The next frame, or `None` when the connection has ended.
    pub async fn next_or_end(&mut self) -> Option<Value> {
        self.text_or_end().await.map(|text| serde_json::from_str(&text).unwrap())
    }

    /// The next frame as it came.
    pub async fn next_text(&mut self) -> String {
        self.text_or_end().await.expect("the connection ended")
    }

    /// Whether nothing comes for so long, not even an end. A fault that shows in nothing else can only be waited for.
    pub async fn says_nothing_for(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.socket.next()).await.is_err()
    }

    pub async fn next(&mut self) -> Value {
        self.next_or_end().await.expect("the connection ended")
    }

    /// Waits for the end of the connection, and gives the code with which the server closed it.
    pub async fn end(&mut self) -> u16 {
        loop {
            let message = tokio::time::timeout(SOON, self.socket.next()).await.expect("no end came in time");
            match message {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(Message::Close(None)) | Err(_)) | None => {
                    panic!("the connection ended without a code")
                }
                Some(Ok(_)) => {}
            }
        }
    }

    /// The same client, after it has skipped everything that the server has sent so far.
    pub async fn skip_pending(mut self) -> Self {
        self.send(json!({ "msg": "ping", "id": "pending" })).await;
        while self.next().await != json!({ "msg": "pong", "id": "pending" }) {}
        self
    }

    /// The next frame with this `msg`; others are skipped.
    pub async fn until(&mut self, msg: &str) -> Value {
        loop {
            let frame = self.next().await;
            if frame["msg"] == msg {
                return frame;
            }
        }
    }

    /// Calls a method and gives the whole `result` frame.
    pub async fn call(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let id = format!("m{}", self.calls);
        self.send(json!({ "msg": "method", "method": method, "id": id, "params": params })).await;
        loop {
            let frame = self.until("result").await;
            if frame["id"] == id.as_str() {
                return frame;
            }
        }
    }

    /// Subscribes and gives the answer, `ready` or `nosub`.
    pub async fn subscribe(&mut self, stream: &str, event: &str) -> Value {
        self.calls += 1;
        let id = format!("s{}", self.calls);
        self.send(json!({ "msg": "sub", "id": id, "name": stream, "params": [event, false] })).await;
        loop {
            let frame = self.next().await;
            let mine = frame["id"] == id.as_str() || frame["subs"] == json!([id]);
            if mine && (frame["msg"] == "ready" || frame["msg"] == "nosub") {
                return frame;
            }
        }
    }

    /// Subscribes to all messages and waits until that is confirmed.
    pub async fn hear_all(&mut self) {
        let answer = self.subscribe("stream-room-messages", "__my_messages__").await;
        assert_eq!(answer["msg"], "ready", "{answer}");
    }

    /// The `args` of the next emission.
    pub async fn emitted(&mut self) -> Value {
        self.until("changed").await["fields"]["args"].take()
    }

    /// Whether everything that the server has sent is read: it answers a ping, and nothing came before.
    pub async fn is_silent(&mut self) -> bool {
        self.send(json!({ "msg": "ping", "id": "silence" })).await;
        self.next().await == json!({ "msg": "pong", "id": "silence" })
    }
}

/// A REST answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// REST calls as one user, or as nobody.
pub struct Rest {
    http: reqwest::Client,
    base: String,
    login: Option<(String, String)>,
}

impl Rest {
    pub fn nobody(chat: &RocketChat) -> Self {
        // Another test of this process may have chosen a provider already; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().timeout(SOON).build().unwrap();
        Self { http, base: format!("{}/api/v1", chat.url()), login: None }
    }

    pub fn of(chat: &RocketChat, user: &User) -> Self {
        let token = chat.create_token(user).unwrap();
        Self::with(chat, &user.id, &token)
    }

    pub fn with(chat: &RocketChat, user_id: &str, token: &str) -> Self {
        Self { login: Some((user_id.to_owned(), token.to_owned())), ..Self::nobody(chat) }
    }

    pub async fn try_send(&self, request: reqwest::RequestBuilder) -> reqwest::Result<Answer> {
        let request = match &self.login {
            Some((user, token)) => request.header("X-User-Id", user).header("X-Auth-Token", token),
            None => request,
        };
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Answer { status, headers, body })
    }

    pub fn getting(&self, route: &str, query: &[(&str, &str)]) -> reqwest::RequestBuilder {
        self.http.get(format!("{}/{route}", self.base)).query(query)
    }

    pub fn posting(&self, route: &str, body: Value) -> reqwest::RequestBuilder {
        self.http.post(format!("{}/{route}", self.base)).json(&body)
    }

    pub async fn get(&self, route: &str, query: &[(&str, &str)]) -> Answer {
        self.try_send(self.getting(route, query)).await.unwrap()
    }

    pub async fn post(&self, route: &str, body: Value) -> Answer {
        self.try_send(self.posting(route, body)).await.unwrap()
    }
}

/// A server with the user alice, the bot, and the channel #ops with both of them in it.
pub struct Office {
    pub chat: RocketChat,
    pub alice: User,
    pub bot: User,
    pub ops: Room,
}

impl Office {
    pub async fn open() -> Self {
        Self::with_chat(RocketChat::start().await.unwrap())
    }

    pub fn with_chat(chat: RocketChat) -> Self {
        let alice = chat.create_user(NewUser::named("alice").password("alice's secret")).unwrap();
        let bot = chat.create_user(NewUser::bot("signl4.bot").password("the bot's secret")).unwrap();
        let ops = chat.create_room(NewRoom::channel("ops").members([&alice, &bot])).unwrap();
        Self { chat, alice, bot, ops }
    }
}
