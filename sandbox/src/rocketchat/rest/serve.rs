//! Turns an HTTP request into an answer: records it, applies a planned fault, authenticates, counts, checks, carries out.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use serde_json::{Map, Value};

use super::answer::{Answer, Failure, NEW_SHAPES};
use super::endpoints::{self, Endpoint};
use super::journal::Call;
use super::params;
use super::request::{Request, from_query};
use crate::rocketchat::faults::RestFault;
use crate::rocketchat::listener::Peer;
use crate::rocketchat::rate_limit::{Count, whole_seconds};
use crate::rocketchat::refusal::Refusal;
use crate::rocketchat::shared::Shared;

/// The parts of a request.
struct Incoming {
    method: Method,
    route: String,
    query: BTreeMap<String, String>,
    headers: HeaderMap,
    body: Bytes,
    client: IpAddr,
    /// `api/v1`; the only unversioned route has no limit.
    versioned: bool,
}

/// `api/v1/…`.
pub(crate) async fn serve(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(route): Path<String>,
    method: Method,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let client = peer.address.ip();
    let call = Incoming { method, route, query, headers, body, client, versioned: true };
    answer(&shared, &peer, call).await
}

/// `api/info`.
pub(crate) async fn serve_unversioned(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(route): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let client = peer.address.ip();
    let (query, body) = (BTreeMap::new(), Bytes::new());
    let call = Incoming { method, route, query, headers, body, client, versioned: false };
    answer(&shared, &peer, call).await
}

async fn answer(shared: &Shared, peer: &Peer, call: Incoming) -> Response {
    let number = shared.journal.came(Call {
        route: call.route.clone(),
        method: call.method.to_string(),
        at: shared.look(|world| world.now()),
        user: call.user(shared),
        status: None,
    });
    shared.wake();
    let answer =
        match shared.faults.next_rest_fault(&call.route, call.query.get("roomId").map(String::as_str)) {
            None => carry_out(shared, &call),
            Some(fault) => with_fault(shared, peer, &call, fault).await,
        };
    shared.journal.answered(number, answer.status);
    shared.wake();
    respond(shared, answer)
}

/// Applies a planned fault; a call without an answer ends with its connection.
async fn with_fault(shared: &Shared, peer: &Peer, call: &Incoming, fault: RestFault) -> Answer {
    match fault {
        RestFault::Answer { status, content_type, body } => {
            Answer { status, content_type, body, headers: Vec::new() }
        }
        RestFault::TooManyRequests { reset_in } => {
            let limit = shared.options.limits.rest.map_or(10, |limit| limit.calls);
            too_many(shared, limit, reset_in)
        }
        RestFault::Slow(by) => {
            let answer = carry_out(shared, call);
            tokio::time::sleep(by).await;
            answer
        }
        RestFault::NoAnswer => std::future::pending().await,
        RestFault::LostAnswer => {
            carry_out(shared, call);
            cut(peer).await
        }
        RestFault::Cut => cut(peer).await,
    }
}

async fn cut(peer: &Peer) -> Answer {
    peer.cut.cancel();
    std::future::pending().await
}

fn carry_out(shared: &Shared, call: &Incoming) -> Answer {
    let major = shared.options.major();
    let known = (call.versioned || call.route == "info").then(|| endpoints::find(&call.method, &call.route));
    let Some(endpoint) = known.flatten() else { return Answer::no_such_route() };
    let user = call.user(shared);
    if endpoint.needs_login && user.is_none() {
        return Answer::unauthorized(major);
    }
    let count = call.count(shared, user.as_deref());
    let mut answer = match count {
        Some((count, limit)) if !count.allowed => return too_many(shared, limit, count.reset_in),
        _ => run(shared, call, endpoint, user)
            .unwrap_or_else(|failure| Answer::failure(failure.on_route(&call.route, major), major)),
    };
    if let Some((count, limit)) = count {
        answer.headers = limit_headers(shared, limit, count.left, count.reset_in);
    }
    answer
}

