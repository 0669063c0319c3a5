//! Both simulators and their page, for a bot that systemd or Docker starts. Prints the bot's settings as one line of JSON.
//! Each line on standard input is a new URL for SIGNL4's calls to the bot; the end of standard input stops it.

use std::error::Error;
use std::io::Write;

use sandbox::DemoWorld;
use sandbox::page::{Page, PageOptions};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let world = DemoWorld::start().await?;
    let page = Page::start(PageOptions::default(), world.chat().clone(), world.signl4().clone()).await?;
    let ready = json!({
        "url": world.chat_url(),
        "user_id": world.bot_user_id(),
        "auth_token": world.bot_token(),
        "webhook_url": world.webhook_url(),
        "page": page.url(),
    });
    writeln!(std::io::stdout(), "{ready}")?;
    let mut urls = BufReader::new(stdin()).lines();
    while let Some(url) = urls.next_line().await? {
        world.set_outbound_url(url.trim());
    }
    Ok(())
}
