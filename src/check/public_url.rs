//! Whether SIGNL4 can reach the listener at its public address.
//!
//! SIGNL4's network path cannot be tested from here. But a call from this machine to the public address tests most of
//! it: the name, the proxy, its certificate and its path. The call is a POST without a body: the listener rejects it
//! with 400 and stores nothing, while the answer to a wrong secret is 404.

use std::time::Duration;

use http_outcome::{NoAnswer, read_body};
use reqwest::{StatusCode, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use super::report::{Finding, Remark};
use super::server::is_loopback;
use super::tls_problem::{OUTDATED, tls_remedy};
use crate::config::{Config, Fault, fault, values::base_url};
use rocketchat::Connector;

/// Time limit for the call.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum number of bytes of the answer: a longer one is not the listener's, which has about fifty.
const MAX_ANSWER: usize = 4096;

/// The address at which SIGNL4 reaches the listener, without `/signl4/…`: `https://bot.example.com`, with a sub-path
/// if a proxy strips one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(Url);

impl PublicUrl {
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        const FIX: &str = "write, for example, https://bot.example.com";
        let without_scheme = text.split_once("://").map_or(text, |(_, rest)| rest);
        // Other faults may repeat the text, and the listener's secret follows.
        if without_scheme.contains("/signl4") {
            return fault("contains /signl4, which the bot adds", FIX);
        }
        base_url(text, FIX).map(Self)
    }

    /// The value of `--public-url`. Not parsed by clap, because its errors repeat the value, which may contain the listener's secret.
    pub(crate) fn of_option(given: Option<&str>) -> Result<Option<Self>, String> {
        given.map(Self::parse).transpose().map_err(|fault| format!("--public-url: {fault}"))
    }

    /// The URL without a trailing slash.
    pub fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }
}

/// Calls the listener at its public address, if that is given.
pub(super) async fn probe(config: &Config, connector: &Connector, url: Option<&PublicUrl>) -> Vec<Finding> {
    let Some(url) = url else { return Vec::new() };
    let mut remarks = Vec::new();
    if url.0.scheme() != "https" && !url.0.host_str().is_some_and(is_loopback) {
        let text =
            format!("{} is http: the listener's secret crosses the internet unencrypted", url.as_str());
        remarks.push(Remark::warning(
            text,
            "put a proxy with TLS in front of it, or set listener.tls_cert and tls_key",
        ));
    }
    remarks.push(match call(connector, url, &config.listener.secret).await {
        Ok((status, ours)) => answered(url, status, ours),
        Err(reason) => unanswered(url, &reason),
    });
    remarks.into_iter().map(|remark| Finding::new("public URL", remark)).collect()
}

/// The status, and whether the answer looks like the listener's.
async fn call(
    connector: &Connector,
    url: &PublicUrl,
    secret: &SecretString,
) -> Result<(StatusCode, bool), String> {
    let reason = |error: reqwest::Error| NoAnswer::from(error).reason;
    let client = connector.client_builder().redirect(redirect::Policy::none()).timeout(TIMEOUT);
    let client = client.build().map_err(reason)?;
    let address = format!("{}/signl4/{}", url.as_str(), secret.expose_secret());
    let answer = client.post(address).send().await.map_err(reason)?;
    let status = answer.status();
    let body = read_body(answer, MAX_ANSWER).await.ok().flatten().unwrap_or_default();
    let ours = serde_json::from_slice::<Value>(&body).is_ok_and(|body| body["error"].is_string());
    Ok((status, ours))
}

fn unanswered(url: &PublicUrl, reason: &str) -> Remark {
    match tls_remedy(reason) {
        Some(remedy) => Remark::problem(
            format!("{} cannot be trusted, so SIGNL4 would not call it: {reason}", url.as_str()),
            match remedy {
                OUTDATED => "renew the certificate of the proxy, or of listener.tls_cert",
                // A certificate that is only trusted here does not help.
                _ => {
                    "give the proxy, or listener.tls_cert, a certificate of a public authority for this name, with the intermediate certificates, \
                     and an RSA, P-256, P-384 or Ed25519 key; if nothing there uses TLS, put a proxy with TLS there"
                }
            },
        ),
        None => Remark::warning(
            format!("{} cannot be tried from here: {reason}", url.as_str()),
            "open it from another network: while the bot runs, it answers 404",
        ),
    }
}

fn answered(url: &PublicUrl, status: StatusCode, ours: bool) -> Remark {
    let shown = url.as_str();
    let (text, fix) = match status {
        StatusCode::BAD_REQUEST if ours => {
            return Remark::fine(format!("{shown} leads to the bot, and the secret is correct"));
        }
        StatusCode::NOT_FOUND => (
            format!("{shown} answers, but not like a bot with this secret (404)"),
            "start the bot; make the proxy forward /signl4/ with the whole path; restart a bot whose secret has changed",
        ),
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => (
            format!("{shown} is a proxy that does not reach the bot ({status})"),
            "start the bot, and make the proxy forward calls to listener.bind",
        ),
        status if status.is_redirection() => {
            let text = format!("{shown} redirects ({status}), which SIGNL4 may not follow");
            (text, "give the address it redirects to")
        }
        status => (
            format!("{shown} does not answer like the bot ({status})"),
            "make the proxy forward POST /signl4/ to listener.bind, without a login",
        ),
    };
    Remark::problem(text, fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expired_certificate_has_to_be_renewed() {
        let url = PublicUrl::parse("https://bot.example.com").unwrap();
        let fix = |reason: &str| unanswered(&url, reason).fix.unwrap();
        let expired = fix("TLS failed: invalid peer certificate: certificate expired: verification time 2");
        assert_eq!(expired, "renew the certificate of the proxy, or of listener.tls_cert");
        assert!(fix("TLS failed: invalid peer certificate: UnknownIssuer").contains("public authority"));
    }
}
