//! One realtime session: handshake, heartbeat, and dispatch of frames.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::frames::{self, Incoming, Malformed};
use super::writer;
use crate::rocketchat::faults::Switches;
use crate::rocketchat::options::Limit;
use crate::rocketchat::rate_limit::Windows;
use crate::rocketchat::refusal::Refusal;
use crate::rocketchat::shared::Shared;

/// The streamer's close codes (`WS_ERRORS`).
const PROTOCOL_ERROR: u16 = 1002;
const UNSUPPORTED_DATA: u16 = 1007;
const TIMED_OUT: u16 = 4000;

/// The streamer's first idle time is a thousandth of the later ones.
const STREAMER_FIRST_PING: Duration = Duration::from_millis(30);

/// The first major version of Rocket.Chat that runs on Meteor 3.
const METEOR_3: u32 = 7;

/// How long to wait for the end of a connection.
const SEEING_OFF: Duration = Duration::from_secs(5);

/// Serves one socket until either side ends it.
pub(in crate::rocketchat) async fn run(shared: Arc<Shared>, socket: WebSocket) {
    let (id, queue) = shared.sessions.enter();
    let (sink, mut stream) = socket.split();
    let writing = writer::write(sink, queue, shared.faults.watch());
    let mut connection =
        Connection { shared: Arc::clone(&shared), id, connected: false, windows: Windows::default() };
    tokio::select! {
        () = writing => {}
        () = connection.read(&mut stream) => {}
    }
    shared.sessions.leave(id);
    shared.wake();
    if !shared.faults.switches().stall {
        see_off(&mut stream).await;
    }
}

/// Reads until the connection has ended: this answers a client's close frame, and lets the client read ours before the
/// socket is closed.
async fn see_off(stream: &mut SplitStream<WebSocket>) {
    let end = async { while let Some(Ok(_)) = stream.next().await {} };
    // A client that does not close in time is cut off.
    let _ = timeout(SEEING_OFF, end).await;
}

/// The reading side of a session.
pub(super) struct Connection {
    pub(super) shared: Arc<Shared>,
    pub(super) id: u64,
    connected: bool,
    windows: Windows,
}

impl Connection {
    async fn read(&mut self, stream: &mut SplitStream<WebSocket>) {
        self.send_first_frames();
        let mut pinged = false;
        loop {
            let Ok(received) = timeout(self.silence_allowed(pinged), stream.next()).await else {
                if pinged {
                    return self.give_up().await;
                }
                self.send(&frames::ping());
                pinged = true;
                continue;
            };
            pinged = false;
            match received {
                Some(Ok(Message::Text(text))) => self.take(&text),
                Some(Ok(Message::Binary(_))) => {
                    self.malformed(&Malformed { reason: "Parse error", offending: None })
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            }
        }
    }

    fn send_first_frames(&self) {
        let switches = self.switches();
        if switches.streamer {
            self.send(&json!({ "msg": "server_id", "server_id": "0" }));
        } else if switches.send_server_id || self.shared.options.major() < METEOR_3 {
            self.send(&json!({ "server_id": "0" }));
        }
        if switches.ping_before_connected {
            self.send(&frames::ping());
        }
    }

    /// How long the client may be silent.
    fn silence_allowed(&self, pinged: bool) -> Duration {
        let heartbeat = self.shared.options.heartbeat;
        match (self.connected, self.switches().streamer, pinged) {
            (_, _, true) => heartbeat.timeout,
            (false, true, false) => STREAMER_FIRST_PING,
            // Meteor's heartbeat starts with `connected`; before that a silent socket stays open.
            (false, false, false) => Duration::from_secs(3600),
            (true, _, false) => heartbeat.interval,
        }
    }

    /// Closes a connection that has been silent for too long; the writer sends the close frame.
    async fn give_up(&self) {
        let code = if self.switches().streamer { TIMED_OUT } else { 1000 };
        self.shared.sessions.close(self.id, code, "");
        std::future::pending().await
    }

    fn take(&mut self, text: &str) {
        match frames::parse(text) {
            Ok(Incoming::Connect { versions_fit }) => self.connect(versions_fit),
            Ok(_) if !self.connected => self.not_connected(text),
            Ok(Incoming::Ping { id }) => self.send(&frames::pong(id)),
            Ok(Incoming::Pong) => {}
            Ok(Incoming::Method { id, method, params }) => self.call(&id, &method, &params),
            Ok(Incoming::Sub { id, name, params }) => self.subscribe(id, name, &params),
            Ok(Incoming::Unsub { id }) => self.unsubscribe(&id),
            Err(malformed) => self.malformed(&malformed),
        }
    }

    fn connect(&mut self, versions_fit: bool) {
        if self.connected {
            return self.malformed(&Malformed::new("Already connected", &json!({ "msg": "connect" })));
        }
        let switches = self.switches();
        // The streamer does not look at the versions.
        if switches.refuse_connect || (!versions_fit && !switches.streamer) {
            self.send(&frames::failed());
            return self.close(1000);
        }
        self.connected = true;
        let session = self.shared.act(|world| world.ids.document());
        self.send(&frames::connected(&session));
    }

    fn not_connected(&self, text: &str) {
        if self.switches().streamer {
            return self.close(PROTOCOL_ERROR);
        }
        let offending = serde_json::from_str(text).unwrap_or(Value::Null);
        self.send(&Malformed::new("Must connect first", &offending).frame());
    }

    /// The monolith answers a malformed frame, the streamer closes: 1007 for unreadable JSON, 1002 for a missing field.
    fn malformed(&self, malformed: &Malformed) {
        if !self.switches().streamer {
            return self.send(&malformed.frame());
        }
        match malformed.reason {
            "Parse error" => self.close(UNSUPPORTED_DATA),
            "Bad request" | "Already connected" => {}
            _ => self.close(PROTOCOL_ERROR),
        }
    }

    fn close(&self, code: u16) {
        self.shared.sessions.close(self.id, code, "");
    }

    /// Closes as the streamer does after a logout.
    pub(super) fn close_after_logout(&self) {
        self.close(PROTOCOL_ERROR);
    }

    pub(super) fn send(&self, frame: &Value) {
        self.shared.sessions.with(self.id, |session| session.send(frame));
    }

    pub(super) fn switches(&self) -> Switches {
        self.shared.faults.switches()
    }

    pub(super) fn user(&self) -> Option<String> {
        self.shared.sessions.with(self.id, |session| session.user_id.clone()).flatten()
    }

    /// Counts a call or a subscription against the limits of this connection.
    pub(super) fn admit(&mut self, name: &str) -> Result<(), Refusal> {
        let limits = self.shared.options.limits;
        if name == "login" {
            self.windows.admit("login", limits.logins)?;
        }
        self.windows.admit("*", limits.all_methods)?;
        let by_name = match name {
            // Has its own limit, for users without `send-many-messages`.
            "sendMessage" => limits.methods.and_then(|_| self.send_limit()),
            _ if name.starts_with("stream-") => limits.methods.map(four_times),
            _ => limits.methods,
        };
        self.windows.admit(&format!("name:{name}"), by_name)
    }

    fn send_limit(&self) -> Option<Limit> {
        let bypass =
            self.user().is_some_and(|user| self.shared.look(|world| world.may(&user, "send-many-messages")));
        (!bypass).then_some(Limit::per_seconds(5, 1))
    }
}

/// Streams are allowed four times the calls in four times the window.
fn four_times(limit: Limit) -> Limit {
    Limit { calls: limit.calls * 4, window: limit.window * 4 }
}
