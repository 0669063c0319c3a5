//! The private HTTP listener: whether the bot is alive, and whether it can do its work.
//!
//! It knows states, never messages.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use tokio::{
    net::TcpListener,
    sync::watch,
    time::{Duration, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{rocketchat::realtime::ConnectionState, store::Store};

/// A store that takes longer than this for one small write is not well.
const STORE_PATIENCE: Duration = Duration::from_secs(2);

/// What tells whether the bot can do its work.
#[derive(Clone, Debug)]
pub struct Health {
    connection: watch::Receiver<ConnectionState>,
    store: Store,
}

/// The answer of `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// Whether nothing is missing.
    pub ready: bool,
    /// What is missing, for a person.
    pub missing: Vec<String>,
}

impl Health {
    /// Looks at the connection and the store.
    pub fn new(connection: watch::Receiver<ConnectionState>, store: Store) -> Self {
        Self { connection, store }
    }

    /// Whether the bot is logged in, subscribed, and can write its store.
    pub async fn readiness(&self) -> Readiness {
        let mut missing = Vec::new();
        match &*self.connection.borrow() {
            ConnectionState::Online { .. } => {}
            ConnectionState::Waiting { reason, retry_at } => {
                missing.push(format!("Rocket.Chat is not connected ({reason}); next attempt at {retry_at}"));
            }
            other => missing.push(format!("Rocket.Chat is not connected ({})", other.name())),
        }
        match timeout(STORE_PATIENCE, self.store.check_writable()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => missing.push(error.to_string()),
            Err(_) => missing.push("the store does not answer".to_owned()),
        }
        Readiness { ready: missing.is_empty(), missing }
    }
}

/// Serves the private pages until cancelled.
///
/// # Errors
/// When the socket fails.
pub async fn serve(
    socket: TcpListener,
    token: Option<SecretString>,
    health: Health,
    cancel: CancellationToken,
) -> std::io::Result<()> {
    let guarded = Router::new()
        .route("/readyz", get(readyz))
        .with_state(health)
        .layer(from_fn_with_state(Arc::new(token), check_token));
    let router = Router::new().route("/healthz", get(|| async { "ok\n" })).merge(guarded);
    axum::serve(socket, router).with_graceful_shutdown(cancel.cancelled_owned()).await
}

async fn readyz(State(health): State<Health>) -> Response {
    let readiness = health.readiness().await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}

async fn check_token(
    State(token): State<Arc<Option<SecretString>>>,
    request: Request,
    next: Next,
) -> Response {
    let Some(token) = &*token else { return next.run(request).await };
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    if bool::from(given.as_bytes().ct_eq(token.expose_secret().as_bytes())) {
        return next.run(request).await;
    }
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")]).into_response()
}
