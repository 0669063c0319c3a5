//! Opens the WebSocket: DNS, TCP, proxy, TLS, upgrade, each failure with its own reason.

#[cfg(test)]
mod tests;

use std::io;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::http::header::USER_AGENT;
use tokio_tungstenite::tungstenite::{Error, protocol::WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::{LostReason, proxy};
use crate::{Connector, ServerUrl};

/// Largest accepted frame, in bytes. Servers limit a message's text to some thousand characters; attachments and link
/// previews add to it.
const MAX_FRAME: usize = 16 * 1024 * 1024;
/// How many bytes one read may return. The library zeroes so many before each read, most of which return one frame.
const READ_AT_ONCE: usize = 16 * 1024;
/// How long one of a host's addresses may take before the next is tried.
const TCP_TIMEOUT: Duration = Duration::from_secs(6);

/// What a WebSocket runs over: TCP or TLS, possibly through a proxy.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// An open WebSocket.
pub(super) type Socket = WebSocketStream<Box<dyn Wire>>;

/// Opens the WebSocket of a server. Has no timeout of its own.
pub(super) async fn open(connector: &Connector, server: &ServerUrl) -> Result<Socket, LostReason> {
    let wire = connect(connector, server).await?;
    let wire = if server.is_tls() { encrypt(connector, server.host(), wire).await? } else { wire };
    upgrade(connector, server, wire).await
}

/// The limits of a WebSocket.
pub(super) fn limits() -> WebSocketConfig {
    let limits = WebSocketConfig::default().read_buffer_size(READ_AT_ONCE);
    limits.max_message_size(Some(MAX_FRAME)).max_frame_size(Some(MAX_FRAME))
}

/// A connection to the server's port, direct or through the environment's proxy.
async fn connect(connector: &Connector, server: &ServerUrl) -> Result<Box<dyn Wire>, LostReason> {
    // The proxy rules look only at scheme, host and port.
    let uri =
        server.to_string().parse().map_err(|_| LostReason::Handshake("the URL cannot be used".to_owned()))?;
    let Some(intercept) = connector.proxy_for(&uri) else {
        return Ok(Box::new(tcp(server.host(), server.port()).await?));
    };
    let address = proxy::address(intercept.uri())?;
    let tcp = tcp(&address.host, address.port).await.map_err(|error| LostReason::Proxy(error.to_string()))?;
    let mut wire: Box<dyn Wire> = Box::new(tcp);
    if address.tls {
        wire = encrypt(connector, &address.host, wire).await?;
    }
    proxy::connect(&mut wire, &format!("{}:{}", server.host(), server.port()), &intercept).await?;
    Ok(wire)
}

/// A TCP connection to the first of the host's addresses that accepts.
async fn tcp(host: &str, port: u16) -> Result<TcpStream, LostReason> {
    let addresses =
        lookup_host((unbracketed(host), port)).await.map_err(|error| LostReason::Dns(error.to_string()))?;
    let mut failure = LostReason::Dns("no address".to_owned());
    for address in addresses {
        match timeout(TCP_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Frames are small and should leave at once. Without it they only leave a little later.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => failure = tcp_failed(&error),
            Err(_) => failure = LostReason::Timeout("connecting"),
        }
    }
    Err(failure)
}

fn tcp_failed(error: &io::Error) -> LostReason {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => LostReason::Refused(error.kind().to_string()),
        io::ErrorKind::TimedOut => LostReason::Timeout("connecting"),
        _ => LostReason::Network(error.to_string()),
    }
}

async fn encrypt(
    connector: &Connector,
    host: &str,
    wire: Box<dyn Wire>,
) -> Result<Box<dyn Wire>, LostReason> {
    let name = ServerName::try_from(unbracketed(host).to_owned())
        .map_err(|error| LostReason::Tls(error.to_string()))?;
    let stream = TlsConnector::from(connector.tls())
        .connect(name, wire)
        .await
        .map_err(|error| LostReason::Tls(error.to_string()))?;
    Ok(Box::new(stream))
}

async fn upgrade(
    connector: &Connector,
    server: &ServerUrl,
    wire: Box<dyn Wire>,
) -> Result<Socket, LostReason> {
    let mut request = server.websocket().as_str().into_client_request().map_err(|error| broken(&error))?;
    request.headers_mut().insert(USER_AGENT, connector.user_agent());
    let (socket, _) = client_async_with_config(request, wire, Some(limits()))
        .await
        .map_err(|error| not_upgraded(&error))?;
    Ok(socket)
}

fn not_upgraded(error: &Error) -> LostReason {
    match error {
        Error::Http(response) => LostReason::Handshake(format!("HTTP {}", response.status().as_u16())),
        Error::Protocol(ProtocolError::HandshakeIncomplete) => LostReason::ClosedByServer(None),
        Error::Io(error) if is_closed(error) => LostReason::ClosedByServer(None),
        Error::Io(error) => LostReason::Network(error.to_string()),
        other => LostReason::Handshake(other.to_string()),
    }
}

/// Whether the server closed the connection during the handshake: some accept every connection and drop it if they cannot
/// serve it.
fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

/// The reason for an error of an open WebSocket.
pub(super) fn broken(error: &Error) -> LostReason {
    match error {
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => LostReason::ClosedByServer(None),
        Error::Capacity(CapacityError::MessageTooLong { size, .. }) => {
            LostReason::Protocol(format!("a frame of {size} bytes"))
        }
        Error::Protocol(_) | Error::Capacity(_) | Error::Utf8(_) => LostReason::Protocol(error.to_string()),
        Error::Io(error) => LostReason::Network(error.to_string()),
        other => LostReason::Network(other.to_string()),
    }
}

/// A host without the brackets of an IPv6 address.
fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}
