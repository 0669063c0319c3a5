//! Typical failures of PostgreSQL: the bot reports the reason wherever people look, loses and doubles nothing, and recovers
//! by itself.
//!
//! `tests/postgres.sh cargo test --test bridge -- --ignored database_failures`: the script finds PostgreSQL's programs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::json;
use signl4_rocketchat::store::{Condition, Store, StoreUrl};
use sqlx::{Executor, Row};
use tokio::time::{Instant, sleep};

use crate::database_server::{PASSWORD, Server};
use crate::harness::{Bot, Harness, SOON, http, status_event};

const POLL: Duration = Duration::from_millis(50);
const END_SESSIONS: &str =
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'bot'";

const CREATE: [&str; 2] = ["CREATE USER bot PASSWORD 'a-database-passw0rd'", "CREATE DATABASE bot OWNER bot"];

/// A bot with its own database server.
struct Fixture {
    server: Server,
    harness: Harness,
    bot: Bot,
    /// What was written so far.
    texts: Vec<String>,
}

impl Fixture {
    async fn new() -> Self {
        let server = Server::start().await;
        server.execute(&CREATE).await;
        Self::on(server).await
    }

    async fn on(server: Server) -> Self {
        let mut harness = Harness::new().await.with_fast_tempo();
        harness.set_variable("SIGNL4_BOT_STORE__URL", &server.url());
        let bot = harness.start_bot().await;
        let mut fixture = Self { server, harness, bot, texts: vec![] };
        fixture.assert_works().await;
        fixture
    }

    /// A message raises its alert, and SIGNL4's event about it is posted.
    async fn assert_works(&mut self) {
        let text = self.text();
        let message = self.harness.say(&text);
        let alert = self.harness.alert(&text).await;
        self.harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
        self.harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    }

    /// While the database fails, the reason is reported, a message is written, and an event is refused. Once it is `repaired`,
    /// all of them are handled.
    async fn assert_reported(&mut self, reason: &str, repaired: impl AsyncFnOnce(&mut Server)) {
        let text = self.text();
        self.harness.say(&text);
        // On a full disk, a small one finds room in the pages that are there.
        let event = status_event(&text, &json!({"externalEventId": "another", "more": long()}), 2);
        assert_eq!(self.harness.post_event(&event).await.0, 503, "{reason}");
        let since = Instant::now();
        while !self.readiness().await.contains(reason) {
            assert!(since.elapsed() < SOON, "{reason:?} is not in {}", self.readiness().await);
            sleep(POLL).await;
        }
        self.bot.wait_for_log(&[reason]).await;
        let check = self.harness.command(&["check"]).await;
        let check = String::from_utf8(check.stdout).unwrap().replace('\n', " ");
        // It writes nothing, so it cannot find a full disk.
        let is_found = reason.split_whitespace().all(|word| check.contains(word));
        assert!(is_found || reason == "disk is full", "{reason:?} is not in {check}");
        for reported in [&self.readiness().await, &check, &self.bot.log()] {
            assert!(!reported.contains(PASSWORD));
        }
        repaired(&mut self.server).await;
        self.harness.alert(&text).await;
        let since = Instant::now();
        while self.harness.post_event(&event).await.0 != 200 {
            assert!(since.elapsed() < SOON, "the event is refused: {}", self.readiness().await);
            sleep(POLL).await;
        }
        self.bot.wait_until_ready().await;
        self.assert_works().await;
    }

    /// Each message paged once.
    async fn assert_each_paged_once(mut self) {
        self.bot.assert_runs();
        self.harness.flush().await;
        assert_eq!(self.harness.pages(), self.texts);
    }

    fn text(&mut self) -> String {
        let text = format!("SIGNL4 pump {} is down", self.texts.len());
        self.texts.push(text.clone());
        text
    }

    /// What `/readyz` answers while the bot is down.
    async fn readiness(&self) -> String {
        let answer = http().get(format!("{}/readyz", self.harness.admin_url())).send().await.unwrap();
        let reported = format!("{} {}", answer.status(), answer.text().await.unwrap());
        if reported.starts_with("503") { reported } else { String::new() }
    }
}

