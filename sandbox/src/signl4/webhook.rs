//! The inbound webhook: `POST /webhook/{team secret}`, JSON or multipart.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::{ConnectInfo, FromRequest, Multipart, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::post;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::connection::Connection;
use super::payload::{Payload, RequestedStatus};
use super::rest;
use super::server::Core;
use super::state::Action;
use super::throttle::Verdict;
use super::{Alert, Attachment, Received, Team, WebhookCall, WebhookFault, ids};

/// The largest attachment.
const LARGEST_ATTACHMENT: usize = 4 * 1024 * 1024;
/// How long [`WebhookFault::EventBeforeAnswer`] waits for the event to be delivered.
const LONGEST_WAIT_FOR_EVENT: Duration = Duration::from_secs(10);

pub(super) fn routes() -> Router<Arc<Core>> {
    Router::new().route("/webhook/{secret}", post(receive))
}

async fn receive(
    State(core): State<Arc<Core>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    Path(secret): Path<String>,
    request: Request,
) -> Response {
    match core.options.teams.iter().find(|team| team.secret == secret) {
        Some(team) => receive_for(&core, team, &connection, request).await,
        None => mistake(&core, StatusCode::NOT_FOUND, "There is no team with this secret."),
    }
}

/// Takes a call for a known team, however the call named it.
pub(super) async fn receive_for(
    core: &Arc<Core>,
    team: &Team,
    connection: &Connection,
    request: Request,
) -> Response {
    let verdict = core.change(|state| state.webhook_throttle.count(Instant::now()));
    if let Some(verdict) = verdict.filter(|verdict| !verdict.passes) {
        return too_many(verdict);
    }
    let call = match Call::read(request).await {
        Ok(call) => call,
        Err(reason) => return mistake(core, StatusCode::BAD_REQUEST, &reason),
    };
    let fault = core.change(|state| {
        let fault = state.webhook_faults.draw();
        let Payload { external_id, text, .. } = Payload::read(&call.members);
        state.calls.push(WebhookCall { at: Timestamp::now(), external_id, text, fault: fault.clone() });
        fault
    });
    let mut response = answer(core, team, connection, call, fault).await;
    if let Some(verdict) = verdict {
        add_limits(response.headers_mut(), verdict);
    }
    response
}

