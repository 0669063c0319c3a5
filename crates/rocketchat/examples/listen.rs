//! Logs in and prints every message of every room that the account is in, and on standard error everything else that happens.
//!
//! ```sh
//! cargo run -p rocketchat --example listen -- https://chat.example.com my.bot 'its password'
//! ```

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example")]

use std::sync::Arc;

use rocketchat::realtime::{Realtime, RealtimeEvent};
use rocketchat::{Account, Connector, Credentials};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [url, username, password] = args.try_into().map_err(|_| "usage: listen URL USERNAME PASSWORD")?;
    let credentials = Credentials::Password { username, password: password.into() };
    let account = Account::new(url.parse()?, credentials, Connector::new("my-bot/1.0")?);
    let (sender, mut events) = tokio::sync::mpsc::channel(64);
    let realtime = Realtime::new(Arc::new(account));
    tokio::spawn(async move { realtime.run(sender, Default::default()).await });
    while let Some(event) = events.recv().await {
        match event {
            RealtimeEvent::Message(it) => println!("{}: {}", it.message.author.username, it.message.text),
            event => eprintln!("{event:?}"),
        }
    }
    Ok(())
}