/// Open sessions keep working, and so does the bot, but it cannot open a new connection.
#[tokio::test]
#[ignore = "needs PostgreSQL's programs"]
async fn a_database_that_refuses_the_bot_is_reported_and_the_bot_recovers() {
    let mut fixture = Fixture::new().await;
    for (fails, reason, repairs) in [
        (
            &["ALTER DATABASE bot SET default_transaction_read_only = on"][..],
            "accepts no writes",
            &["ALTER DATABASE bot RESET default_transaction_read_only", END_SESSIONS][..],
        ),
        (
            &["ALTER ROLE bot CONNECTION LIMIT 0"],
            "accepts no more connections",
            &["ALTER ROLE bot CONNECTION LIMIT -1"],
        ),
        (
            &["ALTER ROLE bot PASSWORD 'another'"],
            "refuses the login",
            &["ALTER ROLE bot PASSWORD 'a-database-passw0rd'"],
        ),
        (&["ALTER ROLE bot NOLOGIN"], "refuses the login", &["ALTER ROLE bot LOGIN"]),
        (
            &["ALTER DATABASE bot ALLOW_CONNECTIONS false"],
            "not currently accepting connections",
            &["ALTER DATABASE bot ALLOW_CONNECTIONS true"],
        ),
        (
            &[
                "ALTER DATABASE bot ALLOW_CONNECTIONS false",
                END_SESSIONS,
                "ALTER DATABASE bot RENAME TO away",
            ],
            "does not exist",
            &["ALTER DATABASE away RENAME TO bot", "ALTER DATABASE bot ALLOW_CONNECTIONS true"],
        ),
    ] {
        fixture.server.execute(fails).await;
        if fails.len() == 1 {
            fixture.assert_works().await;
        }
        fixture.server.execute(&[END_SESSIONS]).await;
        fixture.assert_reported(reason, async |server| server.execute(repairs).await).await;
    }
    fixture.assert_each_paged_once().await;
}

