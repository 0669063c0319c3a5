//! Logs in and prints every message of every room that the account is in.
//!
//! ```sh
//! cargo run -p rocketchat --example listen -- https://chat.example.com my.bot 'its password'
//! ```

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example")]

use std::sync::Arc;

use rocketchat::realtime::{Realtime, RealtimeEvent, StreamedMessage};
use rocketchat::{Account, Connector, Credentials};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [url, username, password] = args.as_slice() else {
        return Err("usage: listen URL USER PASSWORD".into());
    };
    let credentials =
        Credentials::Password { username: username.clone(), password: password.as_str().into() };
    let account = Arc::new(Account::new(url.parse()?, credentials, Connector::new()?));
    let (sender, mut events) = tokio::sync::mpsc::channel(64);
    let session = tokio::spawn(async move { Realtime::new(account).run(sender, Default::default()).await });
    while let Some(event) = events.recv().await {
        match event {
            RealtimeEvent::Message(StreamedMessage { message, .. }) => {
                println!("{}: {}", message.author.username, message.text)
            }
            event => eprintln!("{event:?}"),
        }
    }
    Ok(session.await?)
}
