//! The inbound webhook: one POST raises one alert.
//!
//! SIGNL4 does not deduplicate, so a repeated call pages again. [`RaiseError`] therefore says whether the call may have
//! raised the alert.
//!
//! Source: <https://docs.signl4.com/integrations/webhook/webhook.html>.

#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use http_outcome::{ErrorHook, Failure, NoAnswer, date, number};
use jiff::{SignedDuration, Timestamp};
use reqwest::{
    StatusCode,
    header::{CONTENT_TYPE, HeaderMap},
    redirect,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use super::EventId;

/// How long one call may take, from connecting to the last byte of the answer. Shorter than the time that a supervisor
/// grants between SIGTERM and SIGKILL (10 s with Docker), so that the answer to a call under way is not lost.
const CALL_TIMEOUT: Duration = Duration::from_secs(8);
/// How long connecting may take. Shorter than [`CALL_TIMEOUT`], so that a host that does not answer at all is distinguished from
/// one that took the call and did not answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How much of an answer is read, in bytes; SIGNL4's has about 60.
const MAX_ANSWER: usize = 64 * 1024;
/// The wait after a 429 without a time: the shortest documented window.
const DEFAULT_PAUSE: Duration = Duration::from_secs(15);
/// The shortest and longest wait after a 429: the longest documented block is an hour.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);
/// The longest pause after a call that was accepted.
const LONGEST_PAUSE_BEFORE_LIMIT: Duration = Duration::from_secs(60);

/// A webhook URL. Its path holds the secret, so `Debug` shows only the host.
#[derive(Clone)]
pub struct WebhookUrl {
    url: SecretString,
    host: String,
    is_tls: bool,
    doubt: Option<Doubt>,
}

/// Why a URL may not be the webhook of a team. Only a call would show it for certain, and a call pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The host is not SIGNL4's: a relay, or a mistake.
    OtherHost,
    /// The host is one of SIGNL4's websites.
    Website,
    /// The path is one of SIGNL4's REST API, which takes nothing without a key.
    Api,
    /// The path is not `/webhook/{team-secret}`.
    Path,
    /// The end of the path does not look like a secret. SIGNL4 documents no form, so this is a guess.
    Secret,
}

/// Why a text is not a webhook URL. It does not repeat the text.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct InvalidWebhookUrl(String);

impl WebhookUrl {
    /// Checks a URL such as `https://connect.signl4.com/webhook/{team-secret}`.
    ///
    /// # Errors
    /// If it is not an http(s) URL, or its path does not end in a secret.
    pub fn parse(text: &str) -> Result<Self, InvalidWebhookUrl> {
        let refused = |why: &str| Err(InvalidWebhookUrl(why.to_owned()));
        let text = text.trim();
        if text.contains('@') && (!text.contains("://") || text.starts_with("mailto:")) {
            return refused("is an e-mail address, not a webhook URL");
        }
        if !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_=+".contains(&byte))
        {
            return refused("is not a URL, but perhaps only the secret at its end, or an API key");
        }
        let mut url =
            Url::parse(text).map_err(|error| InvalidWebhookUrl(format!("is not a URL ({error})")))?;
        let host = url.host_str().filter(|_| matches!(url.scheme(), "http" | "https")).map(str::to_owned);
        let Some(host) = host else { return refused("is not an http or https URL") };
        // A slash at the end is a common mistake.
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        let secret = url.path_segments().and_then(|mut segments| segments.next_back()).unwrap_or_default();
        if secret.is_empty() || secret.eq_ignore_ascii_case("webhook") {
            return refused("has no team secret at the end of its path");
        }
        // Checks the text itself, because the parser escapes some of these.
        let written = text.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
        let written = written.rsplit('/').next().unwrap_or_default();
        if written.contains(['{', '<', '[', '…']) || written == "..." {
            return refused("still has a placeholder in place of the team's secret");
        }
        if secret.contains('%') {
            return refused("has a character in the team's secret that no secret has, such as a space");
        }
        let (is_tls, doubt) = (url.scheme() == "https", doubt(&host, url.path(), secret));
        Ok(Self { url: SecretString::from(String::from(url)), host, is_tls, doubt })
    }

