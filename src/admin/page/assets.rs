//! The files that go with the page, built into the program.

use axum::{
    Router,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

const FILES: [(&str, &str, &str); 4] = [
    ("/theme.css", STYLE, include_str!("assets/theme.css")),
    ("/status.css", STYLE, include_str!("assets/status.css")),
    ("/status.js", SCRIPT, include_str!("assets/status.js")),
    ("/favicon.svg", "image/svg+xml", include_str!("assets/favicon.svg")),
];

/// A route for each file.
pub(in crate::admin) fn assets<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES.into_iter().fold(Router::new(), |router, (path, media_type, content)| {
        router.route(path, get(move || async move { file(media_type, content) }))
    })
}

fn file(media_type: &'static str, content: &'static str) -> Response {
    ([(header::CONTENT_TYPE, media_type)], content).into_response()
}
