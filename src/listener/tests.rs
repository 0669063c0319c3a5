//! The listener over real sockets: TLS, limits, and authentication.

use std::net::SocketAddr;

use futures_util::future::select_all;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{certificate::tests::Files, *};
use crate::config::TlsFiles;

const SECRET: &str = "a-secret-of-some-length";
const EVENT: &str = r#"{"eventType": 203, "id": "n1", "user": {"username": "Rene"}}"#;
/// A generous timeout.
const SOON: Duration = Duration::from_secs(20);
/// A short limit, so that the test is fast.
const SHORT: Duration = Duration::from_millis(200);

struct Served {
    address: SocketAddr,
    access: watch::Sender<Arc<Access>>,
    cancel: CancellationToken,
    work: JoinHandle<()>,
    _dir: TempDir,
}

fn access(secret: &str, tls: Option<&TlsFiles>) -> Arc<Access> {
    let bind = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = Listener { bind, secret: SecretString::from(secret), tls: tls.cloned() };
    Arc::new(Access::new(&config).unwrap())
}

async fn served(tls: Option<&TlsFiles>, limits: Limits) -> Served {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&crate::store::StoreUrl::sqlite(dir.path().join("bot.db"))).await.unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let access = watch::Sender::new(access(SECRET, tls));
    let cancel = CancellationToken::new();
    let (receiver, token) = (access.subscribe(), cancel.clone());
    let work = tokio::spawn(serve(limits, socket, receiver, store, token));
    Served { address, access, cancel, work, _dir: dir }
}

impl Served {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn handshake(&self, trusted: &CertificateDer<'static>) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, self.connect().await).await
    }

    /// The status and the head of the answer to one call.
    async fn post(&self, secret: &str) -> (u16, String) {
        call(self.connect().await, secret).await
    }

    /// Waits until handshakes show this certificate.
    async fn wait_until_shown(&self, certificate: &CertificateDer<'static>) -> TlsStream<TcpStream> {
        let shown = async {
            loop {
                match self.handshake(certificate).await {
                    Ok(stream) => return stream,
                    Err(_) => sleep(Duration::from_millis(20)).await,
                }
            }
        };
        timeout(SOON, shown).await.unwrap()
    }
}

async fn call(mut stream: impl AsyncRead + AsyncWrite + Unpin, secret: &str) -> (u16, String) {
    let (path, length) = (format!("/signl4/{secret}"), EVENT.len());
    let call = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{EVENT}"
    );
    stream.write_all(call.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // The answer counts, even if the server does not close TLS properly.
    let _ = timeout(SOON, stream.read_to_end(&mut answer)).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_default(), answer)
}

/// Waits until the server closes one of the connections.
async fn until_closed<const N: usize>(streams: [TcpStream; N]) {
    let closed = streams.map(|mut stream| Box::pin(async move { stream.read_to_end(&mut Vec::new()).await }));
    let _ = timeout(SOON, select_all(closed)).await.expect("a connection is closed");
}

