//! Accepts connections, with TLS or without, and bounds what each may cost.

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
    time::{Instant, sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::{debug, error, warn};

use super::{Access, CALL_TIMEOUT, guests::Guests};
use crate::strangers::Seldom;

/// The most that is read of a call's head, in bytes. A real one has some hundred.
const MAX_HEAD: usize = 16 * 1024;
/// The wait after a connection could not be accepted, as when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// What connections may cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Connections at the same time; further ones wait to be accepted.
    pub(super) connections: usize,
    /// Those of them that one caller from the internet may hold; what it opens beyond is closed at once.
    pub(super) of_one_caller: usize,
    /// How long a TLS handshake may take.
    pub(super) handshake: Duration,
    /// How long a call's head may take, and how long a connection may be idle.
    pub(super) head: Duration,
    /// How long a connection may last, whatever comes over it.
    pub(super) lifetime: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 256,
            of_one_caller: 32,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            lifetime: Duration::from_secs(300),
        }
    }
}

/// The address that a call comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

/// What every connection needs.
struct Hall {
    router: Router,
    access: watch::Receiver<Arc<Access>>,
    bounds: Bounds,
    cancel: CancellationToken,
    failed_handshakes: Seldom,
}

/// Serves until cancelled. Calls under way are finished, idle connections are closed.
pub(super) async fn serve(
    socket: TcpListener,
    router: Router,
    access: watch::Receiver<Arc<Access>>,
    bounds: Bounds,
    cancel: CancellationToken,
) {
    let hall = Hall { router, access, bounds, cancel, failed_handshakes: Seldom::default() };
    let hall = Arc::new(hall);
    let guests = Guests::new(bounds.of_one_caller);
    let turned_away = Seldom::default();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = hall.cancel.cancelled() => break,
            Some(ended) = connections.join_next() => reap(ended),
            accepted = socket.accept(), if connections.len() < bounds.connections => match accepted {
                Ok((stream, peer)) => match guests.enter(peer.ip()) {
                    Some(guest) => {
                        let receiving = hall.clone().receive(stream, peer);
                        connections.spawn(async move {
                            let _guest = guest;
                            receiving.await;
                        });
                    }
                    None => {
                        if let Some(times) = turned_away.happened(Instant::now()) {
                            warn!(times, from = %peer.ip(), "a caller holds too many connections; further ones are closed");
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
        reap(ended);
    }
}

fn reap(ended: Result<(), JoinError>) {
    if let Err(panic) = ended {
        error!(%panic, "a connection of the public listener panicked");
    }
}

impl Hall {
    async fn receive(self: Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        let _ = stream.set_nodelay(true);
        let acceptor = self.access.borrow().acceptor();
        match acceptor {
            None => self.converse(stream, peer).await,
            Some(acceptor) => {
                if let Some(stream) = self.shake_hands(acceptor, stream, peer).await {
                    self.converse(stream, peer).await;
                }
            }
        }
    }

    async fn shake_hands(
        &self,
        acceptor: TlsAcceptor,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
        let shaking = timeout(self.bounds.handshake, acceptor.accept(stream));
        let reason = match self.cancel.run_until_cancelled(shaking).await? {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it took too long".to_owned(),
        };
        let from = peer.ip();
        match self.failed_handshakes.happened(Instant::now()) {
            Some(times) => warn!(times, %from, reason, "TLS handshakes failed"),
            None => debug!(%from, reason, "a TLS handshake failed"),
        }
        None
    }

    async fn converse(&self, stream: impl AsyncRead + AsyncWrite + Unpin, peer: SocketAddr) {
        let router = self.router.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer.ip()));
            router.clone().oneshot(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.bounds.head)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => Some(ended),
            () = self.cancel.cancelled() => None,
            () = sleep(self.bounds.lifetime) => None,
        };
        let ended = match ended {
            Some(ended) => ended,
            None => {
                connection.as_mut().graceful_shutdown();
                timeout(CALL_TIMEOUT, connection).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            debug!(from = %peer.ip(), %error, "a connection of the public listener broke");
        }
    }
}
