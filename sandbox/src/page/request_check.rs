//! Which requests the page accepts, and what the browser may load for it.
//!
//! The page has no login, so a web site that the same browser visits must not reach it: neither by posting across
//! origins nor through a name that it lets resolve to the loopback address (DNS rebinding).

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::CallError;

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

/// Accepts calls from the page itself only, and adds the security headers.
pub(super) async fn enforce(request: Request, next: Next) -> Response {
    let mut response = match check(request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refused) => refused.into_response(),
    };
    for (name, value) in SECURITY_HEADERS {
        response.headers_mut().insert(name, value);
    }
    response
}

fn check(method: &Method, headers: &HeaderMap) -> Result<(), CallError> {
    let host = text(headers, &header::HOST).filter(|host| is_plain(host));
    let host = host.ok_or(CallError::Forbidden("the page answers to localhost and IP addresses only"))?;
    if method.is_safe() {
        return Ok(());
    }
    let origin = text(headers, &header::ORIGIN);
    if origin.is_some_and(|origin| origin.strip_prefix("http://") != Some(host)) {
        return Err(CallError::Forbidden("the call comes from another web site"));
    }
    Ok(())
}

/// Whether a host is `localhost` or an IP address, with or without a port: any other name may be somebody else's.
fn is_plain(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_and_addresses_are_plain_and_names_are_not() {
        for host in ["localhost", "LOCALHOST:8765", "127.0.0.1:1", "[::1]:8765", "192.168.0.7"] {
            assert!(is_plain(host), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example:8765", "127.0.0.1.nip.io", "", "a b"] {
            assert!(!is_plain(host), "{host}");
        }
    }
}
