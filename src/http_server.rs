//! The HTTP server of both listeners: accepts connections, with TLS or without, and bounds their number and their heads.
//!
//! Anybody who reaches a listener can open connections and send nothing, or a byte now and then. So if the limit is reached, a
//! new connection evicts one that has no complete request (`connection_limit`). A call that is being answered is never evicted.

mod connection_limit;

use std::{
    future::pending,
    io::ErrorKind,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{Router, extract::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::{JoinSet, yield_now},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::{debug, warn};

use crate::{rate_limited_log::RateLimitedLog, telemetry};
use connection_limit::{Connections, Fate};

/// Maximum size of a request's head in bytes. A real one has a few hundred.
const MAX_HEAD: usize = 16 * 1024;
/// The wait after a failed accept, for example when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// How long calls in progress may take after the server was cancelled.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);
/// Closed connections whose tasks may not have ended yet, before no further one is accepted.
const CLOSING: usize = 64;

/// Limits on connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Open connections.
    pub(crate) connections: usize,
    /// Time limit for a TLS handshake, and then for a request's head.
    pub(crate) begin: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 256, begin: Duration::from_secs(5) }
    }
}

/// The address of a caller. An extension of every request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Performs TLS handshakes; `None` for plain HTTP. Asked for every connection.
pub(crate) type Tls = Box<dyn Fn() -> Option<TlsAcceptor> + Send + Sync>;

/// Shared by all connections.
struct Server {
    /// In logs and metrics: public or admin.
    name: &'static str,
    router: Router,
    tls: Tls,
    limits: Limits,
    cancel: CancellationToken,
    failed_handshakes: RateLimitedLog,
}

/// Serves until cancelled, then finishes calls in progress and closes idle connections.
pub(crate) async fn serve(
    name: &'static str,
    socket: TcpListener,
    router: Router,
    tls: Tls,
    limits: Limits,
    cancel: CancellationToken,
) {
    let failed_handshakes = RateLimitedLog::default();
    let server = Arc::new(Server { name, router, tls, limits, cancel, failed_handshakes });
    let (mut open, mut tasks) = (Connections::default(), JoinSet::new());
    let evictions = RateLimitedLog::default();
    'accepting: loop {
        let accepted = tokio::select! {
            () = server.cancel.cancelled() => break,
            // The hook of `logging` has logged a panic.
            Some(_) = tasks.join_next() => continue,
            accepted = socket.accept(), if tasks.len() < limits.connections + CLOSING => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
            Err(error) => {
                warn!(listener = name, %error, "a connection cannot be accepted");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        while open.count() >= limits.connections {
            if open.evict() {
                telemetry::CONNECTIONS_CLOSED.count(&[("listener", name)]);
                if let Some(times) = evictions.count() {
                    warn!(listener = name, times, from = %peer.ip(), "too many connections; closing those that send no request");
                }
                // What the last connections sent is read before the next one may evict them.
                yield_now().await;
                break;
            }
            // Every one is being answered.
            if server.cancel.run_until_cancelled(tasks.join_next()).await.is_none() {
                break 'accepting;
            }
        }
        let fate = Fate::default();
        let task = tasks.spawn(server.clone().serve(stream, peer, fate.clone()));
        open.add(peer.ip(), fate, task);
    }
    drop(socket);
    while tasks.join_next().await.is_some() {}
}

impl Server {
    async fn serve(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, fate: Fate) {
        let _ = stream.set_nodelay(true);
        let from = peer.ip();
        match (self.tls)() {
            None => self.answer(stream, from, fate).await,
            Some(acceptor) => {
                if let Some(stream) = self.handshake(acceptor, stream, from).await {
                    self.answer(stream, from, fate).await;
                }
            }
        }
    }

    async fn handshake(
        &self,
        acceptor: TlsAcceptor,
        stream: TcpStream,
        from: IpAddr,
    ) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
        let handshake = timeout(self.limits.begin, acceptor.accept(stream));
        let reason = match self.cancel.run_until_cancelled(handshake).await? {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "timed out".to_owned(),
        };
        match self.failed_handshakes.count() {
            Some(times) => warn!(listener = self.name, times, %from, reason, "TLS handshakes failed"),
            None => debug!(listener = self.name, %from, reason, "a TLS handshake failed"),
        }
        None
    }

    async fn answer(&self, stream: impl AsyncRead + AsyncWrite + Unpin, from: IpAddr, fate: Fate) {
        let router = self.router.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            let (router, fate) = (router.clone(), fate.clone());
            async move {
                if !fate.answer() {
                    // The task is being aborted.
                    return pending().await;
                }
                request.extensions_mut().insert(Peer(from));
                router.oneshot(request).await
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // One request for each connection. If idle ones were kept open for a while, a request that is sent just when that time is
            // over would be lost.
            .keep_alive(false)
            .header_read_timeout(self.limits.begin)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.cancel.cancelled() => {
                connection.as_mut().graceful_shutdown();
                timeout(SHUTDOWN_TIMEOUT, connection).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            debug!(listener = self.name, %from, %error, "a connection failed");
        }
    }
}
