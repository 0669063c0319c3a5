//! What all connections share: TLS roots, HTTP client, proxies.

use std::env;
use std::sync::Arc;
use std::time::Duration;

use http_outcome::ErrorHook;
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::header::HeaderValue;
use tokio_tungstenite::tungstenite::http::Uri;

use crate::ServerUrl;

/// Timeout of a REST call, from connecting to the end of the body.
const HTTP_TIMEOUT: Duration = Duration::from_secs(30);
/// Timeout of connecting: DNS, TCP, proxy and TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a connection may be idle and still be reused. A firewall may have dropped it silently, and then a call
/// over it gets no answer. So it is only reused by calls in quick succession.
const POOL_IDLE: Duration = Duration::from_secs(5);
/// How long sent data may stay unacknowledged by the other system (`TCP_USER_TIMEOUT`).
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(10);
/// How often the system checks an open connection without data, to keep it open or to detect that it is dead.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// The remedy if TLS or the HTTP client cannot be set up.
const CERTIFICATES: &str = "; check the system's certificates";

/// Opens connections: holds the TLS configuration, the HTTP client and the proxies of the environment.
///
/// Build one and share it: reading the system's certificates is slow, and the HTTP client pools connections. Trusted roots
/// are the system's and Mozilla's (webpki). `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` apply to REST and
/// WebSocket.
#[derive(Clone)]
pub struct Connector {
    tls: Arc<rustls::ClientConfig>,
    pub(crate) http: reqwest::Client,
    /// `None` if no host needs a proxy.
    proxies: Option<Arc<Matcher>>,
    pub(super) on_error: ErrorHook,
    user_agent: HeaderValue,
}

/// The TLS library, the HTTP client or the proxy of the environment could not be set up. The text ends in the remedy.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up {0}: {1}")]
pub struct ConnectorError(&'static str, String);

impl Connector {
    /// Reads the system's certificates and the environment's proxies. Every call has this `User-Agent`.
    ///
    /// # Errors
    /// If TLS or the HTTP client cannot be set up, or `user_agent` cannot be sent in a header.
    pub fn new(user_agent: &str) -> Result<Self, ConnectorError> {
        Self::with(trusted_roots(), proxies(|name| env::var(name).ok())?, user_agent)
    }

    /// With these roots and, if there are `proxies`, those of the environment.
    pub(crate) fn with(
        roots: rustls::RootCertStore,
        proxies: Option<Matcher>,
        user_agent: &str,
    ) -> Result<Self, ConnectorError> {
        let user_agent = HeaderValue::from_str(user_agent)
            .map_err(|error| ConnectorError("the user agent", error.to_string()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| ConnectorError("TLS", format!("{error}{CERTIFICATES}")))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let http = client_builder(&tls, &user_agent, proxies.is_some())
            // The token is in a custom header, which HTTP libraries keep when a redirect leads to another host.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| {
                ConnectorError("the HTTP client", format!("{}{CERTIFICATES}", error.without_url()))
            })?;
        Ok(Self {
            tls: Arc::new(tls),
            http,
            proxies: proxies.map(Arc::new),
            on_error: Arc::new(|_: &str| {}),
            user_agent,
        })
    }

    /// Calls `hook` for each REST call that fails, with the status (`"503"`), or with `connect`, `timeout` or `broken`
    /// if there was no answer.
    #[must_use]
    pub fn on_http_error(self, hook: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { on_error: Arc::new(hook), ..self }
    }

    /// A builder of an HTTP client with the same TLS roots, proxies and timeouts, for calls to other hosts.
    pub fn client_builder(&self) -> reqwest::ClientBuilder {
        client_builder(&self.tls, &self.user_agent, self.proxies.is_some())
    }

    /// Whether a server is called through a proxy.
    pub(crate) fn uses_proxy(&self, server: &ServerUrl) -> bool {
        // The rules look only at scheme, host and port.
        let uri = server.to_string().parse::<Uri>();
        self.proxies.as_ref().zip(uri.ok()).is_some_and(|(proxies, uri)| proxies.intercept(&uri).is_some())
    }
}

impl std::fmt::Debug for Connector {
    /// Without the proxies, whose URLs may contain a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

/// reqwest reads the environment's proxies itself, with the same code as [`Matcher`].
fn client_builder(
    tls: &rustls::ClientConfig,
    user_agent: &HeaderValue,
    proxied: bool,
) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder();
    let builder = if proxied { builder } else { builder.no_proxy() };
    #[cfg(target_os = "linux")]
    let builder = builder.tcp_user_timeout(UNACKNOWLEDGED);
    builder
        .pool_idle_timeout(POOL_IDLE)
        .tcp_keepalive(KEEPALIVE)
        .tcp_keepalive_interval(KEEPALIVE)
        .tls_backend_preconfigured(tls.clone())
        .user_agent(user_agent.clone())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(HTTP_TIMEOUT)
}

