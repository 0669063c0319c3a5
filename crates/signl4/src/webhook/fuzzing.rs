//! What holds for any answer.

use super::*;

const SECRET: &str = "t34m-s3cret";

/// `§` stands for the team's secret.
pub(crate) fn answer(bytes: &[u8]) {
    let Ok(url) = WebhookUrl::parse(&format!("https://connect.signl4.com/webhook/{SECRET}")) else {
        return;
    };
    let body = String::from_utf8_lossy(bytes).replace('§', SECRET);
    let body = if body.contains(SECRET) { body.as_bytes() } else { bytes };
    if let Some(id) = event_id(body) {
        assert!(!id.as_str().trim().is_empty());
    }
    let _ = is_html(&HeaderMap::new(), body);
    for status in [400, 401, 404, 408, 422, 429, 500, 503, 504] {
        let Ok(status) = StatusCode::from_u16(status) else { continue };
        let reason = refusal(status, DEFAULT_PAUSE, body, &url).to_string();
        assert!(!reason.contains(SECRET), "{reason}");
        assert!(reason.chars().count() <= 300, "{reason}");
    }
}
