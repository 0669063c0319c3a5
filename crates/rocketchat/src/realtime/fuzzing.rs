//! What holds for any frames.

use std::sync::{Arc, LazyLock};

use secrecy::SecretString;
use tokio::time::Instant;

use super::frames::ServerFrame;
use super::protocol::Protocol;
use super::stream::{self, ROOM_MESSAGES};
use super::{LostReason, MessageView, Realtime, RealtimeEvent};
use crate::account::LoginRequest;
use crate::{Account, Connector, Credentials, UserId};

const TOKEN: &str = "t0k3n";

/// The frames with which a session comes online.
const HANDSHAKE: [&str; 3] = [
    r#"{"msg":"connected","session":"s"}"#,
    r#"{"msg":"result","id":"1","result":{"id":"bot","token":"t0k3n"}}"#,
    r#"{"msg":"ready","subs":["2","3","4","5"]}"#,
];

/// Made once, since reading the system's certificates is slow.
static REALTIME: LazyLock<Realtime> = LazyLock::new(|| {
    let credentials = Credentials::Token { user_id: UserId::new("bot"), token: TOKEN.into() };
    #[expect(clippy::unwrap_used, reason = "constants")]
    let account =
        Account::new("http://chat.invalid".parse().unwrap(), credentials, Connector::new("test").unwrap());
    Realtime::new(Arc::new(account))
});

/// One frame on each line.
pub(crate) fn frames(text: &str) {
    for frame in text.lines() {
        a_view_never_disagrees(frame);
        if let Ok(
            ServerFrame::Result { outcome: Err(error), .. } | ServerFrame::Nosub { error: Some(error), .. },
        ) = ServerFrame::decode(frame)
        {
            assert!(error.to_string().chars().count() <= 2 * 200 + 3, "{error}");
        }
    }
    a_session_survives([].into_iter(), text);
    a_session_survives(HANDSHAKE.into_iter(), text);
}

/// A filter sees the same as who reads the event afterwards.
fn a_view_never_disagrees(frame: &str) {
    let Some(view) = MessageView::of_frame(frame, REALTIME.account.server()) else { return };
    let decoded = ServerFrame::decode(frame);
    let Ok(ServerFrame::Changed { stream, args, .. }) = decoded else {
        // The full decoder also needs the name of the event, without which there is no message.
        assert!(matches!(decoded, Ok(ServerFrame::Other)), "{decoded:?}");
        return;
    };
    assert_eq!(stream, ROOM_MESSAGES);
    let read = stream::messages(&args, REALTIME.account.server());
    let read: Vec<_> = read.into_iter().flatten().collect();
    // A document without a usable time is no message to the full decoder.
    let [read] = &read[..] else { return assert!(read.is_empty(), "{read:?}") };
    let message = &read.message;
    assert_eq!(view.id, message.id.as_str());
    assert_eq!(view.room, message.room.as_str());
    assert_eq!(view.author, message.author.id.as_str());
    assert_eq!(view.has_type, message.has_type);
    assert_eq!(view.text().as_deref(), Some(message.text.as_str()));
    assert_eq!(view.participant, read.participant);
    assert_eq!(view.room_kind, read.room_kind);
    assert_eq!(view.room_name, read.room_name.as_deref());
}

/// Only frames that DDP defines to do so end a session, and each one is answered with few frames, none of which has the token
/// but the login.
fn a_session_survives<'f>(before: impl Iterator<Item = &'f str>, text: &'f str) {
    let login = LoginRequest::Resume(Arc::new(crate::account::Login {
        identity: crate::Identity { user_id: UserId::new("bot"), username: "signl4.bot".into() },
        token: SecretString::from(TOKEN),
    }));
    let now = Instant::now();
    let mut protocol = Protocol::new(&REALTIME, 1, login, now);
    for frame in before.chain(text.lines()) {
        if let Err(end) = protocol.receive(frame, now) {
            assert!(may_end(frame, &end), "{end:?} after {frame}");
            return;
        }
        let sent = protocol.to_send.len();
        for sending in protocol.to_send.drain(..) {
            let is_login = sending["method"] == "login";
            assert!(is_login || !sending.to_string().contains(TOKEN) || frame.contains(TOKEN));
        }
        for event in protocol.events() {
            if let RealtimeEvent::Message(streamed) = event {
                crate::fuzzing::is_bounded(&streamed.message);
            }
        }
        // The subscriptions after a login, or an answer to each.
        assert!(sent <= 6, "{sent} frames after {frame}");
        assert!(protocol.tick(now).is_ok());
    }
}

fn may_end(frame: &str, end: &LostReason) -> bool {
    match (ServerFrame::decode(frame), end) {
        (Ok(ServerFrame::Failed), LostReason::ConnectFailed) => true,
        (Ok(ServerFrame::Result { .. }), reason) => {
            matches!(reason.name(), "account" | "rate_limited" | "login" | "protocol")
        }
        (Ok(ServerFrame::Nosub { .. }), reason) => matches!(reason.name(), "rate_limited" | "nosub"),
        (Ok(ServerFrame::Changed { event, .. }), LostReason::ForcedLogout) => event == "bot/force_logout",
        _ => false,
    }
}
