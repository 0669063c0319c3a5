//! The subset of the REST API (v2) that an integration of this kind uses. Everything wants `X-S4-Api-Key`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::connection::Connection;
use super::server::Core;
use super::state::Action;
use super::{ActionError, Alert, Person, ids, webhook};

/// The largest page of `alerts/paged`.
const LARGEST_PAGE: usize = 100;

pub(super) fn routes(core: &Arc<Core>) -> Router<Arc<Core>> {
    Router::new()
        .route("/v2/events/{team}", post(raise))
        .route("/v2/events/{event}/overview", get(overview))
        .route("/v2/alerts/paged", post(paged))
        .route("/v2/alerts/{id}", get(alert))
        .route("/v2/alerts/{id}/acknowledge", post(acknowledge))
        .route("/v2/alerts/{id}/close", post(close))
        .route("/v2/alerts/{id}/annotate", post(annotate))
        .route("/v2/users", get(users))
        .route("/v2/teams", get(teams))
        .layer(middleware::from_fn_with_state(Arc::clone(core), guard))
}

/// An error in the documented shape.
pub(super) fn error(status: StatusCode, message: &str) -> Response {
    let body = json!({
        "code": status.as_u16(),
        "message": message,
        "details": null,
        "errors": [],
        "requestId": ids::uuid(),
    });
    (status, Json(body)).into_response()
}

async fn guard(State(core): State<Arc<Core>>, request: Request, next: Next) -> Response {
    let key = request.headers().get("x-s4-api-key").map(|value| value.as_bytes());
    if key != Some(core.options.api_key.as_bytes()) {
        return error(StatusCode::UNAUTHORIZED, "The API key is missing or wrong.");
    }
    let verdict = core.change(|state| state.rest_throttle.count(Instant::now()));
    match verdict {
        Some(verdict) if !verdict.passes => webhook::too_many(verdict),
        _ => next.run(request).await,
    }
}

/// The webhook as part of the REST API: the same body, the team (or webhook) by ID, the key in the header.
async fn raise(
    State(core): State<Arc<Core>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    match core.options.teams.iter().find(|team| team.id == id || team.secret == id) {
        Some(team) => webhook::receive_for(&core, team, &connection, request).await,
        None => error(StatusCode::NOT_FOUND, "There is no such team or webhook."),
    }
}

async fn overview(State(core): State<Arc<Core>>, Path(event_id): Path<String>) -> Response {
    core.look(|state| match state.alerts.iter().find(|alert| alert.event_id == event_id) {
        Some(alert) => Json(json!({"eventId": alert.event_id, "alertId": alert.id})).into_response(),
        None => error(StatusCode::NOT_FOUND, "There is no such event."),
    })
}

async fn alert(State(core): State<Arc<Core>>, Path(id): Path<String>) -> Response {
    core.look(|state| match state.alerts.iter().find(|alert| alert.id == id) {
        Some(alert) => Json(to_json(alert)).into_response(),
        None => no_such_alert(),
    })
}

/// The filters of `alerts/paged`. Which of them travel in the query and which in the body is not documented: both do.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Filter {
    max_results: Option<usize>,
    external_id: Option<String>,
    alert_status_codes: Option<Vec<u16>>,
    modified_since: Option<Timestamp>,
    continuation_token: Option<String>,
}

/// The filters that fit into a query.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct QueryFilter {
    max_results: Option<usize>,
    continuation_token: Option<String>,
}

async fn paged(State(core): State<Arc<Core>>, Query(query): Query<QueryFilter>, body: Bytes) -> Response {
    let Ok(filter) = read::<Filter>(&body) else {
        return error(StatusCode::BAD_REQUEST, "The filter cannot be read.");
    };
    let size = filter.max_results.or(query.max_results).unwrap_or(LARGEST_PAGE);
    let token = filter.continuation_token.clone().or(query.continuation_token);
    let Ok(start) = token.as_deref().unwrap_or("0").parse::<usize>() else {
        return error(StatusCode::BAD_REQUEST, "The continuation token is none of ours.");
    };
    if !(1..=LARGEST_PAGE).contains(&size) {
        return error(StatusCode::BAD_REQUEST, "maxResults is 1 to 100.");
    }
    let (results, has_more) = core.look(|state| {
        let mut found = state.alerts.iter().filter(|alert| filter.matches(alert)).skip(start);
        let page: Vec<Value> = found.by_ref().take(size).map(to_json).collect();
        (page, found.next().is_some())
    });
    if results.is_empty() {
        return StatusCode::NO_CONTENT.into_response();
    }
    let next = has_more.then(|| (start + size).to_string());
    Json(json!({"results": results, "hasMore": has_more, "continuationToken": next})).into_response()
}

