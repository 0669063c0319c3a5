//! One HTTP call: sends a request, reads a bounded body, and classifies the answer.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use http_outcome::{Failure, NoAnswer, date, number, read_body};
use jiff::{SignedDuration, Timestamp};
use lenient_json::text;
use reqwest::Method;
use reqwest::header::{HeaderMap, LOCATION, WWW_AUTHENTICATE};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::{Http, RestError};

/// Largest body of an answer, in bytes: the list of 10,000 rooms has some 10 MB.
pub(crate) const MAX_BODY: usize = 64 * 1024 * 1024;
/// The wait after a rate limit without a time, and the longest wait.
const DEFAULT_WAIT: Duration = Duration::from_secs(60);
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// The end of a window that is longer past than this is no time of Rocket.Chat's.
const LARGEST_DIFFERENCE: SignedDuration = SignedDuration::from_hours(24);
/// Longest text kept of a server's error, in bytes.
const MAX_REASON: usize = 300;

impl Http {
    /// Makes one call and returns the JSON of its answer, checked and not decoded. While `route` is rate limited, no call is
    /// made.
    pub(crate) async fn exchange_raw(
        &self,
        route: &'static str,
        request: reqwest::RequestBuilder,
    ) -> Result<Vec<u8>, RestError> {
        if let Some(wait) = self.limits.closed_for(route) {
            return Err(RestError::RateLimited { wait });
        }
        let on_error = &self.connector.on_error;
        let failed = |error: NoAnswer| {
            on_error(error.failure.code());
            no_answer(error)
        };
        let sent = Instant::now();
        let response = send(request).await.map_err(failed)?;
        let answered = Instant::now();
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let date = server_time(&headers);
        if response.status().is_redirection() {
            on_error(response.status().as_str());
            return Err(redirected(&headers));
        }
        let body = read_body(response, MAX_BODY).await.map_err(failed)?.ok_or_else(|| too_large(status))?;
        let (body, head) = read_head(body);
        let is_json = head.is_some();
        let refusal = head.and_then(Refusal::of);
        let is_answer = (200..300).contains(&status) && is_json && refusal.is_none();
        // A proxy's own answer has the proxy's time.
        if let Some(date) = date.filter(|_| is_answer || refusal.is_some()) {
            self.clock.observe(date, sent, answered);
        }
        if is_answer {
            if let Some(wait) = wait_after_last(&headers) {
                self.limits.close(route, wait);
            }
            return Ok(body);
        }
        on_error(&status.to_string());
        let refusal = refusal.or_else(|| Refusal::plain(status, &headers, &body));
        let error = classify(status, refusal, &headers);
        if let RestError::RateLimited { wait } = &error {
            self.limits.close(route, *wait);
        }
        Err(error)
    }
}

/// Sends a request. If the connection breaks, repeats a read-only call once immediately, because the connection may
/// have been stale.
async fn send(request: reqwest::RequestBuilder) -> Result<reqwest::Response, NoAnswer> {
    let (client, request) = request.build_split();
    let request = request?;
    let again = request.try_clone().filter(|request| request.method() == Method::GET);
    match (client.execute(request).await.map_err(NoAnswer::from), again) {
        (Err(NoAnswer { failure: Failure::Broken, .. }), Some(again)) => Ok(client.execute(again).await?),
        (outcome, _) => outcome,
    }
}

/// Code and message of a refusal.
#[derive(Debug, Default, PartialEq, Eq)]
struct Refusal {
    code: String,
    reason: String,
}

/// The part of an answer that shows whether it is a refusal, and why. The rest, perhaps a long list, is not decoded.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Head {
    success: Value,
    status: Value,
    error: Value,
    error_type: Value,
    message: Value,
}

/// The body, and its head if it is JSON. If only a repair makes it so, it is repaired: one damaged message must not hide a whole
/// room.
fn read_head(body: Vec<u8>) -> (Vec<u8>, Option<Head>) {
    let head = |body: &[u8]| serde_json::from_str(std::str::from_utf8(body).ok()?).ok();
    if let Some(head) = head(&body) {
        return (body, Some(head));
    }
    let repaired = lenient_json::repair(&body).into_bytes();
    match head(&repaired) {
        Some(head) => (repaired, Some(head)),
        None => (body, None),
    }
}

impl Refusal {
    /// `{success:false, error, errorType?, details?}`, or `{status:"error", error?, message?}` from the login and from 7.x
    /// and older. Anything else is not from Rocket.Chat's API but from another server, or a proxy in front of it.
    fn of(head: Head) -> Option<Self> {
        if head.success != false && head.status != "error" {
            return None;
        }
        let error = text(&head.error).unwrap_or_default();
        let message = text(&head.message).unwrap_or_else(|| error.clone());
        let code = text(&head.error_type)
            .or_else(|| bracketed_code(&error).map(str::to_owned))
            .or_else(|| bracketed_code(&message).map(str::to_owned))
            .unwrap_or_else(|| if is_code(&error) { error.clone() } else { String::new() });
        Some(Self { code: bounded(&code), reason: bounded(&message) })
    }

