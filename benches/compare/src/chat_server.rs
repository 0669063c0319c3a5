//! The feeder: as much of Rocket.Chat as the sides need to log in and subscribe, and SIGNL4's webhook beside it. It
//! shares no code with the bot or the sandbox, and does nothing else while it sends frames.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::serve::ListenerExt;
use axum::{Json, Router};
use futures_util::{SinkExt, StreamExt};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::Failure;
use crate::generated_frames::{room_id, room_name};

/// The account of every side.
pub const USER_ID: &str = "user0000000000bot";
pub const USERNAME: &str = "signl4.bot";
pub const TOKEN: &str = "a-token-of-the-bot";

/// What a side did.
#[derive(Debug)]
pub enum Seen {
    /// It subscribed to the messages of all rooms.
    Subscribed,
    /// It answered a ping of the WebSocket.
    Pong,
    /// It called the method `seen`.
    Called,
    /// It raised an alert.
    Paged { text: String, event_id: String },
    /// It posted a message.
    Posted { thread: String },
}

/// What to send.
enum Order {
    Frames(Vec<u8>),
    Ping,
}

struct Shared {
    rooms: usize,
    /// When everything in it was made and last changed.
    began: Timestamp,
    seen: mpsc::UnboundedSender<(Instant, Seen)>,
    connection: Mutex<Option<mpsc::UnboundedSender<Order>>>,
    alerts: AtomicUsize,
}

/// A running server.
pub struct ChatServer {
    pub url: String,
    shared: Arc<Shared>,
    seen: mpsc::UnboundedReceiver<(Instant, Seen)>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for ChatServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ChatServer {
    /// Starts a server with so many rooms, with the account in all of them.
    pub async fn start(rooms: usize) -> Result<Self, Failure> {
        let (sender, seen) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            rooms,
            began: Timestamp::now(),
            seen: sender,
            connection: Mutex::default(),
            alerts: AtomicUsize::new(0),
        });
        let router = Router::new()
            .route("/websocket", any(websocket))
            .route("/api/info", get(async || Json(json!({ "version": "7.7", "success": true }))))
            .route("/api/v1/{route}", get(read).post(write))
            .route("/webhook/{secret}", post(webhook))
            .fallback(async |request: Request| {
                eprintln!("not served: {} {}", request.method(), request.uri());
                StatusCode::NOT_FOUND
            })
            .with_state(shared.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let listener = listener.tap_io(|socket| {
            let _ = socket.set_nodelay(true);
        });
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { url, shared, seen, task })
    }

    /// Sends bytes of WebSocket frames to the side that subscribed last.
    pub fn send(&self, frames: Vec<u8>) {
        self.order(Order::Frames(frames));
    }

    /// Sends a ping of the WebSocket, after what was sent before.
    pub fn ping(&self) {
        self.order(Order::Ping);
    }

    fn order(&self, order: Order) {
        let connection = self.shared.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connection) = connection.as_ref() {
            let _ = connection.send(order);
        }
    }

    /// Waits for the next thing that a side does, and when it came.
    pub async fn next(&mut self) -> Result<(Instant, Seen), Failure> {
        let next = tokio::time::timeout(crate::DEADLINE, self.seen.recv()).await;
        next.ok().flatten().ok_or_else(|| "the side did nothing in time".into())
    }

    /// What was seen but not waited for, if anything.
    pub fn try_next(&mut self) -> Option<(Instant, Seen)> {
        self.seen.try_recv().ok()
    }
}

async fn websocket(State(shared): State<Arc<Shared>>, mut request: Request) -> Response {
    let Some(key) = request.headers().get("sec-websocket-key") else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let accept = derive_accept_key(key.as_bytes());
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
            let _ = serve(shared, socket).await;
        }
    });
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// Answers a client and carries out orders until it disconnects.
async fn serve(shared: Arc<Shared>, mut socket: Socket) -> Result<(), tungstenite::Error> {
    let (sender, mut orders) = mpsc::unbounded_channel();
    loop {
        tokio::select! {
            frame = socket.next() => match frame.transpose()? {
                Some(Message::Text(text)) => {
                    let frame: Value = serde_json::from_str(&text).unwrap_or_default();
                    for answer in answers(&shared, &frame, &sender) {
                        socket.send(Message::text(answer.to_string())).await?;
                    }
                }
                Some(Message::Pong(_)) => shared.report(Seen::Pong),
                Some(Message::Close(_)) | None => return Ok(()),
                Some(_) => {}
            },
            Some(order) = orders.recv() => match order {
                // Past the library, which would frame each message again.
                Order::Frames(frames) => socket.get_mut().write_all(&frames).await?,
                Order::Ping => socket.send(Message::Ping(Bytes::from_static(b"seen?"))).await?,
            },
        }
    }
}

fn answers(shared: &Shared, frame: &Value, orders: &mpsc::UnboundedSender<Order>) -> Vec<Value> {
    let id = &frame["id"];
    match frame["msg"].as_str().unwrap_or_default() {
        "connect" => vec![json!({ "msg": "connected", "session": "a-session" })],
        "ping" => vec![json!({ "msg": "pong" })],
        "sub" => {
            if frame["params"][0] == "__my_messages__" {
                let mut connection = shared.connection.lock().unwrap_or_else(PoisonError::into_inner);
                *connection = Some(orders.clone());
                shared.report(Seen::Subscribed);
            }
            vec![json!({ "msg": "ready", "subs": [id] })]
        }
        "unsub" => vec![json!({ "msg": "nosub", "id": id })],
        "method" => {
            let result = match frame["method"].as_str().unwrap_or_default() {
                "login" => {
                    let expires = Timestamp::now().as_millisecond() + 90 * 24 * 3_600_000;
                    json!({ "id": USER_ID, "token": TOKEN, "tokenExpires": { "$date": expires }, "type": "resume" })
                }
                "seen" => {
                    shared.report(Seen::Called);
                    Value::Null
                }
                _ => Value::Null,
            };
            vec![
                json!({ "msg": "updated", "methods": [id] }),
                json!({ "msg": "result", "id": id, "result": result }),
            ]
        }
        _ => Vec::new(),
    }
}

