//! Opens the WebSocket with an HTTP request that the server answers by changing the protocol. The HTTP client of the REST API
//! makes it, so host names, TLS and proxies are handled in one way.

#[cfg(test)]
mod tests;

use http_outcome::{Failure, NoAnswer};
use reqwest::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use reqwest::{StatusCode, Upgraded};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::{client::generate_key, derive_accept_key};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::LostReason;
use crate::{Connector, ServerUrl};

/// Largest accepted frame, in bytes. Servers limit a message's text to some thousand characters; attachments and link
/// previews add to it.
const MAX_FRAME: usize = 16 * 1024 * 1024;
/// How many bytes one read may return. The library zeroes so many before each read, most of which return one frame.
const READ_AT_ONCE: usize = 16 * 1024;

/// An open WebSocket.
pub(super) type Socket = WebSocketStream<Upgraded>;

/// Opens the WebSocket of a server (RFC 6455, 4.1).
pub(super) async fn open(connector: &Connector, server: &ServerUrl) -> Result<Socket, LostReason> {
    let proxied = connector.uses_proxy(server);
    let failed = |error: reqwest::Error| not_opened(error.into(), proxied);
    let key = generate_key();
    let request = connector
        .http
        .get(server.join("websocket"))
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_VERSION, "13")
        .header(SEC_WEBSOCKET_KEY, &key);
    let answer = request.send().await.map_err(failed)?;
    let status = answer.status();
    if status != StatusCode::SWITCHING_PROTOCOLS {
        // Without TLS the proxy sees the request, and the answer may be its own.
        let is_from_proxy = proxied && !server.is_tls();
        let reason = if is_from_proxy { LostReason::Proxy } else { LostReason::Handshake };
        return Err(reason(format!("HTTP {}", status.as_u16())));
    }
    let accepted = derive_accept_key(key.as_bytes());
    if answer.headers().get(SEC_WEBSOCKET_ACCEPT).is_none_or(|accept| *accept != *accepted) {
        return Err(LostReason::Handshake("the answer does not belong to the request".to_owned()));
    }
    let stream = answer.upgrade().await.map_err(failed)?;
    let limits = WebSocketConfig::default().read_buffer_size(READ_AT_ONCE);
    let limits = limits.max_message_size(Some(MAX_FRAME)).max_frame_size(Some(MAX_FRAME));
    Ok(WebSocketStream::from_raw_socket(stream, Role::Client, Some(limits)).await)
}

fn not_opened(NoAnswer { failure, reason }: NoAnswer, proxied: bool) -> LostReason {
    match failure {
        Failure::Tls => LostReason::Tls(reason),
        Failure::Timeout => LostReason::Timeout("connecting"),
        Failure::Broken => LostReason::ClosedByServer(None),
        Failure::Dns | Failure::Refused | Failure::Connect if proxied => LostReason::Proxy(reason),
        Failure::Dns => LostReason::Dns(reason),
        Failure::Refused => LostReason::Refused(reason),
        Failure::Connect => LostReason::Network(reason),
    }
}

/// The reason for an error of an open WebSocket.
pub(super) fn broken(error: &Error) -> LostReason {
    match error {
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => LostReason::ClosedByServer(None),
        Error::Protocol(_) | Error::Capacity(_) | Error::Utf8(_) => LostReason::Protocol(error.to_string()),
        other => LostReason::Network(other.to_string()),
    }
}
