//! The inbound webhook: one POST that raises one alert.
//!
//! SIGNL4 does not deduplicate, so a repeated call pages again. The error therefore says what the caller has to know:
//! whether the call may have raised an alert although no answer came.

use std::time::Duration;

use jiff::Timestamp;
use metrics::{SharedString, counter};
use reqwest::{StatusCode, header::HeaderMap, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use super::EventId;

/// How long one call may take, from connecting to the last byte of the answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);
/// How much of an answer is read, in bytes; a real one has about 60.
const MAX_ANSWER: usize = 64 * 1024;
/// The wait after a 429 that names no time: the longest window of the commercial plan that is still short.
const DEFAULT_PAUSE: Duration = Duration::from_secs(15);
/// The longest wait a 429 may ask for: the longest documented block is an hour.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// A webhook URL. Its path holds the secret, so it never shows itself.
#[derive(Clone)]
pub struct WebhookUrl {
    url: SecretString,
    host: String,
    is_tls: bool,
}

/// Why a text is no webhook URL.
#[derive(Debug, thiserror::Error)]
pub enum InvalidWebhookUrl {
    /// The text is no URL.
    #[error("is not a URL ({0})")]
    NotAUrl(#[from] url::ParseError),
    /// A scheme other than http and https, or no host.
    #[error("is not an http or https URL")]
    NotHttp,
    /// The path has no secret at its end.
    #[error("has no team secret at the end of its path")]
    NoSecret,
}

impl WebhookUrl {
    /// Checks a URL such as `https://connect.signl4.com/webhook/{team-secret}`.
    ///
    /// # Errors
    /// When it is no http(s) URL or its path ends without a secret. The error never repeats the text.
    pub fn parse(text: &str) -> Result<Self, InvalidWebhookUrl> {
        let url = Url::parse(text.trim())?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(InvalidWebhookUrl::NotHttp);
        }
        let host = url.host_str().ok_or(InvalidWebhookUrl::NotHttp)?.to_owned();
        let secret = url.path_segments().and_then(|mut segments| segments.next_back()).unwrap_or_default();
        if secret.is_empty() || secret.eq_ignore_ascii_case("webhook") || secret.contains(['{', '%']) {
            return Err(InvalidWebhookUrl::NoSecret);
        }
        let is_tls = url.scheme() == "https";
        Ok(Self { url: SecretString::from(String::from(url)), host, is_tls })
    }

    /// The host it leads to, which is safe to show.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether calls of it are encrypted.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }
}

impl std::fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WebhookUrl({}/<redacted>)", self.host)
    }
}

/// Why an alert was not raised, or is not known to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RaiseError {
    /// 429: nothing was raised, and nothing will be before `until`.
    #[error("SIGNL4 throttles until {until}")]
    Throttled {
        /// `X-RateLimit-Reset`, or 15 s from now where the answer had none.
        until: Timestamp,
    },
    /// The answer says that repeating the same call is useless: 400, 404 and the rest of the 4xx.
    #[error("{reason}")]
    Rejected {
        /// A sentence for a person.
        reason: String,
    },
    /// SIGNL4 could not be reached or did not answer as it should; repeat later.
    #[error("{reason}")]
    Unavailable {
        /// Whether the call may have raised an alert all the same: the request went out, and no clear answer came.
        maybe_raised: bool,
        /// A sentence for a person.
        reason: String,
    },
}

/// Raises alerts through webhook URLs.
#[derive(Clone, Debug)]
pub struct WebhookClient {
    http: reqwest::Client,
}

