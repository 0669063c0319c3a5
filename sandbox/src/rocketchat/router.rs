//! Which path leads where.

use std::sync::Arc;

use axum::Router;

use super::shared::Shared;

/// Everything the server answers, under its prefix.
pub(super) fn routes(_shared: Arc<Shared>) -> Router {
    Router::new()
}