/// The other connections go on, so that the store can be read and written.
#[tokio::test]
#[ignore = "needs PostgreSQL's programs"]
async fn without_its_lock_session_the_bot_is_down_until_it_can_reopen_it() {
    const END_SESSION: &str =
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory'";
    let mut fixture = Fixture::new().await;
    fixture.server.execute(&["ALTER ROLE bot CONNECTION LIMIT 0", END_SESSION]).await;
    fixture
        .harness
        .wait_for_readiness(503, "Nothing is sent until this replica again has the database session")
        .await;
    assert!(fixture.readiness().await.contains("accepts no more connections"));
    fixture.server.execute(&["ALTER ROLE bot CONNECTION LIMIT -1"]).await;
    fixture.bot.wait_until_ready().await;
    fixture.assert_works().await;
    fixture.assert_each_paged_once().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL's programs"]
async fn a_restarted_database_server_is_reported_and_the_bot_recovers() {
    let mut fixture = Fixture::new().await;
    fixture.server.stop().await;
    fixture
        .assert_reported("cannot be reached", async |server| {
            server.spawn();
            server.wait_until_up().await;
        })
        .await;
    // In recovery, and it does not come to an end.
    fixture.server.stop().await;
    let [signal, settings] =
        ["standby.signal", "postgresql.auto.conf"].map(|name| fixture.server.path("data").join(name));
    fs::write(&signal, "").unwrap();
    fs::write(&settings, "hot_standby = off").unwrap();
    fixture.server.spawn();
    fixture
        .assert_reported("is starting or stopping", async |server| {
            server.stop().await;
            fs::remove_file(&signal).unwrap();
            fs::write(&settings, "").unwrap();
            server.spawn();
            server.wait_until_up().await;
        })
        .await;
    fixture.assert_each_paged_once().await;
}

/// The standby server takes the address of the primary one, and is promoted later.
#[tokio::test]
#[ignore = "needs PostgreSQL's programs"]
async fn a_failover_to_a_standby_server_loses_nothing() {
    const BEHIND: &str = "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()";
    let mut fixture = Fixture::new().await;
    let mut standby = fixture.server.standby().await;
    let mut primary = fixture.server.administrator().await.unwrap();
    fixture.assert_works().await;
    let since = Instant::now();
    while primary.fetch_one(BEHIND).await.unwrap().get::<i64, _>(0) == 0 {
        assert!(since.elapsed() < SOON, "the standby server is behind");
        sleep(POLL).await;
    }
    fixture.server.kill().await;
    standby.stop().await;
    standby.port = fixture.server.port;
    standby.spawn();
    fixture
        .assert_reported("standby server", async move |server| {
            standby.promote().await;
            *server = standby;
        })
        .await;
    fixture.assert_each_paged_once().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL's programs, and a Linux with user namespaces, to mount a disk"]
async fn a_full_disk_of_the_database_server_is_reported_and_the_bot_recovers() {
    let mount = "mkdir -m 700 DIR/small && mount -t tmpfs -o size=24m,mode=700 tmpfs DIR/small";
    let server = Server::start_with(&[], mount).await;
    let disk = server.path("small");
    let tablespace = format!("CREATE TABLESPACE small LOCATION '{}'", disk.display());
    server.execute(&[&tablespace, CREATE[0], "CREATE DATABASE bot OWNER bot TABLESPACE small"]).await;
    let mut fixture = Fixture::on(server).await;
    let filler = fixture.server.fill_disk(&disk);
    fixture.assert_reported("disk is full", async |_: &mut Server| fs::remove_file(filler).unwrap()).await;
    fixture.assert_each_paged_once().await;
}

/// Certificates of an authority that the test made, for the name `localhost` alone.
#[tokio::test]
#[ignore = "needs PostgreSQL's programs"]
async fn the_servers_certificate_is_verified_as_sslmode_says() {
    let authority = |name: &str| {
        let mut parameters = CertificateParams::new([]).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, name);
        CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
    };
    let (ours, another) = (authority("ours"), authority("another"));
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &ours).unwrap();
    let mut server = Server::start().await;
    let file = |name: &str, pem: String| {
        let path = server.path(name);
        fs::write(&path, pem).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    };
    let (ours, another) = (file("ours.pem", ours.pem()), file("another.pem", another.pem()));
    let (certificate, key) = (file("server.pem", certificate.pem()), file("server.key", key.serialize_pem()));
    let settings = format!("ssl = on\nssl_cert_file = '{certificate}'\nssl_key_file = '{key}'\n");
    fs::write(server.path("data/postgresql.auto.conf"), settings).unwrap();
    server.stop().await;
    server.spawn();
    server.wait_until_up().await;
    // Its lines in pg_hba.conf take encrypted connections alone.
    server.execute(&[CREATE[0], "CREATE DATABASE encrypted OWNER bot"]).await;
    let url = |host: &str, parameters: &str| -> StoreUrl {
        format!("postgres://bot@{host}:{}/encrypted?{parameters}", server.port).parse().unwrap()
    };
    let missing = server.path("missing.pem").display().to_string();
    for (host, parameters, refused) in [
        ("127.0.0.1", "sslmode=require", None),
        ("127.0.0.1", &format!("sslmode=verify-ca&sslrootcert={ours}"), None),
        ("localhost", &format!("sslmode=verify-full&sslrootcert={ours}"), None),
        ("127.0.0.1", &format!("sslmode=verify-full&sslrootcert={ours}"), Some("not valid for name")),
        ("127.0.0.1", &format!("sslmode=verify-ca&sslrootcert={another}"), Some("UnknownIssuer")),
        ("localhost", &format!("sslmode=verify-full&sslrootcert={another}"), Some("UnknownIssuer")),
        ("localhost", "sslmode=verify-full", Some("UnknownIssuer")),
        ("localhost", &format!("sslmode=verify-full&sslrootcert={missing}"), Some("missing.pem")),
        ("127.0.0.1", "sslmode=disable", Some("no encryption")),
    ] {
        let found = Store::inspect(&url(host, parameters)).await;
        let reported = found.as_ref().map_err(ToString::to_string);
        match refused {
            None => assert_eq!(reported, Ok(&Condition::New), "{parameters}"),
            Some(refused) => {
                let reported = reported.unwrap_err();
                assert!(
                    reported.contains(refused) && reported.contains("sslmode"),
                    "{parameters}: {reported}"
                );
            }
        }
    }
    let store =
        Store::open(&url("localhost", &format!("sslmode=verify-full&sslrootcert={ours}"))).await.unwrap();
    assert!(store.receive_event(&signl4::NotificationId::new("e"), b"{}").await.unwrap());
    let sessions = "SELECT count(*), count(*) FILTER (WHERE ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
        WHERE datname = 'encrypted'";
    let sessions = server.administrator().await.unwrap().fetch_one(sessions).await.unwrap();
    let (all, encrypted): (i64, i64) = (sessions.get(0), sessions.get(1));
    assert!(all >= 2 && all == encrypted, "{encrypted} of {all}");
    store.close().await;
}

/// A text that does not compress.
fn long() -> String {
    (0..2_000).map(|_| format!("{:016x}", rand::random::<u64>())).collect()
}

#[tokio::test]
#[ignore = "needs PostgreSQL's programs"]
async fn a_database_whose_encoding_lacks_characters_is_refused() {
    const LATIN: &str =
        "CREATE DATABASE bot OWNER bot ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0";
    let server = Server::start().await;
    server.execute(&[CREATE[0], LATIN]).await;
    let url: StoreUrl = server.url().parse().unwrap();
    let refused = Store::open(&url).await.unwrap_err().to_string();
    assert!(
        refused.contains("encoding is LATIN1") && refused.contains("createdb --encoding=UTF8"),
        "{refused}"
    );
}
