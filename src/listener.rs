//! The public HTTP listener: SIGNL4's outbound webhook ends here.
//!
//! An event is in the store before it is answered with 2xx. Who does not know the secret learns nothing, not even
//! that there is something to know: everything but the one right call is 404, and 429 for who tries too often.

mod access;
mod certificate;
mod connections;
mod guests;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{
        DefaultBodyLimit, Path, Request, State,
        rejection::{BytesRejection, PathRejection},
    },
    http::StatusCode,
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::json;
use tokio::{
    net::TcpListener,
    sync::watch,
    task::spawn_blocking,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tower_http::timeout::TimeoutLayer;
use tracing::{debug, error, info, warn};

use crate::{
    store::Store,
    strangers::{Seldom, Strangers, too_often},
};
pub use access::Access;
use certificate::Look;
pub use certificate::{Certificate, CertificateError};
use connections::{Bounds, Peer};
use signl4::Notification;

/// Largest body that is read, in bytes. A real event has about one thousand.
const MAX_BODY: usize = 1024 * 1024;
/// How long one call may take, its body included.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is looked whether the certificate's files changed.
const LOOK_AT_CERTIFICATE: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Door {
    store: Store,
    access: watch::Receiver<Arc<Access>>,
    strangers: Arc<Strangers>,
    turned_away: Arc<Seldom>,
}

/// Serves SIGNL4's webhook until cancelled; calls under way are finished. The last `access` that was sent holds.
pub async fn serve(
    socket: TcpListener,
    access: watch::Receiver<Arc<Access>>,
    store: Store,
    cancel: CancellationToken,
) {
    let router = router(Door::new(access.clone(), store));
    tokio::select! {
        () = connections::serve(socket, router, access.clone(), Bounds::default(), cancel) => {}
        () = keep_certificate(access, LOOK_AT_CERTIFICATE) => {}
    }
}

/// Looks for ever whether the certificate's files changed.
async fn keep_certificate(access: watch::Receiver<Arc<Access>>, every: Duration) {
    loop {
        sleep(every).await;
        let now = access.borrow().clone();
        let looking = spawn_blocking(move || now.certificate().map(Certificate::look_again));
        match looking.await.ok().flatten() {
            Some(Look::Renewed) => info!("the certificate was renewed"),
            Some(Look::Wrong(error)) => {
                error!(%error, "the certificate's files changed and are wrong; the old certificate is shown");
            }
            Some(Look::Same) | None => {}
        }
    }
}

impl Door {
    fn new(access: watch::Receiver<Arc<Access>>, store: Store) -> Self {
        Self { store, access, strangers: Arc::default(), turned_away: Arc::default() }
    }

    fn turn_away(&self, Peer(from): Peer) -> Response {
        let now = Instant::now();
        if let Some(calls) = self.turned_away.happened(now) {
            warn!(calls, %from, "calls without the right secret were turned away");
        }
        match self.strangers.note(from, now) {
            None => StatusCode::NOT_FOUND.into_response(),
            Some(wait) => too_often(wait),
        }
    }
}

fn router(door: Door) -> Router {
    let event = post(receive).fallback(not_found).layer(DefaultBodyLimit::max(MAX_BODY));
    Router::new()
        .route("/signl4/{secret}", event)
        .fallback(not_found)
        // Outermost, so that a wrong secret is turned away before anything of the body is read.
        .layer(from_fn_with_state(door.clone(), check_secret))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, CALL_TIMEOUT))
        .with_state(door)
}

async fn check_secret(
    State(door): State<Door>,
    Extension(from): Extension<Peer>,
    secret: Result<Path<String>, PathRejection>,
    request: Request,
    next: Next,
) -> Response {
    let opens = secret.is_ok_and(|Path(secret)| door.access.borrow().opens_to(&secret));
    if opens { next.run(request).await } else { door.turn_away(from) }
}

async fn not_found() -> Response {
    StatusCode::NOT_FOUND.into_response()
}

async fn receive(State(door): State<Door>, body: Result<Bytes, BytesRejection>) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return refuse(rejection.status(), &rejection.body_text()),
    };
    let notification = match Notification::parse(&body) {
        Ok(notification) => notification,
        Err(reason) => return refuse(StatusCode::BAD_REQUEST, &reason.to_string()),
    };
    // JSON that was read is UTF-8, so nothing is lost here.
    let text = String::from_utf8_lossy(&body);
    match door.store.receive_event(&notification.id, &text).await {
        Ok(new) => {
            let (event, kind) = (&notification.id, notification.event_kind.name());
            match new {
                true => info!(%event, kind, event_type = notification.event_type, "event received"),
                false => debug!(%event, kind, "event received again"),
            }
            Json(json!({ "status": if new { "stored" } else { "known" } })).into_response()
        }
        Err(reason) => {
            error!(event = %notification.id, %reason, "an event cannot be stored; SIGNL4 is told to come again");
            refuse(StatusCode::SERVICE_UNAVAILABLE, "the event cannot be stored now")
        }
    }
}

fn refuse(status: StatusCode, reason: &str) -> Response {
    if status != StatusCode::SERVICE_UNAVAILABLE {
        warn!(status = status.as_u16(), reason, "an event was refused");
    }
    (status, Json(json!({ "error": reason }))).into_response()
}