#[tokio::test]
async fn a_connection_takes_one_request_and_says_so() {
    let served = served(None, Limits::default()).await;
    let mut stream = served.connect().await;
    let call = format!(
        "POST /signl4/{SECRET} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{EVENT}",
        EVENT.len()
    );
    stream.write_all(call.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(Limits::default().begin / 2, stream.read_to_string(&mut answer))
        .await
        .expect("closed at once")
        .unwrap();
    assert!(answer.contains("200 OK") && answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn an_event_comes_in_over_tls() {
    let files = Files::new();
    let certificate = files.renew();
    let served = served(Some(&files.tls), Limits::default()).await;
    let stream = served.handshake(&certificate).await.unwrap();
    assert_eq!(call(stream, SECRET).await.0, 200);
}

#[tokio::test]
async fn a_renewed_certificate_is_used_without_a_restart() {
    let files = Files::new();
    let served = served(Some(&files.tls), Limits::default()).await;
    let renewed = files.renew();
    let stream = served.wait_until_shown(&renewed).await;
    assert_eq!(call(stream, SECRET).await.0, 200);
}

#[tokio::test]
async fn invalid_files_leave_the_old_certificate_in_use_until_they_are_valid_again() {
    let files = Files::new();
    let old = files.renew();
    let served = served(Some(&files.tls), Limits::default()).await;
    std::fs::write(&files.tls.key, "not a key").unwrap();
    for _ in 0..10 {
        assert!(served.handshake(&old).await.is_ok());
    }
    let renewed = files.renew();
    served.wait_until_shown(&renewed).await;
    assert!(served.handshake(&old).await.is_err());
}

#[tokio::test]
async fn a_plain_connection_to_a_tls_listener_is_closed() {
    let files = Files::new();
    let certificate = files.renew();
    let served = served(Some(&files.tls), Limits::default()).await;
    assert_eq!(served.post(SECRET).await.0, 0, "no answer in the clear");
    let stream = served.handshake(&certificate).await.unwrap();
    assert_eq!(call(stream, SECRET).await.0, 200);
}

#[tokio::test]
async fn an_unfinished_handshake_or_head_is_closed() {
    let files = Files::new();
    let limits = Limits { begin: SHORT, ..Limits::default() };
    let (encrypted, plain) = (served(Some(&files.tls), limits).await, served(None, limits).await);
    until_closed([encrypted.connect().await]).await;
    until_closed([plain.connect().await]).await;
    let mut slow = plain.connect().await;
    slow.write_all(b"POST /signl4/x HTTP/1.1\r\nHost: local").await.unwrap();
    until_closed([slow]).await;
}

#[tokio::test]
async fn at_the_connection_limit_the_oldest_one_without_a_request_is_closed() {
    let files = Files::new();
    let certificate = files.renew();
    let limits = Limits { connections: 2, ..Limits::default() };
    let (encrypted, plain) = (served(Some(&files.tls), limits).await, served(None, limits).await);
    let idle = [plain.connect().await, plain.connect().await];
    assert_eq!(plain.post(SECRET).await.0, 200);
    until_closed(idle).await;
    let idle = [encrypted.connect().await, encrypted.connect().await];
    assert_eq!(call(encrypted.handshake(&certificate).await.unwrap(), SECRET).await.0, 200);
    until_closed(idle).await;
}

#[tokio::test]
async fn a_call_in_progress_is_not_closed_to_make_room() {
    let served = served(None, Limits { connections: 1, ..Limits::default() }).await;
    let (head, body) = EVENT.split_at(10);
    let mut first = served.connect().await;
    let path = format!("/signl4/{SECRET}");
    let length = EVENT.len();
    let begun = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
    );
    first.write_all(begun.as_bytes()).await.unwrap();
    // The server has requested the body, so the call is in progress.
    let mut answer = [0; 12];
    first.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100");
    let address = served.address;
    let mut second =
        tokio::spawn(async move { call(TcpStream::connect(address).await.unwrap(), SECRET).await.0 });
    assert!(timeout(SHORT, &mut second).await.is_err(), "answered out of turn");
    first.write_all(head.as_bytes()).await.unwrap();
    first.write_all(body.as_bytes()).await.unwrap();
    let mut answers = String::new();
    let _ = timeout(SOON, first.read_to_string(&mut answers)).await.unwrap();
    assert!(answers.contains("HTTP/1.1 200"), "{answers}");
    assert_eq!(timeout(SOON, second).await.unwrap().unwrap(), 200);
}

#[tokio::test]
async fn too_many_wrong_secrets_are_throttled_and_the_right_one_is_still_accepted() {
    let served = served(None, Limits::default()).await;
    for _ in 0..10 {
        assert_eq!(served.post("a-wrong-secret").await.0, 404);
    }
    for _ in 0..3 {
        let (status, head) = served.post("a-wrong-secret").await;
        assert_eq!(status, 429);
        assert!(head.contains("retry-after: ") && head.contains("connection: close"), "{head}");
        assert_eq!(served.post(SECRET).await.0, 200);
    }
}

#[tokio::test]
async fn a_secret_that_is_not_utf_8_is_answered_like_any_other_wrong_one() {
    let served = served(None, Limits::default()).await;
    assert_eq!(served.post("%ff").await.0, 404);
}

#[tokio::test]
async fn a_new_secret_and_tls_take_effect_between_two_calls() {
    let files = Files::new();
    let certificate = files.renew();
    let served = served(None, Limits::default()).await;
    assert_eq!(served.post(SECRET).await.0, 200);
    served.access.send_replace(access("another-secret-of-length", None));
    assert_eq!(served.post(SECRET).await.0, 404);
    assert_eq!(served.post("another-secret-of-length").await.0, 200);
    served.access.send_replace(access(SECRET, Some(&files.tls)));
    let stream = served.handshake(&certificate).await.unwrap();
    assert_eq!(call(stream, SECRET).await.0, 200);
}

#[tokio::test]
async fn cancelled_it_closes_idle_connections_and_ends() {
    let served = served(None, Limits::default()).await;
    let idle = served.connect().await;
    assert_eq!(served.post(SECRET).await.0, 200);
    served.cancel.cancel();
    until_closed([idle]).await;
    timeout(SOON, served.work).await.unwrap().unwrap();
}
