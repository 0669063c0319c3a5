//! What holds for any answer.

use super::*;

pub(crate) fn answer(status: u16, bytes: &[u8]) {
    let (body, head) = read_head(bytes.to_vec());
    let is_json = head.is_some();
    assert!(body == bytes || is_json);
    let refusal = head.and_then(Refusal::of);
    if refusal.is_none() && is_json && (200..300).contains(&status) {
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
