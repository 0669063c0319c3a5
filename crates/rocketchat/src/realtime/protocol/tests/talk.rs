//! A conversation under test.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};

use super::super::*;
use crate::account::Login;
use crate::rest::Subscription;
use crate::{Connector, Credentials, Room, RoomKind, UserId};

/// Reading the system's certificates takes a while.
static CONNECTOR: LazyLock<Connector> = LazyLock::new(|| Connector::new().unwrap());

/// One conversation under test.
pub(super) struct Talk {
    pub(super) protocol: Protocol<'static>,
    pub(super) account: &'static Account,
    pub(super) counts: &'static FrameCounts,
    now: Instant,
    said: Vec<Value>,
    told: Vec<RealtimeEvent>,
    pub(super) lists_asked_for: usize,
}

impl Talk {
    /// With a personal access token.
    pub(super) fn new() -> Self {
        let token = SecretString::from("t0k3n");
        let identity = Identity { user_id: UserId::new("bot"), username: "signl4.bot".into() };
        let login = LoginRequest::Resume(Arc::new(Login { identity, token: token.clone() }));
        Self::with(Credentials::Token { user_id: UserId::new("bot"), token }, login)
    }

    /// With a password that REST did not take.
    pub(super) fn with_password() -> Self {
        let password = SecretString::from("pa55word");
        let login =
            LoginRequest::Password { username: "signl4.bot".into(), digest: SecretString::from("d1ge5t") };
        Self::with(Credentials::Password { username: "signl4.bot".into(), password }, login)
    }

    fn with(credentials: Credentials, login: LoginRequest) -> Self {
        // A few hundred bytes a test, for the life of the test process.
        let server = "http://chat.invalid".parse().unwrap();
        let account: &Account = Box::leak(Box::new(Account::new(server, credentials, CONNECTOR.clone())));
        let counts: &FrameCounts = Box::leak(Box::default());
        let timing: &Timing = Box::leak(Box::default());
        let now = Instant::now();
        let protocol = Protocol::new(account, timing, counts, 1, login, now);
        Self { protocol, account, counts, now, said: vec![], told: vec![], lists_asked_for: 0 }
    }

    /// Logged in, with the subscriptions asked for and not answered.
    pub(super) fn subscribing() -> Self {
        let mut talk = Self::new();
        talk.hear(json!({"msg": "connected", "session": "s"}));
        talk.hear(json!({"msg": "result", "id": "1", "result": {"id": "bot", "token": "t0k3n"}}));
        talk
    }

    /// With a session that stands.
    pub(super) fn online() -> Self {
        let mut talk = Self::subscribing();
        let ids = talk.sub_ids();
        talk.hear(json!({"msg": "ready", "subs": ids}));
        assert!(matches!(talk.told()[..], [RealtimeEvent::Ready { .. }]));
        talk.said();
        talk
    }

    /// With the subscription to all rooms refused, and these rooms listed.
    pub(super) fn with_each_room(rooms: &[&str]) -> Self {
        let mut talk = Self::subscribing();
        let subs = talk.said();
        for sub in &subs {
            let id = &sub["id"];
            match sub["params"][0] == "__my_messages__" {
                true => talk.hear(json!({"msg": "nosub", "id": id, "error": {"error": "not-allowed"}})),
                false if sub["msg"] == "sub" => talk.hear(json!({"msg": "ready", "subs": [id]})),
                false => {}
            }
        }
        talk.act();
        assert_eq!(std::mem::take(&mut talk.lists_asked_for), 1);
        talk.list(rooms).unwrap();
        talk
    }

    pub(super) fn try_hear(&mut self, frame: &str) -> Result<(), End> {
        self.protocol.receive(frame, self.now)
    }

    pub(super) fn hear(&mut self, frame: Value) {
        self.try_hear(&frame.to_string()).unwrap_or_else(|end| panic!("{end:?} after {frame}"));
    }

    pub(super) fn end(&mut self, frame: Value) -> End {
        self.try_hear(&frame.to_string()).unwrap_err()
    }

    pub(super) fn list(&mut self, rooms: &[&str]) -> Result<(), End> {
        let listed = rooms.iter().map(|id| subscription(id)).collect();
        self.protocol.rooms_are(listed, self.now)
    }

    pub(super) fn wait(&mut self, time: Duration) -> Result<(), End> {
        self.now += time;
        self.protocol.tick(self.now)
    }

    fn act(&mut self) {
        while let Some(action) = self.protocol.next_action() {
            match action {
                Action::Send(frame) => self.said.push(serde_json::from_str(&frame.encode()).unwrap()),
                Action::Tell(event) => self.told.push(event),
                Action::ListRooms => self.lists_asked_for += 1,
            }
        }
    }

    /// What it has said since this was last asked.
    pub(super) fn said(&mut self) -> Vec<Value> {
        self.act();
        std::mem::take(&mut self.said)
    }

    /// What it has told since this was last asked.
    pub(super) fn told(&mut self) -> Vec<RealtimeEvent> {
        self.act();
        std::mem::take(&mut self.told)
    }

    /// The ids of the subscriptions asked for so far.
    pub(super) fn sub_ids(&mut self) -> Vec<String> {
        let subs = self.said().into_iter().filter(|frame| frame["msg"] == "sub");
        subs.map(|frame| frame["id"].as_str().unwrap().to_owned()).collect()
    }

    /// The one subscription asked for since last asked: its id and its room.
    pub(super) fn sub(&mut self) -> (String, String) {
        let said = self.said();
        let [frame] = &said[..] else { panic!("{said:?}") };
        assert_eq!((&frame["msg"], &frame["name"]), (&json!("sub"), &json!("stream-room-messages")));
        (frame["id"].as_str().unwrap().to_owned(), frame["params"][0].as_str().unwrap().to_owned())
    }

    pub(super) fn messages_told(&mut self) -> Vec<String> {
        let told = self.told().into_iter();
        told.filter_map(|event| match event {
            RealtimeEvent::Message { message, .. } => Some(message.id.to_string()),
            _ => None,
        })
        .collect()
    }
}

fn subscription(room: &str) -> Subscription {
    Subscription {
        id: Some(format!("sub-{room}")),
        room: Room { id: RoomId::new(room), name: None, kind: RoomKind::Channel },
        display_name: None,
        roles: vec![],
        archived: false,
        joined_at: None,
        updated_at: None,
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

pub(super) fn lost(end: End) -> LostReason {
    let End::Lost(reason) = end else { panic!("{end:?}") };
    reason
}
