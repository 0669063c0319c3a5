//! The page without a bot: both simulators, a few people and rooms. Ctrl+C stops it.
//!
//! `cargo run -p signl4-rocketchat-sandbox --example page`

use std::error::Error;

use sandbox::DemoServers;
use sandbox::page::{Page, PageOptions};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "tells a person where to look")]
async fn main() -> Result<(), Box<dyn Error>> {
    let servers = DemoServers::start().await?;
    let page = Page::start(PageOptions::default(), servers.chat().clone(), servers.signl4().clone()).await?;
    println!("{}", page.url());
    tokio::signal::ctrl_c().await?;
    Ok(())
}
