//! The routes and their time limits.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    middleware::{from_fn, from_fn_with_state},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use secrecy::SecretString;
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tower_http::timeout::TimeoutLayer;

use super::{
    BotView,
    authentication::{Authentication, add_security_headers, authenticate},
    live, metrics, page,
    status::StatusCollector,
};
use crate::http_server::{self, Limits};

/// Time limit for a call until its answer begins.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How often recorded times are added to their histogram.
const METRICS_UPKEEP: Duration = Duration::from_secs(60);
/// Prometheus' text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Shared by all routes.
#[derive(Clone)]
pub(super) struct AppState {
    pub(super) status: StatusCollector,
    /// One permit for each open status page.
    pub(super) streams: Arc<Semaphore>,
    pub(super) cancel: CancellationToken,
}

/// Serves the private listener until cancelled, and then finishes calls in progress.
pub async fn serve(
    socket: TcpListener,
    token: Option<SecretString>,
    bot: BotView,
    cancel: CancellationToken,
) {
    let status = StatusCollector::new(bot);
    let background = {
        let status = status.clone();
        async move { tokio::join!(status.track_connection(), metrics_upkeep(&status.bot)) }
    };
    let streams = Arc::new(Semaphore::new(live::MAX_STREAMS));
    let state = AppState { status, streams, cancel: cancel.clone() };
    let router = router(state, Authentication::new(token.as_ref()));
    tokio::select! {
        () = http_server::serve("admin", socket, router, Box::new(|| None), Limits::default(), cancel) => {}
        // Never ends: updates the histogram in a loop.
        _ = background => {}
    }
}

async fn metrics_upkeep(bot: &BotView) {
    let mut tick = interval(METRICS_UPKEEP);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        bot.metrics.upkeep();
    }
}

fn router(state: AppState, authentication: Authentication) -> Router {
    let authenticated = Router::new()
        .route("/", get(status_page))
        .route("/events", get(live::events))
        .route("/readyz", get(readyz))
        .route("/metrics", get(scrape))
        .merge(page::assets())
        .with_state(state)
        .layer(from_fn_with_state(authentication, authenticate));
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .merge(authenticated)
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, CALL_TIMEOUT))
        .layer(from_fn(add_security_headers))
}

async fn readyz(State(state): State<AppState>) -> Response {
    let readiness = state.status.readiness().await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}

async fn scrape(State(state): State<AppState>) -> Response {
    ([(header::CONTENT_TYPE, METRICS_TYPE)], metrics::scrape(&state.status).await).into_response()
}

async fn status_page(State(state): State<AppState>) -> Response {
    Html(page::page(&state.status.collect().await).into_string()).into_response()
}
