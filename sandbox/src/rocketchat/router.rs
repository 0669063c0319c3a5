//! The routes of the server.

use std::sync::{Arc, PoisonError};

use axum::Router;
use axum::extract::{DefaultBodyLimit, RawQuery, State, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{any, get};

use super::shared::Shared;
use super::{ddp, rest};

/// The largest body a call may have.
const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// What a room's address in the web client begins with.
const ROOM_PATHS: [&str; 4] = ["channel", "group", "direct", "live"];

/// Everything the server answers, under its prefix.
pub(super) fn routes(shared: Arc<Shared>) -> Router {
    let prefix = &shared.options.prefix;
    ROOM_PATHS
        .into_iter()
        .fold(Router::new(), |router, kind| {
            router.route(&format!("{prefix}/{kind}/{{room}}"), get(web_client))
        })
        .route(&format!("{prefix}/websocket"), get(realtime))
        .route(&format!("{prefix}/api/{{route}}"), any(rest::serve_unversioned))
        .route(&format!("{prefix}/api/v1/{{*route}}"), any(rest::serve))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(shared)
}

async fn realtime(State(shared): State<Arc<Shared>>, upgrade: WebSocketUpgrade) -> Response {
    if shared.faults.switches().refuse_websockets {
        return StatusCode::FORBIDDEN.into_response();
    }
    upgrade.on_upgrade(|socket| ddp::run(shared, socket))
}

/// The address of a room, or of a message with `?msg=` and its ID.
async fn web_client(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Response {
    let page = shared.web_client.read().unwrap_or_else(PoisonError::into_inner).clone();
    match page {
        Some(page) => Redirect::to(&format!("{page}?{}", query.unwrap_or_default())).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