impl Shared {
    fn report(&self, seen: Seen) {
        let _ = self.seen.send((Instant::now(), seen));
    }

    fn rooms(&self) -> Vec<Value> {
        (0..self.rooms).map(|room| self.room(room)).collect()
    }

    /// A room's document, with its last message, as servers store it by default.
    fn room(&self, room: usize) -> Value {
        let began = self.began.to_string();
        let user = json!({ "_id": "user0000000000001", "username": "alice", "name": "alice" });
        let text = "the pump station reports pressure below four bar since this morning";
        json!({
            "_id": room_id(room), "t": "c", "name": room_name(room), "fname": room_name(room), "msgs": 4711,
            "usersCount": 23, "u": user, "ts": began, "ro": false, "sysMes": true, "default": false,
            "lm": began, "_updatedAt": began, "topic": "What the team talks about",
            "lastMessage": {
                "_id": format!("last{room:013}"), "rid": room_id(room), "msg": text, "ts": began, "u": user,
                "_updatedAt": began, "urls": [], "mentions": [], "channels": [],
                "md": [{ "type": "PARAGRAPH", "value": [{ "type": "PLAIN_TEXT", "value": text }] }],
            },
        })
    }

    fn subscriptions(&self) -> Vec<Value> {
        let began = self.began.to_string();
        let subscription = |room| {
            json!({
                "_id": format!("subs{room:013}"), "rid": room_id(room), "t": "c", "name": room_name(room),
                "fname": room_name(room), "u": { "_id": USER_ID, "username": USERNAME }, "open": true, "alert": false,
                "unread": 0, "userMentions": 0, "groupMentions": 0, "roles": [], "ts": began, "ls": began,
                "_updatedAt": began,
            })
        };
        (0..self.rooms).map(subscription).collect()
    }
}

async fn read(
    State(shared): State<Arc<Shared>>,
    Path(route): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
) -> Response {
    let param = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    // No room ever changes: reading a room again is not part of the cost of a message.
    let all = param("updatedSince").is_none();
    let mut answer = match route.as_str() {
        "me" => json!({
            "_id": USER_ID, "username": USERNAME, "name": USERNAME, "roles": ["bot"], "active": true,
        }),
        "rooms.get" => json!({ "update": if all { shared.rooms() } else { vec![] }, "remove": [] }),
        "subscriptions.get" => {
            json!({ "update": if all { shared.subscriptions() } else { vec![] }, "remove": [] })
        }
        "channels.list" | "channels.list.joined" => {
            let number = |name| param(name).and_then(|text| text.parse().ok());
            let offset: usize = number("offset").unwrap_or(0).min(shared.rooms);
            let end = offset.saturating_add(number("count").unwrap_or(50)).min(shared.rooms);
            let channels: Vec<Value> = (offset..end).map(|room| shared.room(room)).collect();
            json!({ "channels": channels, "offset": offset, "count": end - offset, "total": shared.rooms })
        }
        "rooms.info" | "channels.info" => {
            let named = |room: &usize| {
                param("roomId").is_some_and(|id| id == room_id(*room))
                    || param("roomName").is_some_and(|name| name == room_name(*room))
            };
            match (0..shared.rooms).find(named) {
                Some(room) => json!({ "room": shared.room(room) }),
                None => return refused("Room not found [error-room-not-found]"),
            }
        }
        "chat.syncMessages" => {
            json!({ "result": { "updated": [], "deleted": [], "cursor": { "next": null, "previous": null } } })
        }
        // Whether the thread of a reply still exists.
        "chat.getMessage" => json!({ "message": { "_id": param("msgId"), "rid": room_id(1) } }),
        "permissions.listAll" => json!({ "update": [], "remove": [] }),
        _ => {
            eprintln!("not served: GET {route} {query:?}");
            return StatusCode::NOT_FOUND.into_response();
        }
    };
    answer["success"] = json!(true);
    Json(answer).into_response()
}

async fn write(State(shared): State<Arc<Shared>>, Path(route): Path<String>, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let answer = match route.as_str() {
        "login" => json!({
            "status": "success",
            "data": { "userId": USER_ID, "authToken": TOKEN, "me": { "_id": USER_ID, "username": USERNAME } },
        }),
        "chat.sendMessage" => {
            let message = &body["message"];
            shared.report(Seen::Posted { thread: message["tmid"].as_str().unwrap_or_default().to_owned() });
            json!({ "message": message, "success": true })
        }
        "chat.react" | "channels.join" | "logout" => json!({ "success": true }),
        _ => {
            eprintln!("not served: POST {route} {body}");
            return StatusCode::NOT_FOUND.into_response();
        }
    };
    Json(answer).into_response()
}

fn refused(error: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "success": false, "error": error }))).into_response()
}

/// SIGNL4's inbound webhook.
async fn webhook(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let event: Value = serde_json::from_slice(&body).unwrap_or_default();
    let number = shared.alerts.fetch_add(1, Ordering::Relaxed);
    let event_id = format!("25187832359497{number:05}_fbc7b4a4-badd-47b8-9e1d-702fb6a1a0b2");
    let text = event["message"].as_str().unwrap_or_default().to_owned();
    shared.report(Seen::Paged { text, event_id: event_id.clone() });
    (StatusCode::CREATED, Json(json!({ "eventId": event_id }))).into_response()
}