fn run(
    shared: &Shared,
    call: &Incoming,
    endpoint: &Endpoint,
    user: Option<String>,
) -> Result<Answer, Failure> {
    let params = call.params();
    if let Some(known) = endpoint.params {
        params::check(known, &params)?;
    }
    let needed = endpoint.permission;
    if let (Some(needed), Some(user)) = (needed, &user)
        && !shared.look(|world| world.may(user, needed))
    {
        return Err(missing_right(shared.options.major()).into());
    }
    if call.route == "login"
        && let Some(refusal) = shared.faults.next_login_refusal()
    {
        return Err(Failure::LoginRefused(refusal));
    }
    let request = Request {
        params,
        user,
        token: call.header("x-auth-token").to_owned(),
        options: &shared.options,
        switches: shared.faults.switches(),
    };
    shared.act(|world| (endpoint.run)(world, &request)).map(Answer::success)
}

fn missing_right(major: u32) -> Refusal {
    let id = if major >= NEW_SHAPES { "error-forbidden" } else { "error-unauthorized" };
    Refusal::meteor(id, "User does not have the permissions required for this action")
}

impl Incoming {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The user that the headers authenticate.
    fn user(&self, shared: &Shared) -> Option<String> {
        let (user, token) = (self.header("x-user-id"), self.header("x-auth-token"));
        shared.look(|world| world.authenticates(user, token)).then(|| user.to_owned())
    }

    /// An unreadable body counts as one without parameters (`parseBodyParams`).
    fn params(&self) -> Map<String, Value> {
        if self.method == Method::GET {
            return from_query(self.query.clone());
        }
        if self.header("content-type").starts_with("application/x-www-form-urlencoded") {
            return from_query(form(&self.body));
        }
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(params)) => params,
            _ => Map::new(),
        }
    }

    /// Counts the call, unless limits are off or do not apply to the user.
    fn count(&self, shared: &Shared, user: Option<&str>) -> Option<(Count, u32)> {
        let limit = shared.options.limits.rest.filter(|_| self.versioned)?;
        if user.is_some_and(|user| shared.look(|world| world.may(user, "api-bypass-rate-limit"))) {
            return None;
        }
        let route = format!("{} {}", self.method, self.route);
        Some((shared.route_limits.count(&route, self.client, limit), limit.calls))
    }
}

fn form(body: &Bytes) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(body);
    let uri = format!("/?{text}").parse().unwrap_or_default();
    Query::try_from_uri(&uri).map(|Query(params)| params).unwrap_or_default()
}

fn too_many(shared: &Shared, limit: u32, reset_in: Duration) -> Answer {
    let seconds = whole_seconds(reset_in);
    let reason = format!(
        "Error, too many requests. Please slow down. You must wait {seconds} seconds before trying this endpoint again."
    );
    let refusal = Refusal::meteor("error-too-many-requests", reason);
    let mut answer = Answer::failure(refusal.into(), shared.options.major());
    answer.headers = limit_headers(shared, limit, 0, reset_in);
    answer
}

/// `X-RateLimit-Reset` is in milliseconds since the epoch, by the server's clock.
fn limit_headers(
    shared: &Shared,
    limit: u32,
    left: u32,
    reset_in: Duration,
) -> Vec<(HeaderName, HeaderValue)> {
    let now = shared.look(|world| world.now());
    let reset = now.saturating_add(i64::try_from(reset_in.as_millis()).unwrap_or(i64::MAX));
    vec![
        (HeaderName::from_static("x-ratelimit-limit"), limit.into()),
        (HeaderName::from_static("x-ratelimit-remaining"), left.into()),
        (HeaderName::from_static("x-ratelimit-reset"), reset.into()),
    ]
}

fn respond(shared: &Shared, answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    if let Some(date) = http_date(shared) {
        headers.insert(header::DATE, date);
    }
    headers.extend(answer.headers);
    response
}

/// The server's clock as `Date` reports it.
fn http_date(shared: &Shared) -> Option<HeaderValue> {
    let now = jiff::Timestamp::from_millisecond(shared.look(|world| world.now())).ok()?;
    let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
    printer.timestamp_to_rfc9110_string(&now).ok()?.parse().ok()
}
