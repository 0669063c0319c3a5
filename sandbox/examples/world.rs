//! Both simulators and their page, for a bot that somebody else starts: systemd, or Docker. Prints as one line of JSON what
//! that bot has to be told. Each line on standard input is the URL at which SIGNL4 calls the bot from then on; the end of
//! standard input ends it.

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
