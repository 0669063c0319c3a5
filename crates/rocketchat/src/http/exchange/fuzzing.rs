//! What holds for any answer.

use super::*;

pub(crate) fn answer(status: u16, bytes: &[u8]) {
    let body = repaired(bytes.to_vec());
    assert!(body == bytes || is_json(&body));
    let refusal = Refusal::of_body(&body);
    if refusal.is_none() && is_json(&body) && (200..300).contains(&status) {
        return;
    }
    let headers = HeaderMap::new();
    let refusal = refusal.or_else(|| Refusal::plain(status, &headers, &body));
    match classify(status, refusal, &headers) {
        RestError::RateLimited { wait } => assert!(!wait.is_zero() && wait <= LONGEST_WAIT, "{wait:?}"),
        RestError::Unavailable { reason, .. } => assert!(reason.len() <= MAX_REASON + 20),
        RestError::Unauthorized { code, reason } | RestError::Rejected { code, reason, .. } => {
            assert!(code.len() <= MAX_REASON, "a code of {} bytes", code.len());
            assert!(reason.len() <= MAX_REASON + 20, "a reason of {} bytes", reason.len());
        }
    }
}
