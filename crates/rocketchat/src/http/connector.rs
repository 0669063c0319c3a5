//! What all connections share: TLS roots, HTTP client, proxies.

use std::sync::Arc;
use std::time::Duration;

use http_outcome::ErrorHook;
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::header::HeaderValue;

/// Timeout of a REST call, from connecting to the end of the body.
const HTTP_TIMEOUT: Duration = Duration::from_secs(30);
/// Timeout of connecting: DNS, TCP, proxy and TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// The default `User-Agent`.
const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

/// Opens connections: holds the TLS configuration, the HTTP client and the proxies of the environment.
///
/// Build one and share it: reading the system's certificates is slow, and the HTTP client pools connections. Trusted roots
/// are the system's and Mozilla's (webpki). `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` apply to REST and
/// WebSocket.
#[derive(Clone)]
pub struct Connector {
    tls: Arc<rustls::ClientConfig>,
    http: reqwest::Client,
    proxies: Arc<Matcher>,
    errors: ErrorHook,
    user_agent: HeaderValue,
}

/// The TLS library or the HTTP client could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up {what}: {reason}")]
pub struct ConnectorError {
    what: &'static str,
    reason: String,
}

impl Connector {
    /// Reads the system's certificates and the environment's proxies.
    ///
    /// # Errors
    /// If TLS or the HTTP client cannot be set up.
    pub fn new() -> Result<Self, ConnectorError> {
        Self::with_user_agent(USER_AGENT)
    }

    /// The same, with this `User-Agent` in place of the crate's own.
    ///
    /// # Errors
    /// If TLS or the HTTP client cannot be set up, or `user_agent` cannot be sent in a header.
    pub fn with_user_agent(user_agent: &str) -> Result<Self, ConnectorError> {
        Self::with(trusted_roots(), Matcher::from_env(), user_agent)
    }

    /// With these roots and, for WebSockets, these proxies.
    pub(crate) fn with(
        roots: rustls::RootCertStore,
        proxies: Matcher,
        user_agent: &str,
    ) -> Result<Self, ConnectorError> {
        let user_agent = HeaderValue::from_str(user_agent)
            .map_err(|error| ConnectorError { what: "the user agent", reason: error.to_string() })?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| ConnectorError { what: "TLS", reason: error.to_string() })?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let http = client_builder(&tls, &user_agent)
            // The token is in a custom header, which HTTP libraries keep when a redirect leads to another host.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| ConnectorError {
                what: "the HTTP client",
                reason: error.without_url().to_string(),
            })?;
        Ok(Self {
            tls: Arc::new(tls),
            http,
            proxies: Arc::new(proxies),
            errors: ErrorHook::default(),
            user_agent,
        })
    }

    /// Calls `hook` for each REST call that fails, with the status (`"503"`), or `connect`, `timeout` or `broken` where
    /// no answer came.
    #[must_use]
    pub fn on_http_error(self, hook: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { errors: ErrorHook::new(hook), ..self }
    }

    /// A builder of an HTTP client with the same TLS roots, proxies and timeouts, for calls to other hosts.
    pub fn client_builder(&self) -> reqwest::ClientBuilder {
        client_builder(&self.tls, &self.user_agent)
    }

    pub(crate) fn tls(&self) -> Arc<rustls::ClientConfig> {
        Arc::clone(&self.tls)
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    pub(crate) fn user_agent(&self) -> HeaderValue {
        self.user_agent.clone()
    }

    pub(crate) fn errors(&self) -> &ErrorHook {
        &self.errors
    }

    pub(crate) fn proxies(&self) -> &Matcher {
        &self.proxies
    }
}

impl std::fmt::Debug for Connector {
    /// Without the proxies, whose URLs may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

/// reqwest reads the environment's proxies itself, with the same code as [`Matcher`].
fn client_builder(tls: &rustls::ClientConfig, user_agent: &HeaderValue) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls.clone())
        .user_agent(user_agent.clone())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(HTTP_TIMEOUT)
}

fn trusted_roots() -> rustls::RootCertStore {
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let native = rustls_native_certs::load_native_certs();
    let (added, ignored) = roots.add_parsable_certificates(native.certs);
    tracing::debug!(added, ignored, unreadable = native.errors.len(), "read the system's certificates");
    roots
}
