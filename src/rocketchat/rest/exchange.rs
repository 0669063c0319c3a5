//! One HTTP exchange: a request out, a bounded body in, and the answer sorted into success and kinds of error.

use std::error::Error as _;

use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use metrics::{SharedString, counter};
use reqwest::header::{DATE, HeaderMap, LOCATION, RETRY_AFTER};
use serde_json::Value;

use super::RestError;
use crate::rocketchat::{clock::ServerClock, wire};

/// Largest body of an ordinary answer, in bytes.
pub(crate) const MAX_BODY: usize = 1024 * 1024;
/// How long to hold back where the server names no time, and the longest it is believed.
const DEFAULT_WAIT: SignedDuration = SignedDuration::from_secs(60);
const LONGEST_WAIT: SignedDuration = SignedDuration::from_secs(15 * 60);
/// Longest text kept of a server's error.
const MAX_REASON: usize = 300;

/// A successful answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) body: Value,
    /// Until when the route takes no further call: the answer said that this was the last one.
    pub(crate) exhausted_until: Option<Timestamp>,
}

/// Sends a request and reads its answer.
pub(crate) async fn exchange(
    request: reqwest::RequestBuilder,
    limit: usize,
    clock: &ServerClock,
) -> Result<Answer, RestError> {
    let sent = Timestamp::now();
    let response = request.send().await.map_err(failed)?;
    let answered = Timestamp::now();
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let date = date(&headers);
    if let Some(date) = date {
        clock.observe(date, sent, answered);
    }
    if response.status().is_redirection() {
        count_error(status.to_string());
        return Err(redirected(&headers));
    }
    let body = read(response, limit).await?;
    let json = serde_json::from_slice::<Value>(&body).ok();
    let times = RateLimitTimes { headers: &headers, date, now: answered };
    match json {
        Some(json) if (200..300).contains(&status) && json.get("success") != Some(&Value::Bool(false)) => {
            Ok(Answer { body: json, exhausted_until: times.exhausted() })
        }
        json => {
            let text = || bounded(String::from_utf8_lossy(&body).trim());
            let refusal = json.as_ref().map(Refusal::read).unwrap_or_default();
            count_error(status.to_string());
            Err(sort(status, refusal, json.is_none().then(text), &times))
        }
    }
}

/// What a refusing body says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Refusal {
    code: String,
    reason: String,
}

impl Refusal {
    /// `{success:false, error, errorType?, details?}`, or `{status:"error", error?, message?}` of the older login.
    fn read(body: &Value) -> Self {
        let error = body.get("error").and_then(wire::code).unwrap_or_default();
        let message = wire::filled(body, "message").unwrap_or(&error);
        let code = wire::filled(body, "errorType")
            .map(str::to_owned)
            .or_else(|| bracketed_code(&error).map(str::to_owned))
            .or_else(|| bracketed_code(message).map(str::to_owned))
            .unwrap_or_else(|| if is_code(&error) { error.clone() } else { String::new() });
        Self { code, reason: bounded(message) }
    }
}

/// The code at the end of a Meteor error's text: `Not allowed [error-not-allowed]`.
fn bracketed_code(text: &str) -> Option<&str> {
    let (_, code) = text.trim_end().strip_suffix(']')?.rsplit_once('[')?;
    is_code(code).then_some(code)
}

fn is_code(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn sort(status: u16, refusal: Refusal, plain: Option<String>, times: &RateLimitTimes<'_>) -> RestError {
    let Refusal { code, reason } = refusal;
    let reason = plain.filter(|_| reason.is_empty()).unwrap_or(reason);
    if status == 429 || code.contains("too-many-requests") {
        return RestError::RateLimited { until: times.refused(&reason) };
    }
    match status {
        // From 8.x on, a missing right may be answered 401 as well, with this code; a dead token has none.
        401 if matches!(code.as_str(), "error-unauthorized" | "error-forbidden") => {
            RestError::Rejected { status, code, reason }
        }
        401 => RestError::Unauthorized { reason: format!("{reason} (HTTP 401)") },
        400..500 => RestError::Rejected { status, code, reason },
        200..300 if !reason.is_empty() || !code.is_empty() => RestError::Rejected { status, code, reason },
        200..300 => RestError::unclear(format!("HTTP {status} with an answer that is not JSON")),
        _ => RestError::unclear(format!("HTTP {status}")),
    }
}

/// The times an answer names, read by our own clock.
struct RateLimitTimes<'a> {
    headers: &'a HeaderMap,
    date: Option<Timestamp>,
    now: Timestamp,
}