impl WebhookClient {
    /// Builds the client; `http` brings the TLS and proxy settings.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn new(http: reqwest::ClientBuilder) -> reqwest::Result<Self> {
        // A followed redirect would turn the POST into a GET and carry the secret elsewhere.
        let http = http
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .build()?;
        Ok(Self { http })
    }

    /// Raises one alert. `None` where SIGNL4 took it but gave no readable `eventId`.
    ///
    /// # Errors
    /// See [`RaiseError`]: wait, give up, or repeat.
    pub async fn raise(&self, url: &WebhookUrl, event: &Value) -> Result<Option<EventId>, RaiseError> {
        let sent = self.http.post(url.url.expose_secret()).json(event).send().await;
        let answer = sent.map_err(|error| unavailable(&error))?;
        let status = answer.status();
        if status.is_success() {
            // The alert is raised whatever the body holds: failing here would page twice.
            return Ok(event_id(&read(answer).await.unwrap_or_default()));
        }
        count_error(status.as_u16().to_string());
        let pause = pause_of(answer.headers(), Timestamp::now());
        Err(refusal(status, pause, &read(answer).await.unwrap_or_default()))
    }

    /// Looks whether SIGNL4 answers at all, without a secret and so without paging anybody.
    ///
    /// # Errors
    /// A sentence for a person when no answer came.
    pub async fn reach(&self, url: &WebhookUrl) -> Result<(), String> {
        let mut root = Url::parse(url.url.expose_secret()).map_err(|error| error.to_string())?;
        root.set_path("/");
        root.set_query(None);
        self.http.get(root).send().await.map(drop).map_err(|error| why(&error))
    }
}

async fn read(mut answer: reqwest::Response) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ANSWER {
            body.truncate(MAX_ANSWER);
            break;
        }
    }
    Ok(body)
}

fn event_id(body: &[u8]) -> Option<EventId> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let id = answer.get("eventId")?.as_str()?.trim();
    (!id.is_empty()).then(|| EventId::new(id))
}

fn refusal(status: StatusCode, pause: Timestamp, body: &[u8]) -> RaiseError {
    match status.as_u16() {
        429 => RaiseError::Throttled { until: pause },
        400 => RaiseError::Rejected {
            reason: format!("SIGNL4 takes the event for invalid (400{})", detail(body)),
        },
        404 => RaiseError::Rejected {
            reason: "SIGNL4 does not know this team (404): the webhook URL's secret is wrong".into(),
        },
        // Both ask for another try in their own definition.
        408 | 425 => {
            RaiseError::Unavailable { maybe_raised: false, reason: format!("SIGNL4 answered {status}") }
        }
        code @ 400..=499 => {
            RaiseError::Rejected { reason: format!("SIGNL4 refuses the event ({code}{})", detail(body)) }
        }
        _ => RaiseError::Unavailable {
            maybe_raised: status.is_server_error(),
            reason: format!("SIGNL4 answered {status}"),
        },
    }
}

/// The error's own words (`{code,message,…}`), shortened; nothing where the body is no such object.
fn detail(body: &[u8]) -> String {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    match answer["message"].as_str() {
        Some(message) => format!(": {}", message.chars().take(200).collect::<String>()),
        None => String::new(),
    }
}

/// `X-RateLimit-Reset` is in seconds of Unix time.
fn pause_of(headers: &HeaderMap, now: Timestamp) -> Timestamp {
    let named = headers
        .get("x-ratelimit-reset")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.trim().parse().ok())
        .and_then(|seconds| Timestamp::from_second(seconds).ok());
    let latest = now + LONGEST_PAUSE;
    match named {
        Some(reset) if reset > now => reset.min(latest),
        // Already over, by our clock: a short wait covers the difference of the clocks.
        Some(_) => now + Duration::from_secs(1),
        None => now + DEFAULT_PAUSE,
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
    counter!("signl4_bot_http_errors_total", "peer" => "signl4", "code" => code.into()).increment(1);
}

fn unavailable(error: &reqwest::Error) -> RaiseError {
    count_error(silence(error));
    RaiseError::Unavailable { maybe_raised: !error.is_connect() && !error.is_builder(), reason: why(error) }
}

