//! What an untrusted client can do at both listeners. Each test attacks the real binary, prints how long valid calls took meanwhile, and
//! fails if people would not be paged. The table has the events taken, those sent again because the connection was closed,
//! median and longest time, and the connections of the flood that were closed. `cargo test --profile dist --test attack -- --nocapture`
//! prints it.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "what fails here fails the test")]

#[path = "bridge/harness.rs"]
mod harness;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use harness::{Bot, Harness, LISTENER_SECRET, SOON, http, status_event};
use rustix::process::{Resource, getrlimit, setrlimit};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::runtime::Runtime;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

/// One attack at a time: each takes the whole machine.
static ALONE: Mutex<()> = Mutex::const_new(());
/// Runs the floods in threads of their own: a valid call must not queue behind them before it is even sent.
static ATTACKER: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
/// An address that is not SIGNL4's.
const OTHER_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// When a flood opens its connections with TLS again. At once, if nothing is slow: unoptimized, cryptography takes all of the
/// machine, attacker and bot alike.
const HANDSHAKE_PAUSE: Duration =
    if cfg!(debug_assertions) { Duration::from_secs(5) } else { Duration::ZERO };
/// How many callers send slow heads over TLS: for the same reason fewer, if nothing is optimized, but more than twice
/// the connection limit.
const TLS_CLIENTS: usize = if cfg!(debug_assertions) { 600 } else { 2_000 };
/// How many events come in through each flood. `cargo test` need not take as long as the run whose figures are published.
const EVENTS: usize = if cfg!(debug_assertions) { 40 } else { 60 };
/// The descriptors that the bot starts with, as on most systems.
const DESCRIPTORS: &str = "ulimit -Sn 1024; exec \"$0\" \"$@\"";

/// An installation whose bot starts with few descriptors.
async fn attacked() -> Harness {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    Harness::new().await.through(["sh", "-c", DESCRIPTORS])
}

/// How to reach a listener.
#[derive(Clone)]
struct Target {
    address: SocketAddr,
    /// Whose address the caller has.
    from: Ipv4Addr,
    tls: Option<TlsConnector>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Target {
    fn public(harness: &Harness) -> Self {
        Self { address: address(&harness.listener_url()), from: Ipv4Addr::LOCALHOST, tls: None }
    }

    fn admin(harness: &Harness) -> Self {
        Self { address: address(&harness.admin_url()), ..Self::public(harness) }
    }

    async fn connect(&self) -> std::io::Result<Box<dyn Stream>> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((self.from, 0).into())?;
        let stream = socket.connect(self.address).await?;
        Ok(match &self.tls {
            None => Box::new(stream),
            Some(tls) => Box::new(tls.connect(ServerName::try_from("localhost").unwrap(), stream).await?),
        })
    }

