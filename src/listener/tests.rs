//! The listener over real sockets: TLS, its bounds, and who gets in.

use std::net::SocketAddr;

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
use crate::config::{Listener, TlsFiles};

const SECRET: &str = "a-secret-of-some-length";
const EVENT: &str = r#"{"eventType": 203, "id": "n1", "user": {"username": "Rene"}}"#;
/// How long anything may take that is going to happen.
const SOON: Duration = Duration::from_secs(20);
/// A time that is over soon.
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

async fn served(tls: Option<&TlsFiles>, bounds: Bounds) -> Served {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&format!("sqlite://{}", dir.path().join("bot.db").display())).await.unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let access = watch::Sender::new(access(SECRET, tls));
    let cancel = CancellationToken::new();
    let (receiver, token) = (access.subscribe(), cancel.clone());
    let work = tokio::spawn(async move {
        let router = router(Door::new(receiver.clone(), store));
        tokio::select! {
            () = connections::serve(socket, router, receiver.clone(), bounds, token) => {}
            () = keep_certificate(receiver, Duration::from_millis(20)) => {}
        }
    });
    Served { address, access, cancel, work, _dir: dir }
}

impl Served {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn shake_hands(&self, trusted: &CertificateDer<'static>) -> std::io::Result<TlsStream<TcpStream>> {
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
                match self.shake_hands(certificate).await {
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
    // A server that does not say goodbye in TLS's way has answered all the same.
    let _ = timeout(SOON, stream.read_to_end(&mut answer)).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_default(), answer)
}

/// Waits until the server closes the connection.
async fn until_closed(mut stream: TcpStream) {
    let mut rest = Vec::new();
    let _ = timeout(SOON, stream.read_to_end(&mut rest)).await.expect("the connection is closed");
}

#[tokio::test]
async fn an_event_comes_in_over_tls() {
    let files = Files::new();
    let certificate = files.renew();
    let served = served(Some(&files.tls), Bounds::default()).await;
    let stream = served.shake_hands(&certificate).await.unwrap();
    assert_eq!(call(stream, SECRET).await.0, 200);
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart() {
    let files = Files::new();
    let served = served(Some(&files.tls), Bounds::default()).await;
    let renewed = files.renew();
    let stream = served.wait_until_shown(&renewed).await;
    assert_eq!(call(stream, SECRET).await.0, 200);
}

#[tokio::test]
async fn files_that_went_wrong_leave_the_old_certificate_until_they_are_right_again() {
    let files = Files::new();
    let old = files.renew();
    let served = served(Some(&files.tls), Bounds::default()).await;
    std::fs::write(&files.tls.key, "not a key").unwrap();
    for _ in 0..10 {
        assert!(served.shake_hands(&old).await.is_ok());
    }
    let renewed = files.renew();
    served.wait_until_shown(&renewed).await;
    assert!(served.shake_hands(&old).await.is_err());
}

#[tokio::test]
async fn who_speaks_no_tls_is_cut_off_and_harms_nobody() {
    let files = Files::new();
    let certificate = files.renew();
    let served = served(Some(&files.tls), Bounds::default()).await;
    assert_eq!(served.post(SECRET).await.0, 0, "no answer in the clear");
    let stream = served.shake_hands(&certificate).await.unwrap();
    assert_eq!(call(stream, SECRET).await.0, 200);
}

#[tokio::test]
async fn who_never_finishes_a_handshake_or_a_head_is_cut_off() {
    let files = Files::new();
    let bounds = Bounds { handshake: SHORT, head: SHORT, ..Bounds::default() };
    let (encrypted, plain) = (served(Some(&files.tls), bounds).await, served(None, bounds).await);
    until_closed(encrypted.connect().await).await;
    until_closed(plain.connect().await).await;
    let mut slow = plain.connect().await;
    slow.write_all(b"POST /signl4/x HTTP/1.1\r\nHost: local").await.unwrap();
    until_closed(slow).await;
}

#[tokio::test]
async fn a_connection_that_lives_too_long_is_closed() {
    let served = served(None, Bounds { lifetime: SHORT, ..Bounds::default() }).await;
    until_closed(served.connect().await).await;
}

#[tokio::test]
async fn a_connection_beyond_the_bound_waits_for_its_turn() {
    let served = served(None, Bounds { connections: 1, ..Bounds::default() }).await;
    let mut first = served.connect().await;
    // Answered, so that it surely was accepted before the other one; without "Connection: close" it stays open.
    first.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert!(first.read(&mut [0; 16]).await.unwrap() > 0);
    let address = served.address;
    let mut second =
        tokio::spawn(async move { call(TcpStream::connect(address).await.unwrap(), SECRET).await.0 });
    assert!(timeout(SHORT, &mut second).await.is_err(), "answered out of turn");
    drop(first);
    assert_eq!(timeout(SOON, second).await.unwrap().unwrap(), 200);
}

#[tokio::test]
async fn too_many_wrong_secrets_are_told_to_wait_and_the_right_one_passes_all_the_while() {
    let served = served(None, Bounds::default()).await;
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
async fn a_secret_that_is_no_text_is_not_found_like_any_other() {
    let served = served(None, Bounds::default()).await;
    assert_eq!(served.post("%ff").await.0, 404);
}

#[tokio::test]
async fn another_secret_and_tls_are_taken_up_between_two_calls() {
    let files = Files::new();
    let certificate = files.renew();
    let served = served(None, Bounds::default()).await;
    assert_eq!(served.post(SECRET).await.0, 200);
    served.access.send_replace(access("another-secret-of-length", None));
    assert_eq!(served.post(SECRET).await.0, 404);
    assert_eq!(served.post("another-secret-of-length").await.0, 200);
    served.access.send_replace(access(SECRET, Some(&files.tls)));
    let stream = served.shake_hands(&certificate).await.unwrap();
    assert_eq!(call(stream, SECRET).await.0, 200);
}

#[tokio::test]
async fn told_to_stop_it_closes_idle_connections_and_ends() {
    let served = served(None, Bounds::default()).await;
    let idle = served.connect().await;
    assert_eq!(served.post(SECRET).await.0, 200);
    served.cancel.cancel();
    until_closed(idle).await;
    timeout(SOON, served.work).await.unwrap().unwrap();
}