impl RateLimitTimes<'_> {
    /// When a call that was turned away may be made again.
    fn refused(&self, reason: &str) -> Timestamp {
        let wait = self.reset().or_else(|| self.retry_after()).or_else(|| spoken_wait(reason));
        self.now + bounded_wait(wait)
    }

    /// When the next call may be made, where this one was the last of its window.
    fn exhausted(&self) -> Option<Timestamp> {
        let remaining: i64 = self.number("x-ratelimit-remaining")?;
        (remaining <= 0).then(|| self.reset()).flatten().map(|wait| self.now + bounded_wait(Some(wait)))
    }

    /// `X-RateLimit-Reset`, epoch milliseconds by the server's clock, which its `Date` tells.
    fn reset(&self) -> Option<SignedDuration> {
        let reset = Timestamp::from_millisecond(self.number("x-ratelimit-reset")?).ok()?;
        Some(reset.duration_since(self.date.unwrap_or(self.now)))
    }

    fn retry_after(&self) -> Option<SignedDuration> {
        let seconds = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
        Some(SignedDuration::from_secs(seconds))
    }

    fn number(&self, header: &str) -> Option<i64> {
        self.headers.get(header)?.to_str().ok()?.trim().parse().ok()
    }
}

/// "You must wait 23 seconds before trying this endpoint again."
fn spoken_wait(reason: &str) -> Option<SignedDuration> {
    let (_, rest) = reason.split_once("must wait ")?;
    let seconds = rest.split_whitespace().next()?.parse().ok()?;
    Some(SignedDuration::from_secs(seconds))
}

fn bounded_wait(wait: Option<SignedDuration>) -> SignedDuration {
    wait.filter(|wait| wait.is_positive())
        .unwrap_or(DEFAULT_WAIT)
        .clamp(SignedDuration::from_secs(1), LONGEST_WAIT)
}

fn date(headers: &HeaderMap) -> Option<Timestamp> {
    rfc2822::parse(headers.get(DATE)?.to_str().ok()?).ok().map(|date| date.timestamp())
}

fn redirected(headers: &HeaderMap) -> RestError {
    let host = headers
        .get(LOCATION)
        .and_then(|to| url::Url::parse(to.to_str().ok()?).ok())
        .and_then(|url| url.host_str().map(|host| format!("{}://{host}", url.scheme())));
    RestError::unreachable(match host {
        Some(host) => format!("the server redirects to {host}; use that as its URL"),
        None => "the server redirects; use the URL it redirects to".to_owned(),
    })
}