    /// A text of an answer without the secret: some servers repeat the URL.
    fn redacted(&self, text: &str) -> String {
        let path = self.url.expose_secret().split(['?', '#']).next().unwrap_or_default();
        let secret = path.rsplit('/').next().unwrap_or_default();
        text.replace(secret, "…")
    }

    /// The host.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Why it may not be the webhook of a team; `None` if nothing speaks against it.
    pub fn doubt(&self) -> Option<Doubt> {
        self.doubt
    }

    /// Whether the connection is encrypted.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }
}

/// A relay has any path; SIGNL4 has one for webhooks.
fn doubt(host: &str, path: &str, secret: &str) -> Option<Doubt> {
    const WEBSITES: [&str; 5] = ["www", "account", "docs", "support", "mail"];
    let Some(subdomain) =
        host.strip_suffix("signl4.com").filter(|rest| rest.is_empty() || rest.ends_with('.'))
    else {
        return Some(Doubt::OtherHost);
    };
    let mut segments = path.split('/').skip(1);
    match (segments.next(), segments.next(), segments.next()) {
        _ if subdomain.is_empty() || WEBSITES.contains(&subdomain.trim_end_matches('.')) => {
            Some(Doubt::Website)
        }
        (Some("webhook"), Some("docs"), _) => Some(Doubt::Website),
        (Some("webhook"), Some(_), None) => (!is_plausible(secret)).then_some(Doubt::Secret),
        (Some("api"), ..) => Some(Doubt::Api),
        _ => Some(Doubt::Path),
    }
}

/// Neither too short nor too long, without characters that need escaping, and not a placeholder of a manual.
fn is_plausible(secret: &str) -> bool {
    const LENGTH: std::ops::RangeInclusive<usize> = 8..=64;
    const PLACEHOLDERS: [&str; 5] = ["team", "secret", "your", "example", "xxxx"];
    let lower = secret.to_lowercase();
    LENGTH.contains(&secret.len())
        && secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        && !PLACEHOLDERS.iter().any(|word| lower.contains(word))
}

impl PartialEq for WebhookUrl {
    fn eq(&self, other: &Self) -> bool {
        self.url.expose_secret() == other.url.expose_secret()
    }
}

impl Eq for WebhookUrl {}

impl std::fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WebhookUrl({}/<redacted>)", self.host)
    }
}

/// Why an alert was not raised, or is not known to be: the variant says what the caller has to do, its text is a
/// sentence for a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RaiseError {
    /// 429: nothing was raised, and nothing will be for a while.
    /// Wait this long: until `X-RateLimit-Reset`, or 15 s if the answer names no time.
    #[error("SIGNL4 throttles for {} s", .0.as_secs())]
    Throttled(Duration),
    /// SIGNL4 refuses the call, and would refuse it again: 400, 404 and the rest of the 4xx.
    #[error("{0}")]
    Rejected(String),
    /// The call cannot have raised an alert: no connection, 502, 503, or the answer of a proxy or gateway. Repeat soon.
    #[error("{0}")]
    NotRaised(String),
    /// The call may have raised an alert: it was sent, and no answer came in time or the answer does not show it (500, 504).
    /// Repeating it may page twice.
    #[error("{0}")]
    Unanswered(String),
}

/// A raised alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raised {
    /// SIGNL4's ID of the event; `None` if the answer has no readable one. Then it is likely, but not confirmed, that the
    /// alert was raised.
    pub event_id: Option<EventId>,
    /// How long to wait, if this call was the last one that the rate limit allows. An earlier call would be blocked for
    /// longer.
    pub pause: Option<Duration>,
}

/// Raises alerts through webhook URLs.
#[derive(Clone)]
pub struct WebhookClient {
    http: reqwest::Client,
    on_error: ErrorHook,
}