    /// The refusal of a token in plain text, as some servers send it. A proxy's 401 says how to log in at the proxy
    /// (`WWW-Authenticate`), or is a web page.
    fn plain(status: u16, headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?.trim();
        let is_plain = !text.is_empty() && text.len() <= MAX_REASON && !text.contains('<');
        let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
        (status == 401 && is_plain && !is_json && !headers.contains_key(WWW_AUTHENTICATE))
            .then(|| Self { code: String::new(), reason: text.to_owned() })
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

/// Classifies an answer. Without a refusal it is one of a reverse proxy, or of the server before its API has started. That says
/// nothing about the account or the call, so it is no reason to give up either.
fn classify(status: u16, refusal: Option<Refusal>, headers: &HeaderMap) -> RestError {
    let is_refusal = refusal.is_some();
    let Refusal { code, reason } = refusal.unwrap_or_default();
    if status == 429 || code.contains("too-many-requests") {
        return RestError::RateLimited { wait: wait_after_refusal(headers, &reason) };
    }
    // Since 8.0, a missing permission may be a 401 too, with one of these codes; an invalid token has no code.
    let is_forbidden = matches!(code.as_str(), "error-unauthorized" | "error-forbidden");
    match status {
        401 if is_refusal && !is_forbidden => {
            RestError::Unauthorized { code, reason: format!("{reason} (HTTP 401)") }
        }
        200..500 if is_refusal => RestError::Rejected { status, code, reason },
        413 | 414 | 431 => {
            let reason =
                format!("the call is too large for the proxy in front of Rocket.Chat (HTTP {status})");
            RestError::rejected(status, "", reason)
        }
        400..500 => RestError::unavailable(format!(
            "HTTP {status}, not from Rocket.Chat but from another server, or a proxy in front of it"
        )),
        200..300 => {
            RestError::unavailable(format!("HTTP {status} with an answer that is not from Rocket.Chat"))
        }
        _ => RestError::unavailable(format!("HTTP {status}")),
    }
}

/// The server's time. A reverse proxy may replace `Date` by its own time (nginx does), so it is limited by the end of the rate limit's
/// window, which is never in the server's past. An account with `api-bypass-rate-limit` has no window.
fn server_time(headers: &HeaderMap) -> Option<Timestamp> {
    let date = date(headers)?;
    let is_ahead = |end: &Timestamp| *end < date && date.duration_since(*end) < LARGEST_DIFFERENCE;
    Some(reset(headers).filter(is_ahead).unwrap_or(date))
}

/// How long to wait before a refused call may be repeated.
fn wait_after_refusal(headers: &HeaderMap, reason: &str) -> Duration {
    let retry_after = || number(headers, "retry-after").map(Duration::from_secs);
    let wait = until_reset(headers).or_else(retry_after).or_else(|| spoken_wait(reason));
    bounded_wait(wait.unwrap_or(DEFAULT_WAIT))
}

/// How long to wait before the next call, if this one was the last of the rate limit's window.
fn wait_after_last(headers: &HeaderMap) -> Option<Duration> {
    let remaining: i64 = number(headers, "x-ratelimit-remaining")?;
    until_reset(headers).filter(|_| remaining <= 0).map(bounded_wait)
}

/// How long until then; zero if it is past. The time is the server's, which is in `Date`.
fn until_reset(headers: &HeaderMap) -> Option<Duration> {
    let now = server_time(headers).unwrap_or_else(Timestamp::now);
    Some(reset(headers)?.duration_since(now).try_into().unwrap_or_default())
}

/// When the rate limit's window ends: `X-RateLimit-Reset` is Unix time in milliseconds by the server's clock.
fn reset(headers: &HeaderMap) -> Option<Timestamp> {
    Timestamp::from_millisecond(number(headers, "x-ratelimit-reset")?).ok()
}

/// "You must wait 23 seconds before trying this endpoint again."
fn spoken_wait(reason: &str) -> Option<Duration> {
    let (_, rest) = reason.split_once("must wait ")?;
    let seconds = rest.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn bounded_wait(wait: Duration) -> Duration {
    if wait.is_zero() { DEFAULT_WAIT } else { wait.clamp(Duration::from_secs(1), LONGEST_WAIT) }
}

fn redirected(headers: &HeaderMap) -> RestError {
    let host = headers
        .get(LOCATION)
        .and_then(|to| url::Url::parse(to.to_str().ok()?).ok())
        .and_then(|url| url.host_str().map(|host| format!("{}://{host}", url.scheme())));
    RestError::unavailable(match host {
        Some(host) => format!("the server redirects to {host}; use that as its URL"),
        None => "the server redirects; use the URL it redirects to".to_owned(),
    })
}

fn too_large(status: u16) -> RestError {
    RestError::rejected(status, "answer-too-large", format!("the answer is larger than {MAX_BODY} bytes"))
}

fn no_answer(error: NoAnswer) -> RestError {
    if error.failure == Failure::Timeout {
        return RestError::unavailable("no answer in time");
    }
    RestError::Unavailable { reason: error.reason, failure: Some(error.failure) }
}

fn bounded(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_REASON)].to_owned()
}
