//! The listening socket, which can be closed and opened again, and connections that can be cut.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::faults::Switches;
use super::router;
use super::shared::Shared;

/// Attempts to bind a port that is still in use, 50 ms apart.
const BIND_ATTEMPTS: u32 = 100;

/// The HTTP server, running or stopped.
#[derive(Debug)]
pub(super) struct Service {
    address: SocketAddr,
    shared: Arc<Shared>,
    running: Mutex<Option<JoinHandle<()>>>,
}

impl Service {
    pub(super) async fn start(shared: Arc<Shared>) -> io::Result<Self> {
        let listener = TcpListener::bind(shared.options.bind).await?;
        let address = listener.local_addr()?;
        let service = Self { address, shared, running: Mutex::new(None) };
        service.serve(listener);
        Ok(service)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Listens on the address it had.
    pub(super) async fn listen(&self) -> io::Result<()> {
        let listener = bind_again(self.address).await?;
        self.serve(listener);
        Ok(())
    }

    /// Stops listening, cuts every connection, and waits until the port is free.
    pub(super) async fn stop(&self) {
        if let Some(task) = self.end() {
            // The task was aborted, so its outcome is of no interest.
            let _ = task.await;
        }
    }

    fn serve(&self, listener: TcpListener) {
        let listener = SwitchedListener {
            address: self.address,
            listener: Some(listener),
            switches: self.shared.faults.watch(),
            shared: Arc::clone(&self.shared),
        };
        let routes = router::routes(Arc::clone(&self.shared));
        let service = routes.into_make_service_with_connect_info::<Peer>();
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, service).await {
                tracing::error!(%error, "the simulated Rocket.Chat stopped serving");
            }
        });
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }

    fn end(&self) -> Option<JoinHandle<()>> {
        let task = self.running.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        task.abort();
        self.shared.faults.cut_connections();
        Some(task)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.end();
    }
}

async fn bind_again(address: SocketAddr) -> io::Result<TcpListener> {
    let mut attempt = 1;
    loop {
        match TcpListener::bind(address).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempt < BIND_ATTEMPTS => {
                attempt += 1;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            outcome => return outcome,
        }
    }
}

/// Accepts or refuses connections as the switches demand.
struct SwitchedListener {
    address: SocketAddr,
    /// `None` while connections are refused.
    listener: Option<TcpListener>,
    switches: watch::Receiver<Switches>,
    shared: Arc<Shared>,
}

impl SwitchedListener {
    /// Waits for a connection; `None` when the switches changed or the connection failed.
    async fn next(&mut self) -> Option<(TcpStream, SocketAddr)> {
        let switches = self.switches.borrow_and_update().clone();
        if switches.refuse_connections {
            self.listener = None;
            // The switches live as long as the shared state that this listener holds.
            let _ = self.switches.changed().await;
            return None;
        }
        if self.listener.is_none() {
            self.listener = bind_again(self.address).await.ok();
        }
        let listener = self.listener.as_ref()?;
        tokio::select! {
            accepted = listener.accept() => accepted.ok().filter(|_| !switches.accept_then_close),
            _ = self.switches.changed() => None,
        }
    }
}

impl axum::serve::Listener for SwitchedListener {
    type Io = CuttableStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (CuttableStream, SocketAddr) {
        loop {
            if let Some((stream, peer)) = self.next().await {
                return (CuttableStream::new(stream, self.shared.faults.connection()), peer);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// The peer of a request, and the token that cuts its connection.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    pub(super) cut: CancellationToken,
}

impl Connected<IncomingStream<'_, SwitchedListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, SwitchedListener>) -> Self {
        Self { address: *stream.remote_addr(), cut: stream.io().cut.clone() }
    }
}

/// A connection that fails on both sides as soon as its token is cancelled.
struct CuttableStream {
    stream: TcpStream,
    cut: CancellationToken,
    cutting: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl CuttableStream {
    fn new(stream: TcpStream, cut: CancellationToken) -> Self {
        Self { stream, cutting: Box::pin(cut.clone().cancelled_owned()), cut }
    }

    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.cutting.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionReset.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for CuttableStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for CuttableStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
