//! The routes of the server.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};

use super::shared::Shared;
use super::{ddp, rest};

/// The largest body a call may have.
const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// Everything the server answers, under its prefix.
pub(super) fn routes(shared: Arc<Shared>) -> Router {
    let prefix = &shared.options.prefix;
    Router::new()
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