async fn read(mut response: reqwest::Response, limit: usize) -> Result<Vec<u8>, RestError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > limit {
            return Err(RestError::Rejected {
                status: response.status().as_u16(),
                code: "answer-too-large".to_owned(),
                reason: format!("the answer is larger than {limit} bytes"),
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// A request that got no answer. The URL may hold what nobody should read in a log, so it is left out.
fn failed(error: reqwest::Error) -> RestError {
    let error = error.without_url();
    count_error(silence(&error));
    if error.is_timeout() && !error.is_connect() {
        return RestError::unclear("no answer in time");
    }
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        reason = cause.to_string();
        source = cause.source();
    }
    if error.is_connect() || error.is_builder() {
        RestError::unreachable(bounded(&reason))
    } else {
        RestError::unclear(bounded(&reason))
    }
}

/// Why no answer came, in one word.
fn silence(error: &reqwest::Error) -> &'static str {
    if error.is_connect() {
        "connect"
    } else if error.is_timeout() {
        "timeout"
    } else {
        "broken"
    }
}

/// Counts a failed call by its status, or by why there was none.
fn count_error(code: impl Into<SharedString>) {
    counter!("signl4_bot_http_errors_total", "peer" => "rocketchat", "code" => code.into()).increment(1);
}

fn bounded(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_REASON)].to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn times<'a>(headers: &'a HeaderMap) -> RateLimitTimes<'a> {
        RateLimitTimes { headers, date: date(headers), now: Timestamp::from_second(1_000).unwrap() }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn sorted(status: u16, body: Value) -> RestError {
        sort(status, Refusal::read(&body), None, &times(&HeaderMap::new()))
    }

    #[test]
    fn the_code_is_found_wherever_the_server_puts_it() {
        for (body, code) in [
            (
                json!({"success": false, "error": "Too long", "errorType": "error-message-size-exceeded"}),
                "error-message-size-exceeded",
            ),
            (json!({"success": false, "error": "Not allowed [error-not-allowed]"}), "error-not-allowed"),
            (
                json!({"success": false, "error": "error-message-size-exceeded"}),
                "error-message-size-exceeded",
            ),
            (
                json!({"status": "error", "error": "totp-required", "message": "TOTP Required"}),
                "totp-required",
            ),
            (json!({"status": "error", "error": 403, "message": "User not found"}), "403"),
            (json!({"success": false, "error": "Cannot read properties of undefined"}), ""),
            (json!({"success": false}), ""),
        ] {
            assert_eq!(Refusal::read(&body).code, code, "{body}");
        }
    }

    #[test]
    fn statuses_are_sorted_by_what_the_caller_does_next() {
        assert!(matches!(
            sorted(401, json!({"message": "You must be logged in to do this."})),
            RestError::Unauthorized { .. }
        ));
        assert_eq!(
            sorted(401, json!({"error": "No right [error-unauthorized]"})).code(),
            Some("error-unauthorized")
        );
        assert_eq!(
            sorted(403, json!({"error": "No right [error-unauthorized]"})).code(),
            Some("error-unauthorized")
        );
        assert!(!sorted(400, json!({"error": "whatever"})).is_retryable());
        assert!(!sorted(200, json!({"success": false, "error": "whatever"})).is_retryable());
        for status in [200, 500, 502, 503, 504] {
            assert!(sorted(status, json!({})).may_have_taken_effect(), "{status}");
        }
        assert!(matches!(sorted(429, json!({})), RestError::RateLimited { .. }));
        assert!(matches!(
            sorted(400, json!({"errorType": "error-too-many-requests"})),
            RestError::RateLimited { .. }
        ));
    }

    #[test]
    fn missing_impersonation_is_told_from_other_refusals() {
        assert!(
            sorted(400, json!({"success": false, "error": "Not enough permission"}))
                .is_missing_impersonation()
        );
        assert!(
            !sorted(400, json!({"success": false, "error": "error-not-allowed"})).is_missing_impersonation()
        );
    }

    #[test]
    fn the_reset_is_milliseconds_by_the_servers_clock() {
        // Ten minutes ahead of ours, and thirty seconds to wait.
        let headers = headers(&[
            ("date", "Thu, 01 Jan 1970 00:26:40 GMT"),
            ("x-ratelimit-reset", "1630000"),
            ("x-ratelimit-remaining", "0"),
        ]);
        let until = Timestamp::from_second(1_030).unwrap();
        assert_eq!(times(&headers).refused(""), until);
        assert_eq!(times(&headers).exhausted(), Some(until));
    }

    #[test]
    fn without_a_reset_other_words_count_and_at_last_a_minute() {
        let at = |s| Timestamp::from_second(s).unwrap();
        let words = "Error, too many requests. You must wait 23 seconds before trying this endpoint again.";
        assert_eq!(times(&HeaderMap::new()).refused(words), at(1_023));
        assert_eq!(times(&headers(&[("retry-after", "7")])).refused(""), at(1_007));
        assert_eq!(times(&HeaderMap::new()).refused(""), at(1_060));
        assert_eq!(times(&headers(&[("x-ratelimit-reset", "5")])).refused(""), at(1_060), "in the past");
        assert_eq!(
            times(&headers(&[("x-ratelimit-reset", "99999999999")])).refused(""),
            at(1_900),
            "far off"
        );
        assert_eq!(times(&HeaderMap::new()).exhausted(), None);
    }

    #[test]
    fn a_redirect_names_the_host_and_nothing_else() {
        let error = redirected(&headers(&[("location", "https://new.example.com/api/v1/me?token=x")]));
        assert!(error.to_string().contains("https://new.example.com;"), "{error}");
        assert!(
            !error.to_string().contains("token") && error.is_retryable() && !error.may_have_taken_effect()
        );
    }
}