/// Says what went wrong without the URL, which holds the secret.
fn why(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "SIGNL4 did not answer in time".into();
    }
    let mut source: &dyn std::error::Error = error;
    while let Some(deeper) = source.source() {
        source = deeper;
    }
    match error.is_connect() {
        true => format!("SIGNL4 cannot be reached ({source})"),
        false => format!("the connection to SIGNL4 broke ({source})"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wiremock::{
        Mock, MockServer, ResponseTemplate,
        matchers::{body_json, header, method, path},
    };

    use super::*;

    const SECRET: &str = "s3cr3t-of-the-team";

    fn client() -> WebhookClient {
        let _ = rustls::crypto::ring::default_provider().install_default();
        WebhookClient::new(reqwest::Client::builder().no_proxy()).unwrap()
    }

    async fn raise(answer: ResponseTemplate) -> Result<Option<EventId>, RaiseError> {
        let server = MockServer::start().await;
        Mock::given(method("POST"))
            .and(path(format!("/webhook/{SECRET}")))
            .and(header("content-type", "application/json"))
            .and(body_json(json!({"title": "t"})))
            .respond_with(answer)
            .expect(1)
            .mount(&server)
            .await;
        let url = WebhookUrl::parse(&format!("{}/webhook/{SECRET}", server.uri())).unwrap();
        client().raise(&url, &json!({"title": "t"})).await
    }

    #[tokio::test]
    async fn any_2xx_is_received_and_its_event_id_is_kept() {
        let body = json!({"eventId": "2518088743722201372_4ee5617b"});
        for status in [200, 201, 202] {
            let id = raise(ResponseTemplate::new(status).set_body_json(&body)).await.unwrap();
            assert_eq!(id.unwrap().as_str(), "2518088743722201372_4ee5617b");
        }
    }

    #[tokio::test]
    async fn an_unreadable_answer_to_a_taken_event_is_no_failure() {
        for body in ["", "OK", "[]", r#"{"eventId":7}"#, r#"{"eventId":""}"#] {
            assert_eq!(raise(ResponseTemplate::new(201).set_body_string(body)).await, Ok(None));
        }
    }

    #[tokio::test]
    async fn a_bad_body_or_secret_is_rejected_for_good() {
        for status in [400, 401, 403, 404, 405, 413] {
            let error = raise(ResponseTemplate::new(status)).await.unwrap_err();
            assert!(matches!(error, RaiseError::Rejected { .. }), "{status}: {error:?}");
        }
    }

    #[tokio::test]
    async fn server_errors_and_redirects_are_tried_again() {
        for (status, maybe) in [(500, true), (503, true), (302, false), (408, false)] {
            let error = raise(ResponseTemplate::new(status)).await.unwrap_err();
            let RaiseError::Unavailable { maybe_raised, .. } = error else { panic!("{status}: {error:?}") };
            assert_eq!(maybe_raised, maybe, "{status}");
        }
    }

    #[tokio::test]
    async fn throttling_waits_as_long_as_the_answer_says() {
        let reset = Timestamp::now().as_second() + 40;
        let answer = ResponseTemplate::new(429).insert_header("X-RateLimit-Reset", reset.to_string());
        let error = raise(answer).await.unwrap_err();
        assert_eq!(error, RaiseError::Throttled { until: Timestamp::from_second(reset).unwrap() });
    }

    #[tokio::test]
    async fn an_unreachable_server_has_surely_raised_nothing() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url =
            WebhookUrl::parse(&format!("http://{}/webhook/{SECRET}", socket.local_addr().unwrap())).unwrap();
        drop(socket);
        let error = client().raise(&url, &json!({})).await.unwrap_err();
        let RaiseError::Unavailable { maybe_raised, reason } = error else { panic!("{error:?}") };
        assert!(!maybe_raised);
        assert!(!reason.contains(SECRET), "{reason}");
    }

    #[test]
    fn a_reset_that_is_over_absurd_or_missing_gives_a_sane_wait() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let wait = |reset: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-ratelimit-reset", reset.parse().unwrap());
            pause_of(&headers, now).as_second() - now.as_second()
        };
        assert_eq!(wait("1700000020"), 20);
        assert_eq!(wait("1699999990"), 1);
        assert_eq!(wait("1800000000"), 3600);
        assert_eq!(wait("1700000020000"), 15);
        assert_eq!(wait("soon"), 15);
        assert_eq!(pause_of(&HeaderMap::new(), now), now + DEFAULT_PAUSE);
    }

    #[test]
    fn a_webhook_url_needs_its_secret_and_never_shows_it() {
        let url = WebhookUrl::parse(&format!("https://connect.signl4.com/webhook/{SECRET}")).unwrap();
        assert_eq!(url.host(), "connect.signl4.com");
        assert!(!format!("{url:?}").contains(SECRET));
        for wrong in [
            "connect.signl4.com/webhook/x",
            "ftp://connect.signl4.com/webhook/x",
            "https://connect.signl4.com/webhook/",
            "https://connect.signl4.com/webhook/{team-secret}",
            "https://connect.signl4.com",
        ] {
            assert!(WebhookUrl::parse(wrong).is_err(), "{wrong}");
        }
    }
}
