//! `run`: the bot, until a signal stops it.

use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::Failure;
use crate::{
    bot::{Bot, Tempo},
    config::{Config, Sources},
};

/// Runs the bot until SIGINT or SIGTERM.
///
/// # Errors
/// When the configuration is wrong, the bot does not start, or it cannot go on.
pub async fn run(path: Option<PathBuf>) -> Result<(), Failure> {
    let config = Config::load(&Sources::of_process(path))?;
    let stop = stop_on_signals()?;
    let bot = Bot::start(config, Tempo::default()).await?;
    let stopper = bot.stopper();
    tokio::spawn(async move {
        stop.cancelled().await;
        stopper.cancel();
    });
    Ok(bot.run().await?)
}

/// Cancelled at the first SIGINT or SIGTERM.
pub(super) fn stop_on_signals() -> Result<CancellationToken, Failure> {
    let listen =
        |kind| signal(kind).map_err(|error| Failure::Usage(format!("cannot listen for signals: {error}")));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        let name = tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        };
        info!(signal = name, "stopping");
        token.cancel();
    });
    Ok(stop)
}
