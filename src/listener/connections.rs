//! Accepts connections, with TLS or without, and limits their number, size and duration.

use std::{
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
    sync::watch,
    task::{JoinError, JoinSet},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::{debug, error, warn};

use super::{Access, CALL_TIMEOUT, connection_limit::ConnectionLimit};
use crate::rate_limited_log::RateLimitedLog;

/// Maximum size of a request's head in bytes. A real one has a few hundred.
const MAX_HEAD: usize = 16 * 1024;
/// The wait after a failed accept, for example when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Limits on connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Open connections; further ones wait to be accepted.
    pub(super) connections: usize,
    /// Open connections of one caller from the internet; further ones are closed at once.
    pub(super) per_caller: usize,
    /// Time limit for a TLS handshake.
    pub(super) handshake: Duration,
    /// Time limit for a request's head, and for an idle connection.
    pub(super) head: Duration,
    /// Maximum duration of a connection.
    pub(super) lifetime: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            per_caller: 32,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            lifetime: Duration::from_secs(300),
        }
    }
}

/// The address of a caller.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

/// Shared by all connections.
struct Server {
    router: Router,
    access: watch::Receiver<Arc<Access>>,
    limits: Limits,
    cancel: CancellationToken,
    failed_handshakes: RateLimitedLog,
}

/// Serves until cancelled, then finishes calls in progress and closes idle connections.
pub(super) async fn serve(
    socket: TcpListener,
    router: Router,
    access: watch::Receiver<Arc<Access>>,
    limits: Limits,
    cancel: CancellationToken,
) {
    let failed_handshakes = RateLimitedLog::default();
    let server = Arc::new(Server { router, access, limits, cancel, failed_handshakes });
    let per_caller = ConnectionLimit::new(limits.per_caller);
    let refusals = RateLimitedLog::default();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = server.cancel.cancelled() => break,
            Some(ended) = connections.join_next() => log_panic(ended),
            accepted = socket.accept(), if connections.len() < limits.connections => match accepted {
                Ok((stream, peer)) => match per_caller.open(peer.ip()) {
                    Some(open) => {
                        let serving = server.clone().serve(stream, peer);
                        connections.spawn(async move {
                            let _open = open;
                            serving.await;
                        });
                    }
                    None => {
                        if let Some(times) = refusals.count() {
                            warn!(times, from = %peer.ip(), "a caller has too many connections; closing further ones");
                        }
                    }
                },
                Err(error) => {
                    warn!(%error, "a connection cannot be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(socket);
    while let Some(ended) = connections.join_next().await {
        log_panic(ended);
    }
}

fn log_panic(ended: Result<(), JoinError>) {
    if let Err(panic) = ended {
        error!(%panic, "a connection of the public listener panicked");
    }
}

impl Server {
    async fn serve(self: Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        let _ = stream.set_nodelay(true);
        let acceptor = self.access.borrow().acceptor();
        match acceptor {
            None => self.answer(stream, peer).await,
            Some(acceptor) => {
                if let Some(stream) = self.handshake(acceptor, stream, peer).await {
                    self.answer(stream, peer).await;
                }
            }
        }
    }

    async fn handshake(
        &self,
        acceptor: TlsAcceptor,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
        let handshake = timeout(self.limits.handshake, acceptor.accept(stream));
        let reason = match self.cancel.run_until_cancelled(handshake).await? {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "timed out".to_owned(),
        };
        let from = peer.ip();
        match self.failed_handshakes.count() {
            Some(times) => warn!(times, %from, reason, "TLS handshakes failed"),
            None => debug!(%from, reason, "a TLS handshake failed"),
        }
        None
    }

    async fn answer(&self, stream: impl AsyncRead + AsyncWrite + Unpin, peer: SocketAddr) {
        let router = self.router.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer.ip()));
            router.clone().oneshot(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => Some(ended),
            () = self.cancel.cancelled() => None,
            () = sleep(self.limits.lifetime) => None,
        };
        let ended = match ended {
            Some(ended) => ended,
            None => {
                connection.as_mut().graceful_shutdown();
                timeout(CALL_TIMEOUT, connection).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            debug!(from = %peer.ip(), %error, "a connection of the public listener failed");
        }
    }
}