impl WebhookClient {
    /// Builds the client from a builder with the TLS and proxy settings.
    ///
    /// # Errors
    /// If the HTTP client cannot be built.
    pub fn new(http: reqwest::ClientBuilder) -> reqwest::Result<Self> {
        let http = http
            // Following a redirect would turn the POST into a GET, and send the secret to another host.
            .redirect(redirect::Policy::none())
            // The server may close an idle connection just when it is used again, and then it is unknown whether the
            // alert was raised. Alerts are rare enough for a connection each.
            .pool_max_idle_per_host(0)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .build()?;
        Ok(Self { http, on_error: Arc::new(|_: &str| {}) })
    }

    /// Calls `hook` for each call that fails, with the status (`"503"`), `html` if a web page came with a status of
    /// success, or `connect`, `timeout` or `broken` if no answer came.
    #[must_use]
    pub fn on_http_error(self, hook: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { on_error: Arc::new(hook), ..self }
    }

    /// Raises one alert.
    ///
    /// # Errors
    /// See [`RaiseError`]: wait, give up, repeat soon, or repeat late.
    pub async fn raise(&self, url: &WebhookUrl, event: &Value) -> Result<Raised, RaiseError> {
        let sent = self.http.post(url.url.expose_secret()).json(event).send().await;
        let answer = sent.map_err(|error| self.no_answer(error.into()))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = body(answer).await;
        let event_id = event_id(&body);
        let is_page = event_id.is_none() && is_html(&headers, &body);
        if is_page && is_of_gateway(status) {
            (self.on_error)(if status.is_success() { "html" } else { status.as_str() });
            let reason = format!("a gateway answered in place of SIGNL4, with a web page ({status})");
            return Err(RaiseError::NotRaised(reason));
        }
        if status.is_success() {
            // Anything else counts as raised, whatever the body holds: an error here would cause a second page.
            return Ok(Raised { event_id, pause: last_allowed(&headers, Timestamp::now()) });
        }
        (self.on_error)(status.as_str());
        Err(refusal(status, pause_of(&headers, Timestamp::now()), &body, url))
    }

    fn no_answer(&self, error: NoAnswer) -> RaiseError {
        (self.on_error)(error.failure.code());
        let reason = sentence(&error);
        match error.failure.was_sent() {
            true => RaiseError::Unanswered(reason),
            false => RaiseError::NotRaised(reason),
        }
    }

    /// Checks whether SIGNL4's host answers, without the secret and so without paging anybody.
    ///
    /// # Errors
    /// A sentence for a person if no answer came.
    pub async fn reach(&self, url: &WebhookUrl) -> Result<(), String> {
        let mut root = Url::parse(url.url.expose_secret()).map_err(|error| error.to_string())?;
        root.set_path("/");
        root.set_query(None);
        self.http.get(root).send().await.map(drop).map_err(|error| sentence(&error.into()))
    }
}

/// The beginning of the body, as far as it arrives.
async fn body(mut answer: reqwest::Response) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < MAX_ANSWER
        && let Ok(Some(chunk)) = answer.chunk().await
    {
        body.extend_from_slice(&chunk);
    }
    body.truncate(MAX_ANSWER);
    body
}

fn event_id(body: &[u8]) -> Option<EventId> {
    let answer = lenient_json::read(body).ok()?;
    lenient_json::text(lenient_json::field(&answer, "eventId")).map(EventId::new)
}

/// Whether an answer is a web page. SIGNL4 answers with JSON, so the page is that of a gateway: a login, a notice, an error.
fn is_html(headers: &HeaderMap, body: &[u8]) -> bool {
    const BEGINNINGS: [&str; 7] = ["<!doctype html", "<html", "<head", "<body", "<meta", "<script", "<!--"];
    let content_type = headers.get(CONTENT_TYPE).map(|value| value.as_bytes().to_ascii_lowercase());
    if content_type.is_some_and(|value| String::from_utf8_lossy(&value).contains("html")) {
        return true;
    }
    let text = lenient_json::decoded(body);
    let text = text.trim_start();
    BEGINNINGS.iter().any(|tag| text.get(..tag.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(tag)))
}