/// The proxies of the environment; `None` if `NO_PROXY` contains a `*`, which [`Matcher`] does not apply to IP
/// addresses.
fn proxies(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Matcher>, ConnectorError> {
    let first = |names: [&'static str; 2]| names.into_iter().find_map(|name| Some((name, variable(name)?)));
    if first(["NO_PROXY", "no_proxy"]).is_some_and(|(_, no)| no.split(',').any(|part| part.trim() == "*")) {
        return Ok(None);
    }
    for names in [["HTTPS_PROXY", "https_proxy"], ["HTTP_PROXY", "http_proxy"], ["ALL_PROXY", "all_proxy"]] {
        if let Some((name, _)) = first(names).filter(|(_, url)| !url.is_empty() && !is_proxy(url)) {
            let reason = format!(
                "{name} is not the URL of a proxy, as in http://user:password@proxy:3128; write special characters in \
                 its password as %23 for #, %2F for /, %3F for ?, %40 for @"
            );
            return Err(ConnectorError("the proxy", reason));
        }
    }
    Ok(Some(Matcher::from_env()))
}

/// Whether a proxy's URL is valid, and certainly refers to the host that it seems to: a `#`, `/` or `?` in a password
/// ends the host's name before it.
fn is_proxy(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let is_usable =
        || Matcher::builder().all(url).build().intercept(&Uri::from_static("https://host")).is_some();
    !path.contains('@') && authority.matches('@').count() <= 1 && is_usable()
}

fn trusted_roots() -> rustls::RootCertStore {
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let native = rustls_native_certs::load_native_certs();
    let (added, ignored) = roots.add_parsable_certificates(native.certs);
    tracing::debug!(added, ignored, unreadable = native.errors.len(), "read the system's certificates");
    roots
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Connector {
        /// Calls every server through this proxy, or with `None` through no proxy.
        pub(crate) fn with_proxy(mut self, url: Option<&str>) -> Self {
            let mut builder = client_builder(&self.tls, &self.user_agent, false);
            if let Some(url) = url {
                builder = builder.proxy(reqwest::Proxy::all(url).unwrap());
            }
            self.http = builder.redirect(reqwest::redirect::Policy::none()).build().unwrap();
            self.proxies = url.map(|url| Arc::new(Matcher::builder().all(url).build()));
            self
        }
    }

    fn of(variables: &[(&str, &str)]) -> Result<Option<Matcher>, String> {
        let value = |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        proxies(value).map_err(|error| error.to_string())
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_named_without_its_password() {
        for url in [
            "http://me:s3c#ret@proxy:3128",
            "http://me:1#s3cret@proxy:3128",
            "http://me:s3cret/@proxy:3128",
            "http://me:s3cret?@proxy:3128",
            "http://me:s3cret@home@proxy:3128",
            "me:s3c#ret@proxy:3128",
            "ftp://proxy:3128",
            "proxy 3128",
            "http://",
        ] {
            for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "ALL_PROXY"] {
                let error = of(&[(name, url)]).unwrap_err();
                assert!(error.contains(&format!("{name} is not")) && error.contains("%23 for #"), "{error}");
                assert!(!error.contains("s3c"), "{error}");
            }
        }
    }

    #[test]
    fn a_proxy_that_can_be_used_is_accepted() {
        for url in [
            "",
            "http://proxy:3128",
            "http://proxy:3128/",
            "proxy:3128",
            "https://me:s3c%23ret%40home@proxy",
            "socks5h://proxy:1080",
        ] {
            assert!(of(&[("HTTPS_PROXY", url)]).unwrap().is_some(), "{url}");
        }
    }

    #[test]
    fn an_asterisk_in_no_proxy_switches_proxies_off_for_names_and_addresses() {
        for no_proxy in ["*", "localhost, *", "*,10.0.0.0/8"] {
            let variables = [("NO_PROXY", no_proxy), ("HTTP_PROXY", "http://me:s3c#ret@proxy:3128")];
            assert!(of(&variables).unwrap().is_none(), "{no_proxy}");
        }
        assert!(of(&[("no_proxy", "*")]).unwrap().is_none());
        assert!(of(&[("NO_PROXY", "*.example.com")]).unwrap().is_some());
    }
}
