//! The files of the page, compiled into the program.

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::server::Stage;

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

const FILES: [(&str, &str, &str); 3] = [
    ("/", HTML, include_str!("assets/index.html")),
    ("/style.css", STYLE, include_str!("assets/style.css")),
    ("/app.js", SCRIPT, include_str!("assets/app.js")),
];

pub(super) fn routes() -> Router<Arc<Stage>> {
    let with_file = |router: Router<Arc<Stage>>, (path, media_type, content)| {
        router.route(path, get(move || async move { file(media_type, content) }))
    };
    FILES.into_iter().fold(Router::new(), with_file)
}

fn file(media_type: &'static str, content: &'static str) -> Response {
    ([(header::CONTENT_TYPE, media_type)], content).into_response()
}
