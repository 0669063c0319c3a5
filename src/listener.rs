//! The public HTTP listener: SIGNL4's outbound webhook ends here.
//!
//! The listener stores an event, whatever its bytes are, before it answers 2xx. A caller without the secret learns nothing, not even
//! that there is a secret: the answer to any other call is 404, and 429 after too many of them.

mod certificate;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequest, Request, State},
    http::{Method, StatusCode},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use serde_json::json;
use tokio::{
    net::TcpListener,
    sync::watch,
    task::spawn_blocking,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::{
    auth_throttle::{AuthThrottle, is_secret},
    config::Listener,
    http_server::{self, Peer},
    store::Store,
};
pub use certificate::{Certificate, CertificateError};
pub(crate) use http_server::Limits;
use signl4::Notification;

/// Maximum body size in bytes. A real event has about 1 kB.
const MAX_BODY: usize = 1024 * 1024;
/// Time limit for a body to arrive, and then for the store to take it.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);
/// How often to check the certificate's files for changes.
const CERTIFICATE_INTERVAL: Duration = Duration::from_millis(if cfg!(test) { 20 } else { 5_000 });

/// The secret that callers need, and the certificate. May be replaced while the listener runs.
pub struct Access {
    secret: SecretString,
    certificate: Option<Certificate>,
}

impl Access {
    /// Takes the secret, and reads the certificate's files if `[listener]` names any.
    ///
    /// # Errors
    /// When the files are unreadable or invalid.
    pub fn new(config: &Listener) -> Result<Self, CertificateError> {
        let certificate = config.tls.as_ref().map(Certificate::load).transpose()?;
        Ok(Self { secret: config.secret.clone(), certificate })
    }
}

#[derive(Clone)]
struct AppState {
    store: Store,
    access: watch::Receiver<Arc<Access>>,
    throttle: Arc<AuthThrottle>,
}

/// Serves SIGNL4's webhook until cancelled, and then finishes calls in progress. `access` may change meanwhile.
pub(crate) async fn serve(
    limits: Limits,
    socket: TcpListener,
    access: watch::Receiver<Arc<Access>>,
    store: Store,
    cancel: CancellationToken,
) {
    let router = router(AppState { store, access: access.clone(), throttle: Arc::default() });
    let certificate = access.clone();
    let tls = Box::new(move || certificate.borrow().certificate.as_ref().map(Certificate::acceptor));
    tokio::select! {
        () = http_server::serve("public", socket, router, tls, limits, cancel) => {}
        () = reload_certificate(access) => {}
    }
}

/// Reloads the certificate whenever its files change. Never ends.
async fn reload_certificate(access: watch::Receiver<Arc<Access>>) {
    loop {
        sleep(CERTIFICATE_INTERVAL).await;
        let current = access.borrow().clone();
        let reload = spawn_blocking(move || current.certificate.as_ref().map(Certificate::reload));
        match reload.await.ok().flatten() {
            Some(Ok(true)) => info!("the certificate was renewed"),
            Some(Err(error)) => {
                error!(%error, "the certificate's files changed and are invalid; the old certificate stays in use");
            }
            Some(Ok(false)) | None => {}
        }
    }
}

fn router(state: AppState) -> Router {
    Router::new()
        // Not a route: its pattern would be stricter than `secret_of`.
        .fallback(receive)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        // Outermost, so that a call with a wrong secret is rejected before its body is read.
        .layer(from_fn_with_state(state.clone(), check_secret))
        .with_state(state)
}

async fn check_secret(
    State(state): State<AppState>,
    Extension(Peer(from)): Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let secret = secret_of(request.uri().path());
    let right = secret.is_some_and(|secret| is_secret(&state.access.borrow().secret, secret));
    if right {
        return next.run(request).await;
    }
    let throttled = state.throttle.refuse(from, "calls without the right secret were rejected");
    throttled.unwrap_or_else(|| StatusCode::NOT_FOUND.into_response())
}

/// The secret in a path `/signl4/{secret}`. Accepts what proxies and people make of this path: extra slashes, and characters
/// that are percent-encoded without need.
fn secret_of(path: &str) -> Option<String> {
    let path = percent_decode_str(path).decode_utf8().ok()?;
    let secret = path.trim_matches('/').strip_prefix("signl4/")?;
    Some(secret.trim_start_matches('/').to_owned())
}

async fn receive(State(state): State<AppState>, request: Request) -> Response {
    if request.method() != Method::POST {
        return StatusCode::NOT_FOUND.into_response();
    }
    let body = match timeout(STEP_TIMEOUT, Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => body,
        Ok(Err(rejection)) => return reject(rejection.status(), &rejection.body_text()),
        Err(_) => return reject(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"),
    };
    // There is nothing to store: `check` calls like this to test the secret.
    if body.is_empty() {
        return reject(StatusCode::BAD_REQUEST, "the body is empty");
    }
    let notification = Notification::parse(&body).ok();
    let event = notification.as_ref().map_or_else(|| Notification::id_of(&body), |event| event.id.clone());
    let kind = notification.as_ref().map_or("unreadable", |event| event.event_kind.name());
    let stored = match timeout(STEP_TIMEOUT, state.store.receive_event(&event, &body)).await {
        Ok(stored) => stored.map_err(|error| error.to_string()),
        Err(_) => Err("the store does not answer".to_owned()),
    };
    match stored {
        Ok(new) => {
            let event_type = notification.map(|event| event.event_type);
            match new {
                true => info!(%event, kind, event_type, "event received"),
                false => debug!(%event, kind, "event received again"),
            }
            Json(json!({ "status": if new { "stored" } else { "known" } })).into_response()
        }
        Err(reason) => {
            error!(%event, %reason, "an event cannot be stored; SIGNL4 is asked to send it again");
            reject(StatusCode::SERVICE_UNAVAILABLE, "the event cannot be stored now")
        }
    }
}

fn reject(status: StatusCode, reason: &str) -> Response {
    if status != StatusCode::SERVICE_UNAVAILABLE {
        warn!(status = status.as_u16(), reason, "an event was rejected");
    }
    (status, Json(json!({ "error": reason }))).into_response()
}