async fn answer(
    core: &Arc<Core>,
    team: &Team,
    connection: &Connection,
    call: Call,
    fault: Option<WebhookFault>,
) -> Response {
    match fault {
        None => created(&core.take(team, call).event_id),
        Some(WebhookFault::Status(code)) => failure(code),
        Some(WebhookFault::Throttled(reset_in)) => {
            too_many(Verdict { passes: false, limit: 10, remaining: 0, reset_in })
        }
        Some(WebhookFault::NeverAnswer) => std::future::pending().await,
        Some(WebhookFault::LoseAnswer) => {
            core.take(team, call);
            connection.cut();
            std::future::pending().await
        }
        Some(WebhookFault::RaiseThenStatus(code)) => {
            core.take(team, call);
            failure(code)
        }
        Some(WebhookFault::Body(body)) => {
            core.take(team, call);
            (StatusCode::CREATED, [(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
        Some(WebhookFault::WebPage) => {
            Html("<!DOCTYPE html>\n<html><title>Sign in</title><p>Please sign in.</html>").into_response()
        }
        Some(WebhookFault::Slow(pause)) => {
            let taken = core.take(team, call);
            tokio::time::sleep(pause).await;
            created(&taken.event_id)
        }
        Some(WebhookFault::EventBeforeAnswer) => {
            let taken = core.take(team, call);
            if let Some(index) = taken.notification {
                let delivered = core.wait_until(|state| Core::is_settled(state, index));
                // Late is as good as never here: the answer has to go out some time.
                let _ = tokio::time::timeout(LONGEST_WAIT_FOR_EVENT, delivered).await;
            }
            created(&taken.event_id)
        }
    }
}

fn failure(code: u16) -> Response {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    rest::error(status, "The simulator was set to give this answer.")
}

/// What became of a call that was accepted.
struct Taken {
    event_id: String,
    /// The index of the notification about a new alert.
    notification: Option<usize>,
}

impl Core {
    /// Does what a call asks for: raises an alert, or acknowledges or closes those with its external ID.
    fn take(self: &Arc<Self>, team: &Team, call: Call) -> Taken {
        let payload = Payload::read(&call.members);
        let received =
            Received { at: Timestamp::now(), headers: call.headers, body: Value::Object(call.members) };
        if payload.status == RequestedStatus::New {
            let composer = self.composer();
            let (alert_id, event_id, body) = self.change(|state| {
                let alert = state.raise(team, payload, call.attachments, received);
                (alert.id.clone(), alert.event_id.clone(), composer.raised(alert))
            });
            let notification = Some(self.notify(Some(alert_id), body));
            return Taken { event_id, notification };
        }
        for (alert_id, action) in self.named_by(&payload) {
            // An alert that was acknowledged or closed in between needs nothing more.
            let _ = self.act(&alert_id, action, None);
        }
        Taken { event_id: ids::ticked(received.at), notification: None }
    }

    /// The alerts that `acknowledged` (the newest open one, inferred) or `resolved` (all open ones, inferred) means.
    fn named_by(&self, payload: &Payload) -> Vec<(String, Action<'static>)> {
        let Some(external_id) = payload.external_id.as_ref() else {
            return Vec::new();
        };
        let is_meant = |alert: &&Alert| alert.is_open() && alert.external_id.as_ref() == Some(external_id);
        self.look(|state| {
            let meant = state.alerts.iter().rev().filter(is_meant).map(|alert| alert.id.clone());
            match payload.status {
                RequestedStatus::Resolved => meant.map(|id| (id, Action::Close)).collect(),
                RequestedStatus::Acknowledged => {
                    meant.take(1).map(|id| (id, Action::Acknowledge { note: None })).collect()
                }
                RequestedStatus::New => Vec::new(),
            }
        })
    }
}

/// A webhook call that could be read.
struct Call {
    headers: BTreeMap<String, String>,
    members: Map<String, Value>,
    attachments: Vec<Attachment>,
}

impl Call {
    async fn read(request: Request) -> Result<Self, String> {
        let headers = readable(request.headers());
        let is_form = headers.get("content-type").is_some_and(|kind| kind.starts_with("multipart/form-data"));
        let (members, attachments) =
            if is_form { read_form(request).await? } else { (read_json(request).await?, vec![]) };
        if members.is_empty() && attachments.is_empty() {
            return Err("The event is empty.".into());
        }
        Ok(Self { headers, members, attachments })
    }
}

async fn read_json(request: Request) -> Result<Map<String, Value>, String> {
    let body = axum::body::Bytes::from_request(request, &()).await.map_err(|error| error.body_text())?;
    match serde_json::from_slice(&body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err("The body is no JSON object.".into()),
        Err(error) => Err(format!("The body is no JSON: {error}.")),
    }
}

async fn read_form(request: Request) -> Result<(Map<String, Value>, Vec<Attachment>), String> {
    let mut form = Multipart::from_request(request, &()).await.map_err(|error| error.body_text())?;
    let (mut members, mut attachments) = (Map::new(), Vec::new());
    while let Some(part) = form.next_field().await.map_err(|error| error.body_text())? {
        let name = part.name().unwrap_or_default().to_owned();
        let file_name = part.file_name().map(str::to_owned);
        let content_type = part.content_type().map(str::to_owned);
        let content = part.bytes().await.map_err(|error| error.body_text())?;
        match file_name {
            Some(_) if content.len() > LARGEST_ATTACHMENT => {
                return Err("An attachment is larger than 4 MB.".into());
            }
            Some(file_name) => {
                attachments.push(Attachment { file_name, content_type, length: content.len() })
            }
            None => drop(members.insert(name, String::from_utf8_lossy(&content).into())),
        }
    }
    Ok((members, attachments))
}

fn readable(headers: &HeaderMap) -> BTreeMap<String, String> {
    let line = |(name, value): (&header::HeaderName, &HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    headers.iter().map(line).collect()
}

fn created(event_id: &str) -> Response {
    (StatusCode::CREATED, Json(json!({"eventId": event_id}))).into_response()
}

/// Answers a call with a wrong secret or an invalid body; more than ten of them a minute are throttled.
fn mistake(core: &Core, status: StatusCode, message: &str) -> Response {
    let verdict = core.change(|state| state.mistakes_throttle.count(Instant::now()));
    match verdict {
        Some(verdict) if !verdict.passes => too_many(verdict),
        _ => rest::error(status, message),
    }
}

/// 429 with the headers that say when to come back.
pub(super) fn too_many(verdict: Verdict) -> Response {
    let mut response = rest::error(StatusCode::TOO_MANY_REQUESTS, "Too many calls.");
    add_limits(response.headers_mut(), verdict);
    response
}

/// `X-RateLimit-Reset` is in Unix seconds, rounded up so that it never names a moment that is still blocked.
fn add_limits(headers: &mut HeaderMap, verdict: Verdict) {
    let reset = Timestamp::now().as_millisecond()
        + i64::try_from(verdict.reset_in.as_millis()).unwrap_or(i64::MAX / 2);
    headers.insert("x-ratelimit-limit", HeaderValue::from(verdict.limit));
    headers.insert("x-ratelimit-remaining", HeaderValue::from(verdict.remaining));
    headers.insert("x-ratelimit-reset", HeaderValue::from(reset.div_euclid(1_000) + 1));
}
