//! Why a call was not carried out, and the answer to the browser.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::rocketchat::Refusal;
use crate::signl4::{ActionError, StartError};

/// A call that was not carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// The caller has no right to do this (403).
    #[error("{0}")]
    Forbidden(&'static str),
    /// There is no such thing (404).
    #[error("{0}")]
    NotFound(&'static str),
    /// The body has no meaning (422).
    #[error("{0}")]
    Invalid(&'static str),
    /// The simulated Rocket.Chat refuses it (422).
    #[error(transparent)]
    Chat(#[from] Refusal),
    /// The simulated SIGNL4 refuses it (404 or 409).
    #[error(transparent)]
    Alert(#[from] ActionError),
    /// The simulated SIGNL4 does not start again (503).
    #[error(transparent)]
    Signl4(#[from] StartError),
}

impl CallError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) | Self::Alert(ActionError::NoSuchAlert) => StatusCode::NOT_FOUND,
            Self::Invalid(_) | Self::Chat(_) | Self::Alert(ActionError::NoSuchUser) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::Alert(ActionError::Conflict { .. }) => StatusCode::CONFLICT,
            Self::Signl4(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl IntoResponse for CallError {
    fn into_response(self) -> Response {
        (self.status(), Json(json!({ "error": self.to_string() }))).into_response()
    }
}
