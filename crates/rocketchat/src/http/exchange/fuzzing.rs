//! What holds for any answer.

use super::*;

pub(crate) fn answer(status: u16, bytes: &[u8]) {
    let body = repaired(bytes.to_vec());
    assert!(body == bytes || is_json(&body));
    let refusal = Refusal::of_body(&body);
    if refusal.is_none() && is_json(&body) && (200..300).contains(&status) {
        return;
    }
    let now = Timestamp::UNIX_EPOCH;
    let times = RateLimitTimes { headers: &HeaderMap::new(), date: None, now };
    let refusal = refusal.or_else(|| Refusal::plain(status, times.headers, &body));
    match classify(status, refusal, &times) {
        RestError::RateLimited { until } => {
            assert!(until > now && until <= now + LONGEST_WAIT, "{until}");
        }
        RestError::Unavailable { reason, .. } => assert!(reason.len() <= MAX_REASON + 20),
        RestError::Unauthorized { code, reason } | RestError::Rejected { code, reason, .. } => {
            assert!(code.len() <= MAX_REASON, "a code of {} bytes", code.len());
            assert!(reason.len() <= MAX_REASON + 20, "a reason of {} bytes", reason.len());
        }
    }
}
