//! The routes and their time limits.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    middleware::{from_fn, from_fn_with_state},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use futures_util::future::join;
use secrecy::SecretString;
use tokio::{net::TcpListener, time::sleep};
use tokio_util::sync::CancellationToken;
use tower_http::timeout::TimeoutLayer;

use super::{
    BotView,
    authentication::{Authentication, add_security_headers, authenticate},
    metrics, page,
    status::StatusCollector,
};
use crate::{
    http_server::{self, Limits},
    telemetry,
};

/// Time limit for a call until its answer begins.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How often recorded times are added to their histogram.
const METRICS_UPKEEP: Duration = Duration::from_secs(60);
/// Prometheus' text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Serves the private listener until cancelled, and then finishes calls in progress.
pub async fn serve(
    socket: TcpListener,
    token: Option<SecretString>,
    bot: BotView,
    cancel: CancellationToken,
) {
    let status = StatusCollector::new(bot);
    let router = router(status.clone(), Authentication::new(token));
    tokio::select! {
        () = http_server::serve("admin", socket, router, Box::new(|| None), Limits::default(), cancel) => {}
        // Never ends: updates the histogram in a loop.
        _ = join(status.track_connection(), metrics_upkeep()) => {}
    }
}

async fn metrics_upkeep() {
    loop {
        telemetry::upkeep();
        sleep(METRICS_UPKEEP).await;
    }
}

fn router(status: StatusCollector, authentication: Authentication) -> Router {
    let authenticated = Router::new()
        .route("/", get(status_page))
        .route("/readyz", get(readyz))
        .route("/metrics", get(scrape))
        .merge(page::assets())
        .with_state(status)
        .layer(from_fn_with_state(authentication, authenticate));
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .merge(authenticated)
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, CALL_TIMEOUT))
        .layer(from_fn(add_security_headers))
}

async fn readyz(State(status): State<StatusCollector>) -> Response {
    let readiness = status.readiness.now().await;
    let code = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(readiness)).into_response()
}

async fn scrape(State(status): State<StatusCollector>) -> Response {
    ([(header::CONTENT_TYPE, METRICS_TYPE)], metrics::scrape(&status).await).into_response()
}

async fn status_page(State(status): State<StatusCollector>) -> Response {
    Html(page::page(&status.collect().await).into_string()).into_response()
}
