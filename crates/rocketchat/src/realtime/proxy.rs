//! Connects through an HTTP proxy with `CONNECT` (RFC 9110, 9.3.6).

use hyper_util::client::proxy::matcher::Intercept;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::tungstenite::http::Uri;

use super::LostReason;

/// Longest header of a proxy's answer, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// A proxy's address, and whether to talk TLS to it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ProxyAddress {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: bool,
}

/// The address in a proxy's URL. SOCKS is not supported.
pub(super) fn address(uri: &Uri) -> Result<ProxyAddress, LostReason> {
    let tls = match uri.scheme_str() {
        None | Some("http") => false,
        Some("https") => true,
        Some(other) => {
            return Err(LostReason::Proxy(format!("{other} proxies are not supported, only HTTP ones")));
        }
    };
    let host = uri.host().ok_or_else(|| LostReason::Proxy("its URL has no host".to_owned()))?;
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    Ok(ProxyAddress { host: host.to_owned(), port, tls })
}

/// Requests a connection to `target` (`host:port`). The bytes after the answer are the target's.
pub(super) async fn connect<S>(stream: &mut S, target: &str, proxy: &Intercept) -> Result<(), LostReason>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
    if let Some(auth) = proxy.basic_auth() {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(auth.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    stream.write_all(&request).await.map_err(broke)?;
    stream.flush().await.map_err(broke)?;
    check_status(&read_head(stream).await?)
}

/// Reads up to the empty line and no further: what follows is the target's.
async fn read_head<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Vec<u8>, LostReason> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MAX_HEAD {
            return Err(LostReason::Proxy("its answer does not end".to_owned()));
        }
        head.push(stream.read_u8().await.map_err(broke)?);
    }
    Ok(head)
}

fn check_status(head: &[u8]) -> Result<(), LostReason> {
    let head = String::from_utf8_lossy(head);
    let status = head.split_whitespace().nth(1).and_then(|status| status.parse::<u16>().ok());
    match status {
        Some(200..300) => Ok(()),
        Some(407) => Err(LostReason::Proxy("it wants a user name and password (HTTP 407)".to_owned())),
        Some(status) => Err(LostReason::Proxy(format!("it answered HTTP {status}"))),
        None => Err(LostReason::Proxy("its answer is not HTTP".to_owned())),
    }
}

fn broke(error: std::io::Error) -> LostReason {
    LostReason::Proxy(error.kind().to_string())
}

#[cfg(test)]
mod tests {
    use hyper_util::client::proxy::matcher::Matcher;

    use super::*;

    fn proxy(url: &str) -> Intercept {
        let matcher = Matcher::builder().https(url).build();
        matcher.intercept(&"https://chat.example.com".parse().unwrap()).unwrap()
    }

    async fn conversation(answer: &[u8]) -> (Result<(), LostReason>, String, Vec<u8>) {
        let (mut ours, mut theirs) = tokio::io::duplex(64 * 1024);
        theirs.write_all(answer).await.unwrap();
        let outcome = connect(&mut ours, "chat.example.com:443", &proxy("http://me:pw@proxy:3128")).await;
        ours.shutdown().await.unwrap();
        let mut asked = String::new();
        theirs.read_to_string(&mut asked).await.unwrap();
        drop(theirs);
        let mut rest = Vec::new();
        ours.read_to_end(&mut rest).await.unwrap();
        (outcome, asked, rest)
    }

    #[tokio::test]
    async fn the_request_has_the_proxys_password_and_the_targets_bytes_stay_unread() {
        let (outcome, asked, rest) =
            conversation(b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\ntarget").await;
        assert_eq!(outcome, Ok(()));
        assert!(
            asked.starts_with("CONNECT chat.example.com:443 HTTP/1.1\r\nHost: chat.example.com:443\r\n"),
            "{asked}"
        );
        assert!(asked.ends_with("Proxy-Authorization: Basic bWU6cHc=\r\n\r\n"), "{asked}");
        assert_eq!(rest, b"target");
    }

    #[tokio::test]
    async fn a_refusal_names_the_reason() {
        for (answer, words) in [
            ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "user name and password"),
            ("HTTP/1.1 503 No\r\n\r\n", "HTTP 503"),
            ("SSH-2.0-OpenSSH\r\n\r\n", "not HTTP"),
        ] {
            let error = conversation(answer.as_bytes()).await.0.unwrap_err();
            assert!(error.name() == "proxy" && error.to_string().contains(words), "{error}");
        }
        let endless = "x".repeat(MAX_HEAD + 1);
        assert_eq!(conversation(endless.as_bytes()).await.0.unwrap_err().name(), "proxy");
    }

    #[test]
    fn only_http_proxies_are_supported() {
        let at = |host: &str, port, tls| Ok(ProxyAddress { host: host.into(), port, tls });
        assert_eq!(address(proxy("http://proxy:3128").uri()), at("proxy", 3128, false));
        assert_eq!(address(proxy("proxy:8080").uri()), at("proxy", 8080, false));
        assert_eq!(address(proxy("https://proxy").uri()), at("proxy", 443, true));
        assert_eq!(address(proxy("socks5://proxy:1080").uri()).unwrap_err().name(), "proxy");
    }
}