    /// One call on a connection of its own: how long it took, and the answer's status.
    async fn call(&self, head: &str, body: &str) -> std::io::Result<(Duration, u16)> {
        let begin = Instant::now();
        let mut stream = self.connect().await?;
        let length = body.len();
        let call = format!(
            "{head} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(call.as_bytes()).await?;
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        match answer.split(' ').nth(1).and_then(|status| status.parse().ok()) {
            Some(status) => Ok((begin.elapsed(), status)),
            None => Err(read.err().unwrap_or_else(|| std::io::ErrorKind::UnexpectedEof.into())),
        }
    }

    /// So many connections that do this, and do it again this long after they were closed.
    fn flood(&self, count: usize, send: Traffic, pause: Duration) -> Flood {
        let (opened, closed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let clients = (0..count).map(|_| {
            let (target, opened, closed) = (self.clone(), opened.clone(), closed.clone());
            AbortOnDropHandle::new(ATTACKER.spawn(async move {
                loop {
                    if let Ok(stream) = target.connect().await {
                        opened.fetch_add(1, Ordering::Relaxed);
                        send.to(stream).await;
                    }
                    closed.fetch_add(1, Ordering::Relaxed);
                    sleep(pause).await;
                }
            }))
        });
        Flood { clients: clients.collect(), opened, closed }
    }
}

/// What each client of a flood sends until its connection is closed.
#[derive(Clone, Copy)]
enum Traffic {
    Nothing,
    SlowHead,
    WrongSecrets,
}

impl Traffic {
    async fn to(self, mut stream: Box<dyn Stream>) {
        let mut answer = [0; 1024];
        match self {
            Self::Nothing => while stream.read(&mut answer).await.is_ok_and(|read| read > 0) {},
            Self::SlowHead => {
                for byte in b"POST /signl4/a-guess HTTP/1.1\r\nHost: localhost\r\nX-Slow: ".iter().cycle() {
                    if stream.write_all(&[*byte]).await.is_err() {
                        return;
                    }
                    tokio::select! {
                        () = sleep(Duration::from_secs(1)) => {}
                        // Sends nothing yet, so this is the end.
                        _ = stream.read(&mut answer) => return,
                    }
                }
            }
            Self::WrongSecrets => {
                let call = b"POST /signl4/a-guess HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
                while stream.write_all(call).await.is_ok()
                    && stream.read(&mut answer).await.is_ok_and(|read| read > 0)
                {}
            }
        }
    }
}

struct Flood {
    clients: Vec<AbortOnDropHandle<()>>,
    /// Connections so far.
    opened: Arc<AtomicU64>,
    closed: Arc<AtomicU64>,
}

impl Flood {
    /// Waits until as many connections were opened as it has clients.
    async fn wait_until_there(&self) {
        let all = async {
            while self.opened.load(Ordering::Relaxed) < self.clients.len() as u64 {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(SOON, all).await.unwrap();
    }
}

fn address(url: &str) -> SocketAddr {
    url.split("//").nth(1).unwrap().parse().unwrap()
}

/// Posts events one after the other, prints how long they took, and returns the median.
async fn events(attack: &str, target: &Target, harness: &Harness, flood: &Flood) -> Duration {
    let mut took = Vec::new();
    let mut again = 0;
    let begin = Instant::now();
    while took.len() < EVENTS && begin.elapsed() < Duration::from_secs(30) {
        let alert = json!({"externalEventId": harness.room.id});
        let body = status_event(&format!("n{}", took.len()), &alert, 2).to_string();
        let head = format!("POST /signl4/{LISTENER_SECRET}");
        let call = target.call(&head, &body);
        match timeout(Duration::from_secs(10), call).await {
            Ok(Ok((duration, status))) => {
                assert_eq!(status, 200);
                took.push(duration);
            }
            Ok(Err(_)) => again += 1,
            Err(_) => took.push(Duration::from_secs(10)),
        }
        sleep(Duration::from_millis(20)).await;
    }
    assert!(!took.is_empty(), "{attack}: no event came in");
    took.sort();
    let [median, most] = [took[took.len() / 2], took[took.len() - 1]];
    let closed = flood.closed.load(Ordering::Relaxed) as f64 / begin.elapsed().as_secs_f64();
    println!(
        "| {attack} | {} of {EVENTS} | {again} | {:.1} ms | {:.1} ms | {closed:.0}/s |",
        took.len(),
        median.as_secs_f64() * 1000.0,
        most.as_secs_f64() * 1000.0,
    );
    // At thousands of new connections a second one of ours may be evicted before it is read.
    assert!(took.len() == EVENTS && again <= EVENTS / 20, "{attack}: events are taken at the first attempt");
    median
}

fn assert_logged(bot: &Bot, listener: &str) {
    let lines = bot.count_in_log(&["too many connections", listener]);
    assert!((1..=3).contains(&lines), "once a minute, not {lines} times");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_of_the_admin_listener_take_no_descriptors_from_the_alerts() {
    let _alone = ALONE.lock().await;
    let harness = attacked().await;
    let bot = harness.start_bot().await;
    assert_eq!(bot.descriptor_limit(), getrlimit(Resource::Nofile).maximum.unwrap().to_string());
    let _flood = Target::admin(&harness).flood(1_100, Traffic::Nothing, Duration::ZERO);
    bot.wait_for_log(&["too many connections", "admin"]).await;
    let begin = Instant::now();
    harness.say("SIGNL4 in a flood");
    harness.wait_for_texts_within(&["SIGNL4 in a flood"], Duration::from_secs(5)).await;
    let alert = begin.elapsed();
    let begin = Instant::now();
    let alive = http().get(format!("{}/healthz", harness.admin_url())).timeout(Duration::from_secs(5)).send();
    assert_eq!(alive.await.unwrap().status(), 200);
    println!("| admin: 1,100 idle connections | alert {alert:.1?}, /healthz {:.1?} |", begin.elapsed());
    assert_logged(&bot, "admin");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_accepted_during_a_flood() {
    let _alone = ALONE.lock().await;
    let harness = attacked().await;
    let bot = harness.start_bot().await;
    let target = Target::public(&harness);
    let attacks = [
        ("450 idle connections", 450, Traffic::Nothing),
        ("2,000 slow heads", 2_000, Traffic::SlowHead),
        ("100 callers with wrong secrets", 100, Traffic::WrongSecrets),
    ];
    for (attack, count, send) in attacks {
        let flood = target.flood(count, send, Duration::ZERO);
        flood.wait_until_there().await;
        let median = events(attack, &target, &harness, &flood).await;
        assert!(median < Duration::from_millis(100), "{attack}: {median:?}");
    }
    assert_logged(&bot, "public");
    assert!((1..=3).contains(&bot.count_in_log(&["without the right secret"])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_accepted_during_a_flood_over_tls() {
    let _alone = ALONE.lock().await;
    let mut harness = attacked().await;
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (harness.path("cert.pem"), harness.path("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    harness.reconfigure_listener(&format!("tls_cert = {cert:?}\ntls_key = {key:?}"));
    let _bot = harness.start_bot().await;
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let tls = Some(TlsConnector::from(Arc::new(config.with_no_client_auth())));
    let (plain, encrypted) = (Target::public(&harness), Target { tls, ..Target::public(&harness) });
    let elsewhere = Target { from: OTHER_ADDRESS, ..encrypted.clone() };
    let attacks = [
        ("TLS: 450 connections without a handshake", 450, Traffic::Nothing, &plain, Duration::ZERO),
        ("TLS: slow heads", TLS_CLIENTS, Traffic::SlowHead, &elsewhere, HANDSHAKE_PAUSE),
        (
            "TLS: slow heads from SIGNL4's address",
            TLS_CLIENTS,
            Traffic::SlowHead,
            &encrypted,
            HANDSHAKE_PAUSE,
        ),
    ];
    for (attack, count, send, from, pause) in attacks {
        let flood = from.flood(count, send, pause);
        flood.wait_until_there().await;
        let median = events(attack, &encrypted, &harness, &flood).await;
        assert!(median < Duration::from_millis(100), "{attack}: {median:?}");
    }
}
