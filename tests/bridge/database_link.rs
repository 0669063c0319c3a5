//! A replica's way to PostgreSQL, which a test can cut.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::watch;
use url::Url;

/// What happens to the connections between a replica and the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    Up,
    /// Nothing gets through, and neither side notices.
    Frozen,
    /// Every connection is closed, and no new one is accepted.
    Refused,
}

/// A database of its own, and a replica's way to it.
pub struct Database {
    pub url: Url,
    pub link: watch::Sender<Link>,
}

impl Database {
    /// Creates an empty one on the server of `SIGNL4_TEST_POSTGRES`.
    pub async fn create() -> Url {
        let server = std::env::var("SIGNL4_TEST_POSTGRES").unwrap();
        let name = format!("replicas_{:016x}", rand::random::<u64>());
        let mut connection = PgConnection::connect(&server).await.unwrap();
        connection.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
        let mut url = Url::parse(&server).unwrap();
        url.set_path(&name);
        url
    }

    /// A way to it that can be cut.
    pub async fn through_a_link(server: &Url) -> Self {
        Self::at(server, IpAddr::from(Ipv4Addr::LOCALHOST)).await
    }

    /// The same at this address.
    pub async fn at(server: &Url, address: IpAddr) -> Self {
        let argument = |wanted| server.query_pairs().find(|(name, _)| name == wanted).unwrap().1.into_owned();
        let socket = PathBuf::from(argument("host")).join(".s.PGSQL.5432");
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (user, path) = (argument("user"), server.path());
        let url = Url::parse(&format!("postgres://{user}@{address}{path}?sslmode=disable")).unwrap();
        let link = watch::Sender::new(Link::Up);
        tokio::spawn(accept(listener, socket, link.clone()));
        Self { url, link }
    }
}

async fn accept(listener: TcpListener, server: PathBuf, link: watch::Sender<Link>) {
    while let Ok((client, _)) = listener.accept().await {
        if *link.borrow() == Link::Refused {
            continue;
        }
        let Ok(upstream) = UnixStream::connect(&server).await else { continue };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = upstream.into_split();
        tokio::spawn(pump(from_client, to_server, link.subscribe()));
        tokio::spawn(pump(from_server, to_client, link.subscribe()));
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut link: watch::Receiver<Link>,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read.unwrap_or(0),
            _ = link.wait_for(|link| *link == Link::Refused) => 0,
        };
        let is_up = link.wait_for(|link| *link != Link::Frozen).await.is_ok_and(|link| *link == Link::Up);
        if read == 0 || !is_up || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

/// Ends all sessions of a database, as a restart of its server does.
pub async fn end_all_sessions(database: &Url) {
    let mut server = PgConnection::connect(database.as_str()).await.unwrap();
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    server.execute(others).await.unwrap();
}
