//! Decides which calls are answered, and what a browser may do with the answers.
//!
//! With `admin.token` set, a caller has to send the token: as a bearer token, or as the password of HTTP Basic
//! authentication with any user name, which browsers ask for. Without a token the listener is bound to loopback, and
//! only answers calls addressed to `localhost` or an IP address. Otherwise a web site that is open in a browser on
//! this machine could reach it through its own host name (DNS rebinding).
//!
//! Wrong tokens are throttled as at the public listener. Missing ones are not, because every browser first tries
//! without one.

use std::{net::IpAddr, sync::Arc};

use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, uri::Authority},
    middleware::Next,
    response::{AppendHeaders, IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use secrecy::SecretString;

use crate::{
    auth_throttle::{AuthThrottle, is_secret},
    http_server::Peer,
};

/// Nothing from other hosts, no inline script or style, no frame around it, no cached copy.
const SECURITY_HEADERS: [(HeaderName, HeaderValue); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// The ways to send the token. A browser uses the first one it supports.
const CHALLENGES: [&str; 2] = [
    "Basic realm=\"signl4-rocketchat: any username, the admin token as password\", charset=\"UTF-8\"",
    "Bearer",
];

/// Checks calls.
#[derive(Clone)]
pub(super) struct Authentication {
    token: Option<SecretString>,
    throttle: Arc<AuthThrottle>,
}

impl Authentication {
    pub(super) fn new(token: Option<SecretString>) -> Self {
        Self { token, throttle: Arc::default() }
    }

    fn check(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let Some(token) = &self.token else { return check_host(headers) };
        let sent = text(headers, &header::AUTHORIZATION);
        match sent {
            _ if is_secret(token, sent.and_then(credential).unwrap_or_default()) => Ok(()),
            Some(_) => Err(Refused::WrongToken),
            None => Err(Refused::NoToken),
        }
    }

    fn refuse(&self, refused: Refused, from: IpAddr) -> Response {
        const WHAT: &str = "calls of the admin listener with a wrong token were rejected";
        let throttled = (refused == Refused::WrongToken).then(|| self.throttle.refuse(from, WHAT)).flatten();
        throttled.unwrap_or_else(|| refused.into_response())
    }
}

/// Why a call is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    NoToken,
    WrongToken,
    /// It was addressed to a host name that may belong to anybody.
    Host,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::NoToken | Self::WrongToken => {
                let challenges = CHALLENGES.map(|challenge| (header::WWW_AUTHENTICATE, challenge));
                let reason = "the admin token is missing or wrong\n";
                (StatusCode::UNAUTHORIZED, AppendHeaders(challenges), reason).into_response()
            }
            Self::Host => {
                let reason = "without admin.token this listener answers to localhost and IP addresses only\n";
                (StatusCode::FORBIDDEN, reason).into_response()
            }
        }
    }
}

/// Middleware: answers a call only if it is authenticated.
pub(super) async fn authenticate(
    State(authentication): State<Authentication>,
    Extension(Peer(from)): Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    match authentication.check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refused) => authentication.refuse(refused, from),
    }
}

/// Middleware: adds the headers that restrict what a browser does with the answer.
pub(super) async fn add_security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in SECURITY_HEADERS {
        response.headers_mut().insert(name, value);
    }
    response
}

/// The token in `Authorization`: `Bearer {token}`, or `Basic {base64 of user:token}`.
fn credential(authorization: &str) -> Option<Vec<u8>> {
    let (scheme, value) = authorization.split_once(' ')?;
    let value = value.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(value.into());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = BASE64_STANDARD.decode(value).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    Some(pair[colon + 1..].to_vec())
}

/// Accepts `localhost` and IP addresses, with or without a port. Any other name may belong to somebody else.
fn check_host(headers: &HeaderMap) -> Result<(), Refused> {
    let host = text(headers, &header::HOST).and_then(|host| host.parse::<Authority>().ok());
    let host = host.as_ref().map(|host| host.host().trim_matches(['[', ']']));
    match host {
        Some(name) if name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok() => Ok(()),
        _ => Err(Refused::Host),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "a token of some length: with a colon";

    fn status(authentication: &Authentication, header: HeaderName, value: &str) -> u16 {
        let headers = HeaderMap::from_iter([(header, HeaderValue::from_str(value).unwrap())]);
        authentication
            .check(&headers)
            .map_or_else(|refused| refused.into_response().status().as_u16(), |()| 200)
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(pair))
    }

    #[test]
    fn the_token_is_accepted_as_bearer_and_as_the_password_of_any_user() {
        let authentication = Authentication::new(Some(TOKEN.into()));
        let sent = |value: &str| status(&authentication, header::AUTHORIZATION, value);
        for right in [
            format!("Bearer {TOKEN}"),
            format!("bearer  {TOKEN}"),
            basic(&format!("ops:{TOKEN}")),
            basic(&format!(":{TOKEN}")),
        ] {
            assert_eq!(sent(&right), 200, "{right}");
        }
        for wrong in [
            String::new(),
            "Bearer".into(),
            "Bearer ".into(),
            format!("Bearer {TOKEN}x"),
            format!("Digest {TOKEN}"),
            TOKEN.into(),
            basic(TOKEN),
            basic(&format!("{TOKEN}:")),
            "Basic !!".into(),
            basic("no colon"),
        ] {
            assert_eq!(sent(&wrong), 401, "{wrong}");
        }
        assert_eq!(status(&authentication, header::HOST, "127.0.0.1"), 401, "nothing is sent");
    }

    #[test]
    fn a_refusal_names_both_ways_to_authenticate() {
        let refused = Authentication::new(Some(TOKEN.into())).check(&HeaderMap::new()).unwrap_err();
        let answer = refused.into_response();
        let challenges: Vec<&HeaderValue> =
            answer.headers().get_all(header::WWW_AUTHENTICATE).iter().collect();
        assert_eq!(challenges, CHALLENGES);
    }

    #[test]
    fn without_a_token_only_calls_to_this_machine_are_answered() {
        let authentication = Authentication::new(None);
        for host in ["localhost", "LOCALHOST:9090", "127.0.0.1:9090", "[::1]:9090"] {
            assert_eq!(status(&authentication, header::HOST, host), 200, "{host}");
        }
        for host in ["evil.example", "localhost.evil.example:9090", "127.0.0.1.nip.io", "a b"] {
            assert_eq!(status(&authentication, header::HOST, host), 403, "{host}");
        }
        assert_eq!(authentication.check(&HeaderMap::new()), Err(Refused::Host), "no host at all");
    }
}