/// Whether a web page with this status says nothing about the alert or the team: a gateway may answer 404 or 405 while SIGNL4 is
/// away. The other statuses mean the same from a gateway as from SIGNL4.
fn is_of_gateway(status: StatusCode) -> bool {
    status.is_success() || (status.is_client_error() && !matches!(status.as_u16(), 413 | 414 | 429 | 431))
}

fn refusal(status: StatusCode, wait: Duration, body: &[u8], url: &WebhookUrl) -> RaiseError {
    match status.as_u16() {
        429 => RaiseError::Throttled(wait),
        400 => {
            RaiseError::Rejected(format!("SIGNL4 refuses the event as invalid (400{})", detail(body, url)))
        }
        404 => RaiseError::Rejected(
            "SIGNL4 does not know this team (404): the webhook URL's secret is wrong".into(),
        ),
        // SIGNL4 does not answer these: it is a proxy or filter in between, which can be fixed.
        401 | 403 | 407 | 408 | 425 => {
            RaiseError::NotRaised(format!("a proxy before SIGNL4 answered {status}"))
        }
        301..=303 | 307 | 308 => RaiseError::NotRaised(format!(
            "SIGNL4 redirects ({status}), which is not followed: the webhook URL is not the final one"
        )),
        code @ 400..=499 => {
            RaiseError::Rejected(format!("SIGNL4 refuses the event ({code}{})", detail(body, url)))
        }
        // With 502 and 503, the gateway did not reach the application, or the application does not take work.
        500 | 501 | 504.. => RaiseError::Unanswered(format!("SIGNL4 answered {status}")),
        _ => RaiseError::NotRaised(format!("SIGNL4 answered {status}")),
    }
}

/// The error's own words (`{code,message,…}`), shortened; nothing if the body is no such object.
fn detail(body: &[u8], url: &WebhookUrl) -> String {
    let answer = lenient_json::read(body).unwrap_or_default();
    match lenient_json::text(lenient_json::field(&answer, "message")) {
        // Redacted only after decoding: in another encoding the secret would not be found.
        Some(message) => format!(": {}", url.redacted(&message).chars().take(200).collect::<String>()),
        None => String::new(),
    }
}

/// `X-RateLimit-Reset` is Unix time in seconds by SIGNL4's clock, whose time is in `Date`.
fn pause_of(headers: &HeaderMap, now: Timestamp) -> Duration {
    let reset = number(headers, "x-ratelimit-reset")
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .map(|reset| reset.duration_since(date(headers).unwrap_or(now)));
    let named = reset.or_else(|| number(headers, "retry-after").map(SignedDuration::from_secs));
    match named {
        // A time in the past is the difference of two clocks: a short wait covers it.
        Some(wait) => Duration::try_from(wait).unwrap_or_default().clamp(SHORTEST_PAUSE, LONGEST_PAUSE),
        None => DEFAULT_PAUSE,
    }
}

/// How long to pause after a call that was accepted, if `X-RateLimit-Remaining` says that it was the last one. Not
/// longer than the limits per minute ask for: a 429 reports the others. Where there is no limit nothing remains of
/// it either.
fn last_allowed(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let is_last = number::<u64>(headers, "x-ratelimit-limit")? > 0
        && number::<u64>(headers, "x-ratelimit-remaining")? == 0;
    is_last.then(|| pause_of(headers, now).min(LONGEST_PAUSE_BEFORE_LIMIT))
}

/// What went wrong, in a sentence for a person.
fn sentence(error: &NoAnswer) -> String {
    match error.failure {
        Failure::Timeout => "SIGNL4 did not answer in time".into(),
        Failure::Broken => format!("the connection to SIGNL4 broke ({error})"),
        _ => format!("SIGNL4 cannot be reached ({error})"),
    }
}
