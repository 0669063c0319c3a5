//! The files of the page, compiled into the program.

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::server::AppState;

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const PICTURE: &str = "image/svg+xml";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Path, media type, content.
const FILES: [(&str, &str, &str); 26] = [
    ("/", HTML, include_str!("assets/index.html")),
    ("/favicon.svg", PICTURE, include_str!("assets/favicon.svg")),
    ("/alert.css", STYLE, include_str!("assets/alert.css")),
    ("/layout.css", STYLE, include_str!("assets/layout.css")),
    ("/messages.css", STYLE, include_str!("assets/messages.css")),
    ("/phone.css", STYLE, include_str!("assets/phone.css")),
    ("/rooms.css", STYLE, include_str!("assets/rooms.css")),
    ("/theme.css", STYLE, include_str!("assets/theme.css")),
    ("/writing.css", STYLE, include_str!("assets/writing.css")),
    ("/alert.js", SCRIPT, include_str!("assets/alert.js")),
    ("/api.js", SCRIPT, include_str!("assets/api.js")),
    ("/app.js", SCRIPT, include_str!("assets/app.js")),
    ("/bubble.js", SCRIPT, include_str!("assets/bubble.js")),
    ("/chat.js", SCRIPT, include_str!("assets/chat.js")),
    ("/dom.js", SCRIPT, include_str!("assets/dom.js")),
    ("/expander.js", SCRIPT, include_str!("assets/expander.js")),
    ("/form.js", SCRIPT, include_str!("assets/form.js")),
    ("/format.js", SCRIPT, include_str!("assets/format.js")),
    ("/keys.js", SCRIPT, include_str!("assets/keys.js")),
    ("/markdown.js", SCRIPT, include_str!("assets/markdown.js")),
    ("/message.js", SCRIPT, include_str!("assets/message.js")),
    ("/people.js", SCRIPT, include_str!("assets/people.js")),
    ("/phone.js", SCRIPT, include_str!("assets/phone.js")),
    ("/strip.js", SCRIPT, include_str!("assets/strip.js")),
    ("/tabs.js", SCRIPT, include_str!("assets/tabs.js")),
    ("/thread.js", SCRIPT, include_str!("assets/thread.js")),
];

pub(super) fn routes() -> Router<Arc<AppState>> {
    let with_file = |router: Router<Arc<AppState>>, (path, media_type, content)| {
        router.route(path, get(move || async move { file(media_type, content) }))
    };
    FILES.into_iter().fold(Router::new(), with_file)
}

fn file(media_type: &'static str, content: &'static str) -> Response {
    ([(header::CONTENT_TYPE, media_type)], content).into_response()
}
