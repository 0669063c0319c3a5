//! `demo`: the real bot between a simulated Rocket.Chat and a simulated SIGNL4, all on loopback, with a web page that shows
//! a chat and a phone.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use rand::distr::{Alphanumeric, SampleString};
use sandbox::DemoServers;
use sandbox::page::{Page, PageOptions};
use tempfile::TempDir;

use super::Failure;
use super::run::stop_on_signals;
use crate::bot::{Bot, Tempo};
use crate::config::{Config, ConfigErrors, Sources};

/// Length of the listener's secret.
const SECRET_LENGTH: usize = 32;
/// The file of the store.
const STORE: &str = "demo.db";

/// Runs the demo until SIGINT or SIGTERM. Port 0 means any free one.
///
/// # Errors
/// When the demo cannot listen on a port, or a part of the bot fails.
#[expect(clippy::print_stdout, reason = "output of the command")]
pub async fn demo(port: u16) -> Result<(), Failure> {
    let stop = stop_on_signals()?;
    let servers = DemoServers::start().await.map_err(failure)?;
    let dir = TempDir::with_prefix("signl4-rocketchat-demo-").map_err(failure)?;
    // Where there is no file, the bot warns that an earlier store may be somewhere else.
    std::fs::write(dir.path().join(STORE), "").map_err(failure)?;
    let secret = Alphanumeric.sample_string(&mut rand::rng(), SECRET_LENGTH);
    let bot = Bot::start(config(&servers, &secret, dir.path())?, Tempo::default(), stop).await?;
    servers.set_outbound_url(&format!("http://{}/signl4/{secret}", bot.listener));
    let options = PageOptions {
        bind: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        bot_url: Some(format!("http://{}/", bot.admin)),
    };
    let page = Page::start(options, servers.chat().clone(), servers.signl4().clone()).await;
    let page = page.map_err(|error| {
        let why = chain(&error);
        Failure::Failed(format!(
            "the demo cannot start: {why}; choose another port with --port, or 0 for any free one"
        ))
    })?;
    println!("The demo is running. Open {} in a browser.", page.url());
    println!("Write a message with SIGNL4 in it, acknowledge the alert on the phone, and watch the thread.");
    println!("The bot's own status page is http://{}/.", bot.admin);
    println!("Ctrl+C ends it. Nothing is kept.");
    Ok(bot.run().await?)
}

/// The configuration for the simulated servers, from variables like those of a container.
fn config(servers: &DemoServers, secret: &str, dir: &Path) -> Result<Config, ConfigErrors> {
    let settings = [
        ("ROCKETCHAT__URL", servers.chat_url()),
        ("ROCKETCHAT__USER_ID", servers.bot_user_id().to_owned()),
        ("ROCKETCHAT__AUTH_TOKEN", servers.bot_token().to_owned()),
        ("SIGNL4__WEBHOOK_URL", servers.webhook_url()),
        ("LISTENER__BIND", "127.0.0.1:0".to_owned()),
        ("LISTENER__SECRET", secret.to_owned()),
        ("ADMIN__BIND", "127.0.0.1:0".to_owned()),
        ("STORE__URL", format!("sqlite://{}", dir.join(STORE).display())),
    ];
    let env = settings.map(|(key, value)| (format!("SIGNL4_BOT_{key}"), value)).into();
    // An empty file, because a bot.toml in the working directory is not meant.
    Config::load(&Sources { path: Some("/dev/null".into()), env })
}

fn failure(error: impl std::error::Error) -> Failure {
    Failure::Failed(format!("the demo cannot start: {}", chain(&error)))
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
