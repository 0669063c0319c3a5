//! Both simulators and their page, for a bot that systemd or Docker starts. Prints the bot's settings as one line of JSON.
//! Each line on standard input is a new URL for SIGNL4's calls to the bot; the end of standard input stops it.

use std::error::Error;
use std::io::Write;

use sandbox::DemoServers;
use sandbox::page::{Page, PageOptions};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let servers = DemoServers::start().await?;
    let page = Page::start(PageOptions::default(), servers.chat().clone(), servers.signl4().clone()).await?;
    let ready = json!({
        "url": servers.chat_url(),
        "user_id": servers.bot_user_id(),
        "auth_token": servers.bot_token(),
        "webhook_url": servers.webhook_url(),
        "page": page.url(),
    });
    writeln!(std::io::stdout(), "{ready}")?;
    let mut urls = BufReader::new(stdin()).lines();
    while let Some(url) = urls.next_line().await? {
        servers.set_outbound_url(url.trim());
    }
    Ok(())
}
