//! The proxies of the environment apply to REST, to SIGNL4 and to the WebSocket.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::Harness;

/// A small HTTP proxy that records the request lines it receives.
struct Proxy {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// `open` accepts everybody; otherwise a password is required.
    async fn start(open: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let notes = asked.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let notes = notes.clone();
                // If a connection breaks, its clients notice.
                tokio::spawn(async move { pass(client, open, &notes).await.ok() });
            }
        });
        Self { url, asked }
    }

    fn was_asked_for(&self, line: &str) -> bool {
        self.asked.lock().unwrap().iter().any(|asked| asked.starts_with(line))
    }
}

async fn pass(mut client: TcpStream, open: bool, asked: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let line = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
    asked.lock().unwrap().push(line.clone());
    if !open {
        let refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
        return client.write_all(refusal).await;
    }
    let target = line.split_whitespace().nth(1).unwrap_or_default().to_owned();
    let authority = target.trim_start_matches("http://").split('/').next().unwrap_or_default().to_owned();
    let mut server = TcpStream::connect(authority).await?;
    if line.starts_with("CONNECT ") {
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    } else {
        server.write_all(&head).await?;
    }
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let requests = async {
        let mut bytes = [0; 16 * 1024];
        loop {
            let length = from_client.read(&mut bytes).await?;
            if length == 0 {
                return to_server.shutdown().await;
            }
            // Further requests over the same connection, each of which arrives at once.
            let sent = String::from_utf8_lossy(&bytes[..length]);
            asked.lock().unwrap().extend(sent.lines().next().map(str::to_owned));
            to_server.write_all(&bytes[..length]).await?;
        }
    };
    let answers = async {
        tokio::io::copy(&mut from_server, &mut to_client).await?;
        to_client.shutdown().await
    };
    tokio::try_join!(requests, answers).map(drop)
}

#[tokio::test]
async fn all_connections_use_the_proxy_even_after_a_disconnect() {
    let (mut harness, proxy) = (Harness::new().await, Proxy::start(true).await);
    harness.set_variable("HTTP_PROXY", &proxy.url);
    harness.set_variable("NO_PROXY", "");
    let bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 through the proxy");
    let alert = harness.alert("SIGNL4 through the proxy").await;
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    let chat = harness.chat.address();
    assert!(proxy.was_asked_for(&format!("GET http://{chat}/websocket ")));
    assert!(proxy.was_asked_for(&format!("GET http://{chat}/api/v1/")));
    assert!(proxy.was_asked_for(&format!("POST {}", harness.signl4.url())));
    harness.chat.faults().cut_connections();
    bot.wait_for_logs(2, &["the realtime session is online"]).await;
    harness.flush().await;
}

#[tokio::test]
async fn no_proxy_with_an_asterisk_bypasses_the_proxy_for_ip_addresses_too() {
    let (mut harness, proxy) = (Harness::new().await, Proxy::start(false).await);
    harness.set_variable("HTTP_PROXY", &proxy.url);
    harness.set_variable("NO_PROXY", "*");
    let _bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 past the proxy");
    let alert = harness.alert("SIGNL4 past the proxy").await;
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    assert!(proxy.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_proxy_password_with_a_hash_is_reported_and_not_ignored() {
    let mut harness = Harness::new().await;
    harness.set_variable("HTTP_PROXY", "http://me:s3c#ret@127.0.0.1:3128");
    let mut bot = harness.spawn_bot();
    assert!(!bot.wait().await.success());
    let log = bot.log();
    assert!(log.contains("HTTP_PROXY is not the URL of a proxy") && log.contains("%23 for #"), "{log}");
    assert!(!log.contains("s3c"), "{log}");
}

#[tokio::test]
async fn a_proxy_that_wants_a_password_is_named_as_the_reason() {
    let (mut harness, proxy) = (Harness::new().await, Proxy::start(false).await);
    harness.set_variable("HTTP_PROXY", &proxy.url);
    harness.set_variable("NO_PROXY", "");
    let mut bot = harness.spawn_bot();
    bot.wait_for_log(&["no realtime session", "407"]).await;
    bot.assert_runs();
}
