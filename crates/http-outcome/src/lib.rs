//! The outcome of an HTTP call made with `reqwest`: why there was no answer, a bounded body, the times in its headers.
//!
//! It is independent of any API. The clients of Rocket.Chat and SIGNL4 share it, because both have to decide the same
//! question after a failure: may the server have executed the call?

#![warn(clippy::missing_errors_doc)]

use std::error::Error;
use std::str::FromStr;
use std::sync::Arc;
use std::{io, iter};

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{DATE, HeaderMap};

/// Longest text kept of an error, in bytes.
const MAX_REASON: usize = 300;
/// Any other body gets a block of its limit's size, of which only what is written to takes memory. glibc returns every block of
/// more than 32 MB to the system when it is freed. After a shorter one it keeps more free memory for itself, up to twice its length.
const SHORT: u64 = 64 * 1024;

/// A call that got no answer, or only the beginning of one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NoAnswer {
    /// What failed.
    pub failure: Failure,
    /// The innermost error's text, bounded and without the URL, which may hold a secret.
    pub reason: String,
}

/// What failed in a call without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The host name does not resolve.
    Dns,
    /// Nothing listens on the port.
    Refused,
    /// The TLS handshake failed.
    Tls,
    /// There was no connection for another reason, a timeout included.
    Connect,
    /// The request was sent, and no answer came in time.
    Timeout,
    /// The request was sent, and the connection broke or the answer was not HTTP.
    Broken,
}

impl Failure {
    /// A short stable name for logs and metrics: `connect`, `timeout` or `broken`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Dns | Self::Refused | Self::Tls | Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
        }
    }

    /// Whether the server may have received the request, and so may have executed it.
    pub fn was_sent(self) -> bool {
        matches!(self, Self::Timeout | Self::Broken)
    }
}

impl From<reqwest::Error> for NoAnswer {
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let causes: Vec<&(dyn Error + 'static)> =
            iter::successors(error.source(), |cause| (*cause).source()).collect();
        let reason = causes.last().map_or_else(|| error.to_string(), ToString::to_string);
        let failure = if error.is_connect() || error.is_builder() {
            causes.into_iter().find_map(no_connection).unwrap_or(Failure::Connect)
        } else if error.is_timeout() {
            Failure::Timeout
        } else {
            Failure::Broken
        };
        Self { failure, reason: reason[..reason.floor_char_boundary(MAX_REASON)].to_owned() }
    }
}

fn no_connection(cause: &(dyn Error + 'static)) -> Option<Failure> {
    // hyper-util keeps the type of this error private.
    if cause.to_string().starts_with("dns error") {
        return Some(Failure::Dns);
    }
    if cause.is::<rustls::Error>() {
        return Some(Failure::Tls);
    }
    let error = cause.downcast_ref::<io::Error>()?;
    if error.kind() == io::ErrorKind::ConnectionRefused {
        return Some(Failure::Refused);
    }
    // `source` of an `io::Error` skips the error it wraps.
    no_connection(error.get_ref()?)
}

/// Reads the body of an answer; `None` if it has more than `limit` bytes.
///
/// # Errors
/// When the connection breaks, or the client's timeout ends, before the body does.
pub async fn read_body(mut response: reqwest::Response, limit: usize) -> Result<Option<Vec<u8>>, NoAnswer> {
    let announced = response.content_length();
    if announced.is_some_and(|length| length > limit as u64) {
        return Ok(None);
    }
    let is_short = announced.is_some_and(|length| length <= SHORT);
    let mut body = Vec::new();
    // A system that gives no more address space than it has memory may refuse; then the body grows as it comes.
    let _ = body.try_reserve_exact(if is_short { 0 } else { limit });
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > limit {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// The server's time in `Date`, in whole seconds.
pub fn date(headers: &HeaderMap) -> Option<Timestamp> {
    rfc2822::parse(headers.get(DATE)?.to_str().ok()?).ok().map(|date| date.timestamp())
}

/// The number in a header.
pub fn number<T: FromStr>(headers: &HeaderMap, name: &str) -> Option<T> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// A callback for each failed call, for example to count them. It gets the status (`"503"`) or [`Failure::code`].
pub type ErrorHook = Arc<dyn Fn(&str) + Send + Sync>;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    fn client(timeout: Duration) -> reqwest::Client {
        // Fails only if another test has installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        reqwest::Client::builder().no_proxy().timeout(timeout).build().unwrap()
    }

    const SOON: Duration = Duration::from_secs(10);

    /// The answer to a request, and what is read of its body, from a server that sends `answer` and keeps or drops the
    /// connection.
    async fn call(scheme: &str, answer: &[u8], keep: bool) -> Result<Option<Vec<u8>>, NoAnswer> {
        let is_silent = keep && answer.is_empty();
        let client = client(if is_silent { Duration::from_millis(300) } else { SOON });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{scheme}://{}/secret", listener.local_addr().unwrap());
        let (outcome, _kept): (_, Option<TcpStream>) = tokio::join!(
            async {
                let response = client.get(url).send().await?;
                read_body(response, 4).await
            },
            async {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 4_096]).await.unwrap();
                stream.write_all(answer).await.unwrap();
                keep.then_some(stream)
            }
        );
        outcome
    }

    async fn failure(scheme: &str, answer: &[u8], keep: bool) -> Failure {
        let error = call(scheme, answer, keep).await.unwrap_err();
        assert!(!error.reason.contains("secret"), "{error}");
        error.failure
    }

    #[tokio::test]
    async fn a_sent_call_is_distinguished_from_an_unsent_one() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let refused = client(SOON).get(format!("http://{free}")).send().await.unwrap_err();
        let tls = failure("https", b"HTTP/1.1 400 Bad Request\r\n\r\n", false).await;
        let broken = failure("http", b"", false).await;
        let cut = failure("http", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab", false).await;
        let slow = failure("http", b"", true).await;
        let seen = [NoAnswer::from(refused).failure, tls, broken, cut, slow];
        use Failure::*;
        assert_eq!(seen, [Refused, Tls, Broken, Broken, Timeout]);
        assert_eq!(seen.map(Failure::was_sent), [false, false, true, true, true]);
        assert_eq!(seen.map(Failure::code), ["connect", "connect", "broken", "broken", "timeout"]);
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit() {
        let announced = |body: &str| format!("Content-Length: {}\r\n\r\n{body}", body.len());
        let in_chunks =
            |body: &str| format!("Transfer-Encoding: chunked\r\n\r\n{}\r\n{body}\r\n0\r\n\r\n", body.len());
        for with in [&announced as &dyn Fn(&str) -> String, &in_chunks] {
            let answer = |body| format!("HTTP/1.1 200 OK\r\n{}", with(body));
            assert_eq!(call("http", answer("four").as_bytes(), true).await, Ok(Some(b"four".to_vec())));
            assert_eq!(call("http", answer("five!").as_bytes(), true).await, Ok(None));
        }
    }
}