impl Filter {
    fn matches(&self, alert: &Alert) -> bool {
        self.external_id.as_ref().is_none_or(|wanted| alert.external_id.as_ref() == Some(wanted))
            && self.alert_status_codes.as_ref().is_none_or(|codes| codes.contains(&alert.status.code()))
            && self.modified_since.is_none_or(|since| modified(alert) >= since)
    }
}

/// What acknowledging, closing and annotating take.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Step {
    user_id: Option<String>,
    description: Option<String>,
    text: Option<String>,
}

async fn acknowledge(State(core): State<Arc<Core>>, Path(id): Path<String>, body: Bytes) -> Response {
    step(&core, &id, &body, |step| Ok(Action::Acknowledge { note: step.description.as_deref() }))
}

async fn close(State(core): State<Arc<Core>>, Path(id): Path<String>, body: Bytes) -> Response {
    step(&core, &id, &body, |_| Ok(Action::Close))
}

async fn annotate(State(core): State<Arc<Core>>, Path(id): Path<String>, body: Bytes) -> Response {
    step(&core, &id, &body, |step| match step.text.as_deref() {
        Some(text) if !text.is_empty() => Ok(Action::Annotate { text }),
        _ => Err("The annotation has no text."),
    })
}

fn step(
    core: &Arc<Core>,
    alert_id: &str,
    body: &[u8],
    action: impl for<'a> FnOnce(&'a Step) -> Result<Action<'a>, &'static str>,
) -> Response {
    let Ok(step) = read::<Step>(body) else {
        return error(StatusCode::BAD_REQUEST, "The body cannot be read.");
    };
    let action = match action(&step) {
        Ok(action) => action,
        Err(reason) => return error(StatusCode::BAD_REQUEST, reason),
    };
    let by = step.user_id.as_ref().map(|id| core.options.people.iter().find(|person| person.id == *id));
    match by {
        Some(None) => error(StatusCode::NOT_FOUND, "There is no such user."),
        Some(Some(person)) => outcome(core, alert_id, core.act(alert_id, action, Some(person))),
        None => outcome(core, alert_id, core.act(alert_id, action, None)),
    }
}

fn outcome(core: &Core, alert_id: &str, result: Result<(), ActionError>) -> Response {
    match result {
        Ok(()) => core.look(|state| match state.alerts.iter().find(|alert| alert.id == alert_id) {
            Some(alert) => Json(to_json(alert)).into_response(),
            None => no_such_alert(),
        }),
        Err(ActionError::NoSuchAlert | ActionError::NoSuchUser) => no_such_alert(),
        Err(conflict @ ActionError::Conflict { .. }) => error(StatusCode::CONFLICT, &conflict.to_string()),
    }
}

async fn users(State(core): State<Arc<Core>>) -> Json<Value> {
    let on_duty = core.look(|state| state.on_duty.clone());
    let team_ids: Vec<&str> = core.options.teams.iter().map(|team| team.id.as_str()).collect();
    let user = |person: &Person| {
        let mode = u8::from(on_duty.as_ref() == Some(person));
        let duties: Vec<Value> =
            team_ids.iter().map(|team| json!({"dutyMode": mode, "teamId": team})).collect();
        json!({"id": person.id, "name": person.name, "mail": person.mail, "dutyInfos": duties})
    };
    Json(core.options.people.iter().map(user).collect())
}

async fn teams(State(core): State<Arc<Core>>) -> Json<Value> {
    Json(core.options.teams.iter().map(|team| json!({"id": team.id, "name": team.name})).collect())
}

/// A body that may be left out altogether.
fn read<'a, T: Default + Deserialize<'a>>(body: &'a [u8]) -> Result<T, serde_json::Error> {
    if body.is_empty() { Ok(T::default()) } else { serde_json::from_slice(body) }
}

fn no_such_alert() -> Response {
    error(StatusCode::NOT_FOUND, "There is no such alert.")
}

fn modified(alert: &Alert) -> Timestamp {
    alert.history.last().map_or(alert.received.at, |entry| entry.at)
}

fn to_json(alert: &Alert) -> Value {
    json!({
        "id": alert.id,
        "eventId": alert.event_id,
        "externalId": alert.external_id,
        "status": alert.status.code(),
        "severity": 0,
        "title": alert.title,
        "text": alert.text,
        "teamId": alert.team_id,
        "history": {"created": alert.received.at, "modified": modified(alert), "acknowledgedBy": alert.acknowledged_user_ids},
    })
}
