//! The frames of Meteor's DDP: writing the server's, reading a client's.

use serde_json::{Value, json};

use crate::rocketchat::refusal::Refusal;

/// A frame from a client.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Incoming {
    /// `{"msg":"connect","version":"1","support":["1"]}`.
    Connect { versions_fit: bool },
    /// `{"msg":"ping","id"?}`.
    Ping { id: Option<Value> },
    /// `{"msg":"pong"}`: nothing to do.
    Pong,
    /// `{"msg":"method","method":…,"id":…,"params":[…]}`.
    Method { id: String, method: String, params: Vec<Value> },
    /// `{"msg":"sub","id":…,"name":…,"params":[…]}`.
    Sub { id: String, name: String, params: Vec<Value> },
    /// `{"msg":"unsub","id":…}`.
    Unsub { id: String },
}

/// Why a client's frame was refused, in Meteor's words.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Malformed {
    pub(super) reason: &'static str,
    pub(super) offending: Option<Value>,
}

impl Malformed {
    pub(super) fn new(reason: &'static str, offending: &Value) -> Self {
        Self { reason, offending: Some(offending.clone()) }
    }

    /// `{"msg":"error","reason":…,"offendingMessage"?}`.
    pub(super) fn frame(&self) -> Value {
        let mut frame = json!({ "msg": "error", "reason": self.reason });
        if let Some(offending) = &self.offending {
            frame["offendingMessage"] = offending.clone();
        }
        frame
    }
}

/// Reads a client's frame as `ddp-server` does.
pub(super) fn parse(text: &str) -> Result<Incoming, Malformed> {
    let frame: Value =
        serde_json::from_str(text).map_err(|_| Malformed { reason: "Parse error", offending: None })?;
    let bad = |reason| Err(Malformed::new(reason, &frame));
    let word = |key: &str| frame[key].as_str().map(str::to_owned);
    let params = match &frame["params"] {
        Value::Array(params) => Some(params.clone()),
        Value::Null => Some(Vec::new()),
        _ => None,
    };
    match frame["msg"].as_str() {
        Some("connect") => Ok(Incoming::Connect { versions_fit: versions_fit(&frame) }),
        Some("ping") => Ok(Incoming::Ping { id: frame.get("id").cloned() }),
        Some("pong") => Ok(Incoming::Pong),
        Some("method") => match (word("id"), word("method"), params) {
            (Some(id), Some(method), Some(params)) => Ok(Incoming::Method { id, method, params }),
            _ => bad("Malformed method invocation"),
        },
        Some("sub") => match (word("id"), word("name"), params) {
            (Some(id), Some(name), Some(params)) => Ok(Incoming::Sub { id, name, params }),
            _ => bad("Malformed subscription"),
        },
        Some("unsub") => match word("id") {
            Some(id) => Ok(Incoming::Unsub { id }),
            None => bad("Bad request"),
        },
        _ => bad("Bad request"),
    }
}

/// The client must offer version 1 first and among those it supports.
fn versions_fit(frame: &Value) -> bool {
    frame["version"] == "1"
        && frame["support"].as_array().is_some_and(|support| support.contains(&json!("1")))
}

pub(super) fn connected(session: &str) -> Value {
    json!({ "msg": "connected", "session": session })
}

pub(super) fn failed() -> Value {
    json!({ "msg": "failed", "version": "1" })
}

pub(super) fn ping() -> Value {
    json!({ "msg": "ping" })
}

pub(super) fn pong(id: Option<Value>) -> Value {
    match id {
        Some(id) => json!({ "msg": "pong", "id": id }),
        None => json!({ "msg": "pong" }),
    }
}

pub(super) fn ready(id: &str) -> Value {
    json!({ "msg": "ready", "subs": [id] })
}

pub(super) fn nosub(id: &str, refusal: Option<&Refusal>) -> Value {
    match refusal {
        Some(refusal) => json!({ "msg": "nosub", "id": id, "error": refusal.for_ddp() }),
        None => json!({ "msg": "nosub", "id": id }),
    }
}

/// A method's answer. The streamer leaves out every falsy result; Meteor only `undefined`.
pub(super) fn result(id: &str, outcome: &Result<Option<Value>, Refusal>, streamer: bool) -> Value {
    let mut frame = json!({ "msg": "result", "id": id });
    match outcome {
        Ok(Some(value)) if !(streamer && is_falsy(value)) => frame["result"] = value.clone(),
        Ok(_) => {}
        Err(refusal) => frame["error"] = refusal.for_ddp(),
    }
    frame
}

fn is_falsy(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(false)) || *value == "" || *value == 0
}

pub(super) fn updated(id: &str) -> Value {
    json!({ "msg": "updated", "methods": [id] })
}

/// A document of a publication.
pub(super) fn added(collection: &str, id: &str, fields: Value) -> Value {
    json!({ "msg": "added", "collection": collection, "id": id, "fields": fields })
}

/// What a stream emits.
pub(super) fn changed(stream: &str, event: &str, args: Value) -> Value {
    json!({
        "msg": "changed",
        "collection": stream,
        "id": "id",
        "fields": { "eventName": event, "args": args },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_frames_are_answered_as_meteor_does() {
        let reason = |text: &str| parse(text).unwrap_err().reason;
        assert_eq!(reason("{"), "Parse error");
        assert_eq!(reason("null"), "Bad request");
        assert_eq!(reason(r#"{"msg":"dance"}"#), "Bad request");
        assert_eq!(reason(r#"{"msg":"sub","id":1,"name":"x"}"#), "Malformed subscription");
        assert_eq!(
            reason(r#"{"msg":"method","id":"1","method":"x","params":{}}"#),
            "Malformed method invocation"
        );
    }

    #[test]
    fn the_streamer_leaves_an_empty_result_out_and_the_monolith_does_not() {
        let empty = Ok(Some(Value::Null));
        assert_eq!(result("1", &empty, true), json!({ "msg": "result", "id": "1" }));
        assert_eq!(result("1", &empty, false), json!({ "msg": "result", "id": "1", "result": null }));
    }
}
