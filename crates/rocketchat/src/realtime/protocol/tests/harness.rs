//! A protocol under test, and the frames of a server.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};

use super::super::*;
use crate::account::Login;
use crate::realtime::FrameCounts;
use crate::{Account, Connector, Credentials, UserId};

/// Shared, since reading the system's certificates is slow.
static CONNECTOR: LazyLock<Connector> = LazyLock::new(|| Connector::new("test").unwrap());

/// A protocol under test, with what it has sent and emitted.
pub(super) struct Conversation {
    pub(super) protocol: Protocol<'static>,
    pub(super) account: &'static Account,
    pub(super) counts: &'static FrameCounts,
    now: Instant,
}

impl Conversation {
    /// With a personal access token.
    pub(super) fn new() -> Self {
        let token = SecretString::from("t0k3n");
        let identity = Identity { user_id: UserId::new("bot"), username: "signl4.bot".into() };
        let login = LoginRequest::Resume(Arc::new(Login { identity, token: token.clone() }));
        Self::with(Credentials::Token { user_id: UserId::new("bot"), token }, login)
    }

    /// With a password that REST refused.
    pub(super) fn with_password() -> Self {
        let password = SecretString::from("pa55word");
        let login =
            LoginRequest::Password { username: "signl4.bot".into(), digest: SecretString::from("d1ge5t") };
        Self::with(Credentials::Password { username: "signl4.bot".into(), password }, login)
    }

    fn with(credentials: Credentials, login: LoginRequest) -> Self {
        // Leaks a few hundred bytes per test.
        let server = "http://chat.invalid".parse().unwrap();
        let account = Account::new(server, credentials, CONNECTOR.clone());
        let realtime: &Realtime = Box::leak(Box::new(Realtime::new(Arc::new(account))));
        let now = Instant::now();
        let protocol = Protocol::new(realtime, 1, login, now);
        Self { protocol, account: &realtime.account, counts: &realtime.counts, now }
    }

    /// Logged in, with the subscriptions requested and not answered.
    pub(super) fn subscribing() -> Self {
        let mut conversation = Self::new();
        conversation.receive(json!({"msg": "connected", "session": "s"}));
        conversation.receive(json!({"msg": "result", "id": "1", "result": {"id": "bot", "token": "t0k3n"}}));
        conversation
    }

    /// Online.
    pub(super) fn online() -> Self {
        let mut conversation = Self::subscribing();
        let ids = conversation.sub_ids();
        conversation.receive(json!({"msg": "ready", "subs": ids}));
        assert!(matches!(conversation.events()[..], [RealtimeEvent::Ready { .. }]));
        conversation.sent();
        conversation
    }

    pub(super) fn try_receive(&mut self, frame: &str) -> Result<(), LostReason> {
        self.protocol.receive(frame, self.now)
    }

    pub(super) fn receive(&mut self, frame: Value) {
        self.try_receive(&frame.to_string()).unwrap_or_else(|end| panic!("{end:?} after {frame}"));
    }

    pub(super) fn end(&mut self, frame: Value) -> LostReason {
        self.try_receive(&frame.to_string()).unwrap_err()
    }

    pub(super) fn advance(&mut self, time: Duration) -> Result<(), LostReason> {
        self.now += time;
        self.protocol.tick(self.now)
    }

    /// The frames sent since the last call.
    pub(super) fn sent(&mut self) -> Vec<Value> {
        self.protocol.to_send.drain(..).collect()
    }

    /// The events emitted since the last call.
    pub(super) fn events(&mut self) -> Vec<RealtimeEvent> {
        self.protocol.events().collect()
    }

    /// The ids of the subscriptions requested since the last call of `sent`.
    pub(super) fn sub_ids(&mut self) -> Vec<String> {
        let subs = self.sent().into_iter().filter(|frame| frame["msg"] == "sub");
        subs.map(|frame| frame["id"].as_str().unwrap().to_owned()).collect()
    }

    pub(super) fn message_ids(&mut self) -> Vec<String> {
        let events = self.events().into_iter();
        events
            .filter_map(|event| match event {
                RealtimeEvent::Message(streamed) => Some(streamed.message.id.to_string()),
                _ => None,
            })
            .collect()
    }
}

pub(super) fn message(id: &str) -> Value {
    changed("stream-room-messages", "__my_messages__", json!([document(id), {"roomParticipant": true}]))
}

pub(super) fn document(id: &str) -> Value {
    json!({"_id": id, "rid": "r", "msg": "hello", "ts": {"$date": 1_700_000_000_000_i64}, "u": {"_id": "alice"}})
}

pub(super) fn changed(stream: &str, event: &str, args: Value) -> Value {
    json!({"msg": "changed", "collection": stream, "id": "id", "fields": {"eventName": event, "args": args}})
}

pub(super) fn of_user(topic: &str, args: Value) -> Value {
    changed("stream-notify-user", &format!("bot/{topic}"), args)
}
