//! A server's URL, and the URLs derived from it.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// The base URL of a server.
///
/// A server may have a sub-path (`https://example.com/chat`); derived URLs keep it. Query and fragment are dropped. A user
/// name or password in the URL is an error, since it would end up in logs.
///
/// ```
/// use rocketchat::ServerUrl;
///
/// let server: ServerUrl = "https://example.com/chat/".parse()?;
/// assert_eq!(server.websocket().as_str(), "wss://example.com/chat/websocket");
/// assert_eq!(server.to_string(), "https://example.com/chat");
/// # Ok::<(), rocketchat::ServerUrlError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    /// `http` or `https`, path ending in a slash.
    base: Url,
}

/// Why a text is not a server's URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ServerUrlError(String);

impl ServerUrl {
    /// The DDP WebSocket: `ws(s)://host[/prefix]/websocket`. With a trailing slash the streamer would use SockJS framing.
    pub fn websocket(&self) -> Url {
        let mut url = self.join("websocket");
        set_scheme(&mut url, if self.is_tls() { "wss" } else { "ws" });
        url
    }

    /// A REST endpoint: `api("chat.sendMessage")` is `http(s)://host[/prefix]/api/v1/chat.sendMessage`.
    pub fn api(&self, endpoint: &str) -> Url {
        self.join(&format!("api/v1/{endpoint}"))
    }

    /// The URL to open in a browser; its path ends in a slash.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// Whether the connection is encrypted.
    pub fn is_tls(&self) -> bool {
        self.base.scheme() == "https"
    }

    /// The host as in the URL (an IPv6 address has brackets).
    pub fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }

    pub(crate) fn join(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        let joined = format!("{}{path}", self.base.path());
        url.set_path(&joined);
        url
    }
}

fn set_scheme(url: &mut Url, scheme: &str) {
    // Fails only between special and other schemes; http, https, ws and wss are special.
    let changed = url.set_scheme(scheme);
    debug_assert!(changed.is_ok());
}

impl FromStr for ServerUrl {
    type Err = ServerUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = |why: &str| Err(ServerUrlError(why.to_owned()));
        let mut base =
            Url::parse(text.trim()).map_err(|error| ServerUrlError(format!("not a URL: {error}")))?;
        match base.scheme() {
            "http" | "https" => {}
            "ws" => set_scheme(&mut base, "http"),
            "wss" => set_scheme(&mut base, "https"),
            other => return refused(&format!("the scheme \"{other}\" is neither http nor https")),
        }
        if !base.username().is_empty() || base.password().is_some() {
            return refused("the URL contains a user name or password; set them separately");
        }
        base.set_query(None);
        base.set_fragment(None);
        // Accept the WebSocket's URL too.
        let path = base.path().trim_end_matches('/');
        let path = path.strip_suffix("/websocket").unwrap_or(path).trim_end_matches('/').to_owned();
        base.set_path(&format!("{path}/"));
        Ok(Self { base })
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.base.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str) -> ServerUrl {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_are_derived_and_a_sub_path_is_kept() {
        let plain = server("http://localhost:3000");
        assert_eq!(plain.websocket().as_str(), "ws://localhost:3000/websocket");
        assert_eq!(plain.api("me").as_str(), "http://localhost:3000/api/v1/me");
        assert_eq!((plain.host(), plain.is_tls()), ("localhost", false));

        let below = server("https://example.com/team/chat/?a=b#c");
        assert_eq!(below.websocket().as_str(), "wss://example.com/team/chat/websocket");
        assert_eq!(below.api("chat.react").as_str(), "https://example.com/team/chat/api/v1/chat.react");
        assert_eq!(below.join("api/info").as_str(), "https://example.com/team/chat/api/info");
        assert_eq!(below.to_string(), "https://example.com/team/chat");
    }

    #[test]
    fn a_websocket_url_is_accepted_as_its_servers_url() {
        assert_eq!(server("wss://example.com/chat/websocket"), server("https://example.com/chat"));
        assert_eq!(server("WS://example.com/websocket/"), server("http://example.com"));
    }

    #[test]
    fn anything_else_is_an_error_with_the_reason() {
        let refused = |text: &str| text.parse::<ServerUrl>().unwrap_err().to_string();
        assert_eq!(refused("chat.example.com"), "not a URL: relative URL without a base");
        assert_eq!(refused("ftp://example.com"), "the scheme \"ftp\" is neither http nor https");
        let with_password = refused("https://bob:hunter2@example.com");
        assert_eq!(with_password, "the URL contains a user name or password; set them separately");
    }
}
