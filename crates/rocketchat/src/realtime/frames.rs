//! DDP frames: those that the client sends, and those of the server, read leniently.
//!
//! An unreadable frame is an error for the session to count and skip; a readable one that is not needed is
//! [`ServerFrame::Other`]. No frame may cause a panic, and only those that DDP defines to do so may end a session.
//!
//! Source: <https://github.com/meteor/meteor/blob/devel/packages/ddp/DDP.md>.

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::account::{LoginRequest, login_field};
use crate::wire;

/// The longest wait that a server can ask for. Its rate limits are a matter of seconds.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);

/// Always the first frame.
pub(super) fn connect() -> Value {
    json!({"msg": "connect", "version": "1", "support": ["1"]})
}

/// The method `login`. The frame holds the token.
pub(super) fn login(id: &str, login: &LoginRequest) -> Value {
    let params = match login {
        LoginRequest::Resume(login) => json!({"resume": login.token.expose_secret()}),
        LoginRequest::Password { username, digest } => json!({
            "user": {login_field(username): username},
            "password": {"digest": digest.expose_secret(), "algorithm": "sha-256"},
        }),
    };
    json!({"msg": "method", "method": "login", "id": id, "params": [params]})
}

/// A subscription to one event of a stream.
pub(super) fn sub(id: &str, stream: &str, event: &str) -> Value {
    // `false`: without it the server sends an `added` frame beside `ready`.
    json!({"msg": "sub", "id": id, "name": stream, "params": [event, false]})
}

/// Asks for a pong.
pub(super) fn ping() -> Value {
    json!({"msg": "ping"})
}

/// The answer to a ping.
pub(super) fn pong(id: Option<String>) -> Value {
    match id {
        Some(id) => json!({"msg": "pong", "id": id}),
        None => json!({"msg": "pong"}),
    }
}

/// A received frame.
#[derive(Debug)]
pub(super) enum ServerFrame {
    /// The answer to `connect`.
    Connected,
    /// The answer to `connect` with an unsupported version.
    Failed,
    /// Asks for a pong.
    Ping { id: Option<String> },
    /// The answer to a method. A streamer omits an empty result.
    Result { id: String, outcome: Result<Value, DdpError> },
    /// These subscriptions are confirmed.
    Ready { subs: Vec<String> },
    /// This subscription was refused or has ended; without an error, on request.
    Nosub { id: String, error: Option<DdpError> },
    /// An event of a stream.
    Changed { stream: String, event: String, args: Vec<Value> },
    /// The server did not understand a frame.
    Error { reason: String },
    /// A frame that is not needed: greeting, `pong`, `updated`, `added`, unknown ones.
    Other,
}

/// A DDP error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DdpError {
    /// `error`: a number or a text.
    pub(super) code: String,
    /// `reason`, or `message`.
    pub(super) reason: String,
    /// `details.timeToReset` of `too-many-requests`.
    pub(super) time_to_reset: Option<Duration>,
}

impl ServerFrame {
    /// Reads one frame. The error says why it cannot be read, and nothing of its content.
    pub(super) fn decode(text: &str) -> Result<Self, &'static str> {
        let frame = serde_json::from_str(text)
            .or_else(|_| serde_json::from_str(&lenient_json::repair(text.as_bytes())));
        let mut frame: Value = frame.map_err(|_| "not JSON")?;
        if !frame.is_object() {
            return Err("not an object");
        }
        let Some(msg) = wire::text(&frame, "msg") else {
            // Only the monolith's greeting has none.
            return if frame.get("server_id").is_some() { Ok(Self::Other) } else { Err(r#"no "msg""#) };
        };
        let id = frame.get("id").and_then(wire::code);
        Ok(match msg {
            "connected" => Self::Connected,
            "failed" => Self::Failed,
            "ping" => Self::Ping { id },
            "result" => Self::Result { id: id.ok_or(r#"no "id""#)?, outcome: outcome(&mut frame) },
            "ready" => Self::Ready { subs: ids(&frame, "subs").ok_or(r#"no "subs""#)? },
            "nosub" => {
                let error = frame.get("error").filter(|error| !error.is_null()).map(DdpError::read);
                Self::Nosub { id: id.ok_or(r#"no "id""#)?, error }
            }
            "changed" => changed(&mut frame)?,
            // Its `offendingMessage` may be the login, so it is not kept.
            "error" => Self::Error { reason: bounded(wire::text(&frame, "reason").unwrap_or_default()) },
            _ => Self::Other,
        })
    }
}

fn outcome(frame: &mut Value) -> Result<Value, DdpError> {
    match frame.get("error").filter(|error| !error.is_null()) {
        Some(error) => Err(DdpError::read(error)),
        None => Ok(frame.get_mut("result").map(Value::take).unwrap_or_default()),
    }
}

/// `fields.eventName` and `fields.args` of a stream; a change of a collection has neither.
fn changed(frame: &mut Value) -> Result<ServerFrame, &'static str> {
    let stream = wire::text(frame, "collection").ok_or(r#"no "collection""#)?.to_owned();
    let Some(fields) = frame.get_mut("fields") else { return Ok(ServerFrame::Other) };
    let Some(event) = wire::text(fields, "eventName").map(str::to_owned) else {
        return Ok(ServerFrame::Other);
    };
    match fields.get_mut("args").map(Value::take) {
        Some(Value::Array(args)) => Ok(ServerFrame::Changed { stream, event, args }),
        None | Some(Value::Null) => Ok(ServerFrame::Changed { stream, event, args: Vec::new() }),
        Some(_) => Err(r#"no "args""#),
    }
}

/// The part of a server's text that is kept for the log.
fn bounded(words: &str) -> String {
    words.chars().take(200).collect()
}

fn ids(frame: &Value, key: &str) -> Option<Vec<String>> {
    Some(frame.get(key)?.as_array()?.iter().filter_map(wire::code).collect())
}

impl DdpError {
    /// `{error, reason?, message?, details?}`, or a bare text or number.
    fn read(error: &Value) -> Self {
        let code = error.get("error").or(Some(error)).and_then(wire::code).unwrap_or_default();
        let reason =
            wire::filled(error, "reason").or_else(|| wire::filled(error, "message")).unwrap_or_default();
        let wait = error.pointer("/details/timeToReset").and_then(Value::as_f64);
        Self {
            code: bounded(&code),
            reason: bounded(reason),
            time_to_reset: wait
                .filter(|ms| (0.0..86_400_000.0).contains(ms))
                .map(|ms| Duration::from_millis(ms as u64).min(LONGEST_WAIT)),
        }
    }

    /// Whether the call was rate limited.
    pub(super) fn is_rate_limit(&self) -> bool {
        self.code.contains("too-many-requests")
    }

    /// Whether the account is not allowed to do this. A starting server answers 404 or 500 to what it accepts a moment
    /// later.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(
            self.code.as_str(),
            "not-allowed" | "error-not-allowed" | "401" | "403" | "unauthorized" | "error-unauthorized"
        )
    }
}

impl fmt::Display for DdpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason.as_str() {
            "" => f.write_str(&self.code),
            reason => write!(f, "{reason} ({})", self.code),
        }
    }
}

/// The user ID in a login's result, and the token if a new one was issued.
pub(super) fn login_result(result: &Value) -> Option<(String, Option<SecretString>)> {
    let id = wire::filled(result, "id")?.to_owned();
    Some((id, wire::filled(result, "token").map(|token| SecretString::from(token.to_owned()))))
}
