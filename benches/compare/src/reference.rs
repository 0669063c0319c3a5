//! What the bot is compared with, in Rust: loops around a WebSocket that do less than any bot must.

use futures_util::{SinkExt, StreamExt};
use regex::Regex;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Reads frames and drops them.
pub async fn bare(url: &str) -> Result<(), tungstenite::Error> {
    let mut socket = subscribed(url).await?;
    while socket.next().await.transpose()?.is_some() {}
    Ok(())
}

/// Decodes frames whole and looks for one pattern in the text of each message.
pub async fn value(url: &str, pattern: &Regex) -> Result<(), tungstenite::Error> {
    let mut socket = subscribed(url).await?;
    while let Some(message) = socket.next().await.transpose()? {
        let Message::Text(text) = message else { continue };
        let Ok(frame) = serde_json::from_str::<Value>(&text) else { continue };
        let is_match = frame["fields"]["args"][0]["msg"].as_str().is_some_and(|text| pattern.is_match(text));
        if is_match {
            let seen = json!({ "msg": "method", "method": "seen", "id": "3", "params": [] });
            socket.send(Message::text(seen.to_string())).await?;
        }
    }
    Ok(())
}

async fn subscribed(url: &str) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, tungstenite::Error> {
    let url = format!("{}/websocket", url.replacen("http", "ws", 1));
    let (mut socket, _) = connect_async(url).await?;
    for frame in [
        json!({ "msg": "connect", "version": "1", "support": ["1"] }),
        json!({ "msg": "sub", "id": "2", "name": "stream-room-messages", "params": ["__my_messages__", false] }),
    ] {
        socket.send(Message::text(frame.to_string())).await?;
    }
    Ok(socket)
}
