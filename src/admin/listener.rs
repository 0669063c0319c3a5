//! Which path leads where, and how long a call may take.

use std::{net::SocketAddr, sync::Arc, time::Duration};

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
    door::{Door, be_strict, keep},
    live, metrics, page,
    status::Photographer,
};

/// How long one call may take until its answer begins.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How often measured times are folded into their histogram.
const TIDY: Duration = Duration::from_secs(60);
/// Prometheus' text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the paths share.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) photographer: Photographer,
    pub(super) seats: Arc<Semaphore>,
    pub(super) cancel: CancellationToken,
}

/// Serves the private pages until cancelled.
///
/// # Errors
/// When the socket fails.
pub async fn serve(
    socket: TcpListener,
    token: Option<SecretString>,
    bot: BotView,
    cancel: CancellationToken,
) -> std::io::Result<()> {
    let photographer = Photographer::new(bot);
    let follow = photographer.offline.clone().follow(photographer.bot.connection.clone());
    let beside = async {
        tokio::join!(follow, tidy(&photographer.bot));
    };
    let desk = Desk { photographer: photographer.clone(), seats: live::seats(), cancel: cancel.clone() };
    let router = router(desk, Door::new(token.as_ref()));
    let router = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::select! {
        served = axum::serve(socket, router).with_graceful_shutdown(cancel.cancelled_owned()) => served,
        // Never ends: the metrics are tidied for ever.
        () = beside => Ok(()),
    }
}

async fn tidy(bot: &BotView) {
    let mut tick = interval(TIDY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        bot.metrics.tidy();
    }
}

fn router(desk: Desk, door: Door) -> Router {
    let guarded = Router::new()
        .route("/", get(status_page))
        .route("/events", get(live::events))
        .route("/readyz", get(readyz))
        .route("/metrics", get(scrape))
        .merge(page::assets())
        .with_state(desk)
        .layer(from_fn_with_state(door, keep));
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .merge(guarded)
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, CALL_TIMEOUT))
        .layer(from_fn(be_strict))
}

async fn readyz(State(desk): State<Desk>) -> Response {
    let readiness = desk.photographer.readiness().await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}

async fn scrape(State(desk): State<Desk>) -> Response {
    ([(header::CONTENT_TYPE, METRICS_TYPE)], metrics::scrape(&desk.photographer).await).into_response()
}

async fn status_page(State(desk): State<Desk>) -> Response {
    Html(page::whole(&desk.photographer.picture().await).into_string()).into_response()
}
