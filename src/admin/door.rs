//! Who may come in, and what a browser may do with what it gets.
//!
//! With `admin.token` set, a caller shows it: as a bearer token, or as the password of HTTP Basic authentication with
//! any user name, which is what a browser asks a person for. Without a token the listener is bound to loopback; a web
//! site in a browser on this machine must then not reach it through a name of its own (DNS rebinding).
//!
//! Who shows wrong tokens too often is told to wait, as at the public listener. Who shows none does not count: that is
//! how every browser begins.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, uri::Authority},
    middleware::Next,
    response::{AppendHeaders, IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::time::Instant;
use tracing::warn;

use crate::strangers::{Seldom, Strangers, too_often};

/// Nothing from other hosts, no inline script or style, no frame around it, no copy kept.
const BROWSER_RULES: [(HeaderName, HeaderValue); 4] = [
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

/// The ways to show the token. A browser takes the first it knows.
const CHALLENGES: [&str; 2] = [
    "Basic realm=\"signl4-rocketchat: any user name, the admin token as password\", charset=\"UTF-8\"",
    "Bearer",
];

/// What a caller has to show.
#[derive(Clone, Debug)]
pub(super) struct Door {
    /// SHA-256 of the token: digests are of one length, so that comparing them tells nothing of the length either.
    token: Option<[u8; 32]>,
    strangers: Arc<Strangers>,
    turned_away: Arc<Seldom>,
}

impl Door {
    pub(super) fn new(token: Option<&SecretString>) -> Self {
        let token = token.map(|token| Sha256::digest(token.expose_secret()).into());
        Self { token, strangers: Arc::default(), turned_away: Arc::default() }
    }

    fn check(&self, headers: &HeaderMap) -> Result<(), Refused> {
        match &self.token {
            Some(token) => check_token(token, headers),
            None => check_host(headers),
        }
    }

    fn turn_away(&self, refused: Refused, from: IpAddr, now: Instant) -> Response {
        if refused == Refused::WrongToken {
            if let Some(calls) = self.turned_away.happened(now) {
                warn!(calls, %from, "calls of the admin listener with a wrong token were turned away");
            }
            if let Some(wait) = self.strangers.note(from, now) {
                return too_often(wait);
            }
        }
        refused.into_response()
    }
}

/// Why a call may not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    /// No token was shown.
    NoToken,
    /// Another token was shown.
    WrongToken,
    /// It was addressed to a name that may be anybody's.
    Host,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::NoToken | Self::WrongToken => {
                let ways = CHALLENGES.map(|way| (header::WWW_AUTHENTICATE, way));
                let reason = "the admin token is missing or wrong\n";
                (StatusCode::UNAUTHORIZED, AppendHeaders(ways), reason).into_response()
            }
            Self::Host => {
                let reason = "without admin.token this listener answers to localhost and IP addresses only\n";
                (StatusCode::FORBIDDEN, reason).into_response()
            }
        }
    }
}

/// Lets a call through if it may come in.
pub(super) async fn keep(
    State(door): State<Door>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    match door.check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refused) => door.turn_away(refused, from.ip(), Instant::now()),
    }
}

/// Tells the browser to be strict.
pub(super) async fn be_strict(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in BROWSER_RULES {
        response.headers_mut().insert(name, value);
    }
    response
}

fn check_token(token: &[u8; 32], headers: &HeaderMap) -> Result<(), Refused> {
    let shown = text(headers, &header::AUTHORIZATION);
    let given: [u8; 32] = Sha256::digest(shown.and_then(credential).unwrap_or_default()).into();
    if bool::from(given.ct_eq(token)) {
        return Ok(());
    }
    Err(if shown.is_some() { Refused::WrongToken } else { Refused::NoToken })
}

/// What `Authorization` shows: `Bearer {token}`, or `Basic {base64 of user:token}`.
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

fn check_host(headers: &HeaderMap) -> Result<(), Refused> {
    if text(headers, &header::HOST).is_some_and(is_plain) {
        return Ok(());
    }
    Err(Refused::Host)
}

/// Whether a host is `localhost` or an IP address, with or without a port: any other name may be somebody else's.
fn is_plain(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "a token of some length: with a colon";

    fn status(door: &Door, header: HeaderName, value: &str) -> u16 {
        let headers = HeaderMap::from_iter([(header, HeaderValue::from_str(value).unwrap())]);
        door.check(&headers).map_or_else(|refused| refused.into_response().status().as_u16(), |()| 200)
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(pair))
    }

    #[test]
    fn the_token_opens_as_bearer_and_as_the_password_of_any_user() {
        let door = Door::new(Some(&SecretString::from(TOKEN)));
        let shown = |value: &str| status(&door, header::AUTHORIZATION, value);
        for right in [
            format!("Bearer {TOKEN}"),
            format!("bearer  {TOKEN}"),
            basic(&format!("ops:{TOKEN}")),
            basic(&format!(":{TOKEN}")),
        ] {
            assert_eq!(shown(&right), 200, "{right}");
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
            assert_eq!(shown(&wrong), 401, "{wrong}");
        }
        assert_eq!(status(&door, header::HOST, "127.0.0.1"), 401, "nothing is shown");
    }

    #[test]
    fn who_is_turned_away_is_told_both_ways_in() {
        let refused = Door::new(Some(&SecretString::from(TOKEN))).check(&HeaderMap::new()).unwrap_err();
        let answer = refused.into_response();
        let ways: Vec<&HeaderValue> = answer.headers().get_all(header::WWW_AUTHENTICATE).iter().collect();
        assert_eq!(ways, CHALLENGES);
    }

    #[test]
    fn without_a_token_only_this_machine_is_answered() {
        let door = Door::new(None);
        for host in ["localhost", "LOCALHOST:9090", "127.0.0.1:9090", "[::1]:9090"] {
            assert_eq!(status(&door, header::HOST, host), 200, "{host}");
        }
        for host in ["evil.example", "localhost.evil.example:9090", "127.0.0.1.nip.io", "a b"] {
            assert_eq!(status(&door, header::HOST, host), 403, "{host}");
        }
        assert_eq!(door.check(&HeaderMap::new()), Err(Refused::Host), "no host at all");
    }
}
