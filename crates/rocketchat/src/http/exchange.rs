//! One HTTP call: sends a request, reads a bounded body, and classifies the answer.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
#[cfg(test)]
mod tests;

use std::time::Instant;

use http_outcome::{Failure, NoAnswer, date, number, read_body};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use reqwest::header::{HeaderMap, LOCATION, WWW_AUTHENTICATE};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::{Http, RestError};
use crate::wire;

/// Largest body of an ordinary answer, in bytes.
pub(crate) const MAX_BODY: usize = 1024 * 1024;
/// The wait after a rate limit without a time, and the longest wait.
const DEFAULT_WAIT: SignedDuration = SignedDuration::from_secs(60);
const LONGEST_WAIT: SignedDuration = SignedDuration::from_secs(15 * 60);
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
        limit: usize,
    ) -> Result<Vec<u8>, RestError> {
        if let Some(wait) = self.limits.closed_for(route) {
            return Err(RestError::RateLimited { until: Timestamp::now() + wait });
        }
        let errors = &self.connector.errors;
        let failed = |error: NoAnswer| {
            errors.report(error.failure.code());
            no_answer(error)
        };
        let sent = Instant::now();
        let response = send(request).await.map_err(failed)?;
        let answered = Instant::now();
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let date = server_time(&headers);
        if response.status().is_redirection() {
            errors.report(response.status().as_str());
            return Err(redirected(&headers));
        }
        let body =
            read_body(response, limit).await.map_err(failed)?.ok_or_else(|| too_large(status, limit))?;
        let body = repaired(body);
        let refusal = Refusal::of_body(&body);
        let is_answer = (200..300).contains(&status) && refusal.is_none() && is_json(&body);
        // A proxy's own answer has the proxy's time.
        if let Some(date) = date.filter(|_| is_answer || refusal.is_some()) {
            self.clock.observe(date, sent, answered);
        }
        let times = RateLimitTimes { headers: &headers, date, now: Timestamp::now() };
        if is_answer {
            if let Some(until) = times.exhausted() {
                self.limits.close(route, until);
            }
            return Ok(body);
        }
        errors.report(&status.to_string());
        let refusal = refusal.or_else(|| Refusal::plain(status, &headers, &body));
        let error = classify(status, refusal, &times);
        if let RestError::RateLimited { until } = &error {
            self.limits.close(route, *until);
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

/// As much of an answer as tells whether it is a refusal.
#[derive(Deserialize)]
struct Head {
    success: Option<bool>,
    status: Option<String>,
}

fn is_json(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

/// The body, repaired if that makes it valid JSON: one damaged message must not hide a whole room.
fn repaired(body: Vec<u8>) -> Vec<u8> {
    if is_json(&body) {
        return body;
    }
    let repaired = lenient_json::repair(&body).into_bytes();
    if is_json(&repaired) { repaired } else { body }
}

impl Refusal {
    /// The refusal in a body. A long list is not decoded to find that it is not a refusal.
    fn of_body(body: &[u8]) -> Option<Self> {
        match serde_json::from_slice(body) {
            Ok(Head { success: Some(true), status }) if status.as_deref() != Some("error") => None,
            _ => Self::read(&serde_json::from_slice(body).ok()?),
        }
    }

    /// `{success:false, error, errorType?, details?}`, or `{status:"error", error?, message?}` from the login and from 7.x
    /// and older. Anything else is not from Rocket.Chat's API but from a proxy in front of it.
    fn read(body: &Value) -> Option<Self> {
        let is_refusal = body.get("success") == Some(&Value::Bool(false))
            || wire::text(body, "status").is_some_and(|status| status == "error");
        if !is_refusal {
            return None;
        }
        let error = body.get("error").and_then(wire::code).unwrap_or_default();
        let message = wire::filled(body, "message").unwrap_or(&error);
        let code = wire::filled(body, "errorType")
            .map(str::to_owned)
            .or_else(|| bracketed_code(&error).map(str::to_owned))
            .or_else(|| bracketed_code(message).map(str::to_owned))
            .unwrap_or_else(|| if is_code(&error) { error.clone() } else { String::new() });
        Some(Self { code: bounded(&code), reason: bounded(message) })
    }

    /// The refusal of a token in plain text, as some servers send it. A proxy's 401 says how to log in at the proxy
    /// (`WWW-Authenticate`), or is a web page.
    fn plain(status: u16, headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?.trim();
        let is_plain = !text.is_empty() && text.len() <= MAX_REASON && !text.contains('<') && !is_json(body);
        (status == 401 && is_plain && !headers.contains_key(WWW_AUTHENTICATE))
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

fn classify(status: u16, refusal: Option<Refusal>, times: &RateLimitTimes<'_>) -> RestError {
    let Some(Refusal { code, reason }) = refusal else { return not_from_rocketchat(status, times) };
    if status == 429 || code.contains("too-many-requests") {
        return RestError::RateLimited { until: times.refused(&reason) };
    }
    match status {
        // Since 8.0, a missing permission may be a 401 too, with one of these codes; an invalid token has no code.
        401 if matches!(code.as_str(), "error-unauthorized" | "error-forbidden") => {
            RestError::Rejected { status, code, reason }
        }
        401 => RestError::Unauthorized { code, reason: format!("{reason} (HTTP 401)") },
        200..500 => RestError::Rejected { status, code, reason },
        _ => RestError::unavailable(format!("HTTP {status}")),
    }
}

/// Classifies an answer of a reverse proxy, or of the server before its API has started. It says nothing about the account
/// or the call, so it is no reason to give up either.
fn not_from_rocketchat(status: u16, times: &RateLimitTimes<'_>) -> RestError {
    match status {
        429 => RestError::RateLimited { until: times.refused("") },
        413 | 414 | 431 => RestError::Rejected {
            status,
            code: String::new(),
            reason: format!("the call is too large for the proxy in front of Rocket.Chat (HTTP {status})"),
        },
        400..500 => RestError::unavailable(format!(
            "HTTP {status}, not from Rocket.Chat but from a proxy in front of it"
        )),
        200..300 => {
            RestError::unavailable(format!("HTTP {status} with an answer that is not from Rocket.Chat"))
        }
        _ => RestError::unavailable(format!("HTTP {status}")),
    }
}

/// The server's time. A reverse proxy may replace `Date` by its own time (nginx does), so it is limited by the end of the rate limit's
/// window, which is never in the server's past. An account with `api-bypass-rate-limit` is told of no window.
fn server_time(headers: &HeaderMap) -> Option<Timestamp> {
    let date = date(headers)?;
    let end = number(headers, "x-ratelimit-reset").and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let is_ahead = |end: &Timestamp| *end < date && date.duration_since(*end) < LARGEST_DIFFERENCE;
    Some(end.filter(is_ahead).unwrap_or(date))
}

/// The times in an answer, converted to this machine's clock.
struct RateLimitTimes<'a> {
    headers: &'a HeaderMap,
    date: Option<Timestamp>,
    now: Timestamp,
}

impl RateLimitTimes<'_> {
    /// When a refused call may be repeated.
    fn refused(&self, reason: &str) -> Timestamp {
        let retry_after = || number(self.headers, "retry-after").map(SignedDuration::from_secs);
        let wait = self.reset().or_else(retry_after).or_else(|| spoken_wait(reason));
        self.now + bounded_wait(wait)
    }

    /// When the next call may be made, if this one was the last of the rate limit's window.
    fn exhausted(&self) -> Option<Timestamp> {
        let remaining: i64 = number(self.headers, "x-ratelimit-remaining")?;
        (remaining <= 0).then(|| self.reset()).flatten().map(|wait| self.now + bounded_wait(Some(wait)))
    }

    /// `X-RateLimit-Reset` is Unix time in milliseconds by the server's clock, whose time is in `Date`.
    fn reset(&self) -> Option<SignedDuration> {
        let reset = Timestamp::from_millisecond(number(self.headers, "x-ratelimit-reset")?).ok()?;
        Some(reset.duration_since(self.date.unwrap_or(self.now)))
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

fn too_large(status: u16, limit: usize) -> RestError {
    RestError::Rejected {
        status,
        code: "answer-too-large".to_owned(),
        reason: format!("the answer is larger than {limit} bytes"),
    }
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
