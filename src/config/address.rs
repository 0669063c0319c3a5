//! Addresses: URLs to call, and sockets to listen on.

use std::net::SocketAddr;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::problem::{Fault, quoted};
use signl4::WebhookUrl;

/// An `http` or `https` URL without credentials.
pub(super) fn web_url(text: &str, fix: &str) -> Result<Url, Fault> {
    // What has an @ may hold a password, and is not repeated.
    let shown = if text.contains('@') { String::new() } else { format!(" ({})", quoted(text)) };
    let url = match Url::parse(text) {
        Ok(url) if text.contains("://") => url,
        _ => return Err(Fault::new(format!("is not a URL{shown}"), fix)),
    };
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Fault::new(format!("has the scheme {}, not https or http", quoted(url.scheme())), fix));
    }
    if has_credentials(&url) {
        return Err(Fault::new(CREDENTIALS, "take them out of the URL"));
    }
    Ok(url)
}

const CREDENTIALS: &str = "has a user name or a password in it";

fn has_credentials(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// The base of a server: no query, and no slash at its end but for the bare host's.
pub(super) fn base_url(text: &str, fix: &str) -> Result<Url, Fault> {
    let mut url = web_url(text, fix)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Fault::new("has a ? or # part", fix));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// A webhook with its secret. Says nothing of the URL in what is wrong.
pub(super) fn webhook_url(secret: &SecretString) -> Result<WebhookUrl, Fault> {
    const FIX: &str =
        "copy it from SIGNL4 (Integrations, Webhook), as in https://connect.signl4.com/webhook/{team-secret}";
    let text = secret.expose_secret();
    let webhook = WebhookUrl::parse(text).map_err(|error| Fault::new(error.to_string(), FIX))?;
    match Url::parse(text) {
        Ok(url) if has_credentials(&url) => Err(Fault::new(CREDENTIALS, FIX)),
        _ => Ok(webhook),
    }
}

/// An address to listen on.
pub(super) fn socket_address(text: &str, fix: &str) -> Result<SocketAddr, Fault> {
    text.parse().map_err(|_| Fault::new(format!("is not an IP address with a port ({})", quoted(text)), fix))
}
