use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::Message;

use super::*;

const SOON: Duration = Duration::from_secs(20);

/// A certificate for a name, signed by nobody but itself.
struct Certificate {
    chain: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Certificate {
    fn of(name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        Self {
            chain: made.cert.der().clone(),
            key: PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into()),
        }
    }

    fn acceptor(self) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.chain], self.key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Trusts these certificates and nothing else, and reaches the world through this proxy if any.
fn connector(trusted: &[&Certificate], proxy: Option<String>) -> Connector {
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        roots.add(certificate.chain.clone()).unwrap();
    }
    Connector::with(roots, None, "test").unwrap().with_proxy(proxy.as_deref())
}

/// What a server's WebSocket runs over.
trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// A server on a free port that takes one connection, over TLS or not, and greets it as a WebSocket.
async fn greeting(tls: Option<TlsAcceptor>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let wire: Box<dyn Wire> = match tls {
            // A client that does not trust us breaks off.
            Some(tls) => match tls.accept(stream).await {
                Ok(stream) => Box::new(stream),
                Err(_) => return,
            },
            None => Box::new(stream),
        };
        let mut socket = tokio_tungstenite::accept_async(wire).await.unwrap();
        socket.send(Message::text("hello")).await.unwrap();
        socket.next().await;
    });
    port
}

/// A proxy that forwards one request, or what follows a `CONNECT`, to the loopback address, and records the request.
async fn proxy() -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let work = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let target = head.split_whitespace().nth(1).unwrap();
        let port = target.rsplit_once(':').unwrap().1.split('/').next().unwrap();
        let mut onward = TcpStream::connect(format!("127.0.0.1:{port}")).await.unwrap();
        match head.starts_with("CONNECT ") {
            true => stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap(),
            false => onward.write_all(head.as_bytes()).await.unwrap(),
        }
        // Either side may break off.
        let _ = copy_bidirectional(&mut stream, &mut onward).await;
        head
    });
    (format!("http://{address}"), work)
}

async fn try_open(connector: &Connector, url: &str) -> Result<Socket, LostReason> {
    timeout(SOON, open(connector, &url.parse().unwrap())).await.unwrap()
}

/// Opens the WebSocket and receives the greeting.
async fn is_greeted(connector: &Connector, url: &str) {
    let mut socket = try_open(connector, url).await.unwrap();
    let greeting = timeout(SOON, socket.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(greeting.into_text().unwrap().as_str(), "hello");
}

async fn failure(connector: &Connector, url: &str) -> LostReason {
    try_open(connector, url).await.map(drop).unwrap_err()
}

/// A server that answers the first bytes with `answer`.
async fn answering(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        assert!(stream.read(&mut request).await.unwrap() > 0);
        stream.write_all(answer).await.unwrap();
    });
    port
}

#[tokio::test]
async fn every_failure_to_connect_has_its_own_name() {
    let connector = connector(&[], None);
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    assert_eq!(failure(&connector, &format!("http://127.0.0.1:{free}")).await.name(), "refused");
    assert_eq!(failure(&connector, "http://no-such-host.invalid").await.name(), "dns");
    let web = answering(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
    let reason = failure(&connector, &format!("http://127.0.0.1:{web}")).await;
    assert_eq!(reason, LostReason::Handshake("HTTP 404".into()));
    let plain = answering(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    assert_eq!(failure(&connector, &format!("https://127.0.0.1:{plain}")).await.name(), "tls");
}

#[tokio::test]
async fn a_websocket_opens_without_tls_and_with_a_trusted_certificate() {
    let certificate = Certificate::of("localhost");
    let connector = connector(&[&certificate], None);
    let port = greeting(None).await;
    is_greeted(&connector, &format!("http://localhost:{port}")).await;
    let port = greeting(Some(certificate.acceptor())).await;
    is_greeted(&connector, &format!("https://localhost:{port}/chat")).await;
}

#[tokio::test]
async fn an_untrusted_certificate_or_one_for_another_name_is_refused() {
    let (known, unknown) = (Certificate::of("chat.example.com"), Certificate::of("localhost"));
    let connector = connector(&[&known], None);
    for certificate in [known, unknown] {
        let port = greeting(Some(certificate.acceptor())).await;
        let reason = failure(&connector, &format!("https://localhost:{port}")).await;
        assert_eq!(reason.name(), "tls", "{reason}");
    }
}

#[tokio::test]
async fn a_proxy_is_used_without_tls_and_with_it_by_connect() {
    for tls in [false, true] {
        let certificate = Certificate::of("localhost");
        let (address, proxy) = proxy().await;
        let connector = connector(&[&certificate], Some(address));
        let (scheme, port) = match tls {
            false => ("http", greeting(None).await),
            true => ("https", greeting(Some(certificate.acceptor())).await),
        };
        is_greeted(&connector, &format!("{scheme}://localhost:{port}")).await;
        let asked = timeout(SOON, proxy).await.unwrap().unwrap();
        let request = match tls {
            false => format!("GET http://localhost:{port}/websocket HTTP/1.1\r\n"),
            true => format!("CONNECT localhost:{port} HTTP/1.1\r\n"),
        };
        assert!(asked.starts_with(&request), "{asked}");
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_or_is_down_is_named() {
    for scheme in ["http", "https"] {
        let refusing =
            answering(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n").await;
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        for port in [refusing, free] {
            let connector = connector(&[], Some(format!("http://127.0.0.1:{port}")));
            let reason = failure(&connector, &format!("{scheme}://chat.example.com")).await;
            assert_eq!(reason.name(), "proxy", "{reason}");
            let is_told =
                ["407", "authorization required"].iter().any(|words| reason.to_string().contains(words));
            assert_eq!(is_told, port == refusing, "{reason}");
        }
    }
}

#[tokio::test]
async fn rest_trusts_the_same_certificates() {
    for trusted in [true, false] {
        let certificate = Certificate::of("localhost");
        let trusts = [&certificate];
        let connector = connector(if trusted { &trusts } else { &[] }, None);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/api/v1/me", listener.local_addr().unwrap().port());
        let tls = certificate.acceptor();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(mut stream) = tls.accept(stream).await {
                let mut request = [0; 4096];
                assert!(stream.read(&mut request).await.unwrap() > 0);
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await.unwrap();
            }
        });
        assert_eq!(connector.http.get(url).send().await.is_ok(), trusted);
    }
}
