//! The public HTTP listener: SIGNL4's outbound webhook ends here.
//!
//! An event is in the store before it is answered with 2xx. Who does not know the secret learns nothing, not even
//! that there is something to know: everything but the one right call is 404.

use std::time::Duration;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, Request, State, rejection::BytesRejection},
    http::StatusCode,
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::post,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::timeout::TimeoutLayer;
use tracing::{debug, error, info, warn};

use crate::{signl4::Notification, store::Store};

/// Largest body that is read, in bytes. A real event has about one thousand.
const MAX_BODY: usize = 1024 * 1024;
/// How long one call may take, its body included.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone)]
struct Door {
    store: Store,
    /// SHA-256 of the secret: digests are of one length, so that comparing them tells nothing of the length either.
    secret: [u8; 32],
}

/// Serves SIGNL4's webhook until cancelled; calls under way are finished.
///
/// # Errors
/// When the socket fails.
pub async fn serve(
    socket: TcpListener,
    secret: &SecretString,
    store: Store,
    cancel: CancellationToken,
) -> std::io::Result<()> {
    let door = Door { store, secret: Sha256::digest(secret.expose_secret()).into() };
    axum::serve(socket, router(door)).with_graceful_shutdown(cancel.cancelled_owned()).await
}

fn router(door: Door) -> Router {
    let event = post(receive)
        .fallback(not_found)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        // Outermost, so that a wrong secret is turned away before anything of the body is read.
        .layer(from_fn_with_state(door.clone(), check_secret));
    Router::new()
        .route("/signl4/{secret}", event)
        .fallback(not_found)
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, CALL_TIMEOUT))
        .with_state(door)
}

async fn check_secret(
    State(door): State<Door>,
    Path(secret): Path<String>,
    request: Request,
    next: Next,
) -> Response {
    let given: [u8; 32] = Sha256::digest(secret).into();
    if bool::from(given.ct_eq(&door.secret)) {
        return next.run(request).await;
    }
    warn!("a call with a wrong secret was turned away");
    not_found().await
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
            let (event, kind) = (&notification.id, notification.happening.name());
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
