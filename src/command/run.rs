//! `run`: runs the bot until a signal stops it.

use std::path::PathBuf;

use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    task::spawn_blocking,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{error, info, warn};

use super::Failure;
use crate::{
    bot::{Bot, Reloader, StartError, Tempo},
    check::unencrypted,
    config::{Config, Sources},
    systemd,
};

/// Runs the bot until SIGINT or SIGTERM. SIGHUP reloads the configuration.
///
/// # Errors
/// When the configuration is wrong, the bot does not start, or one of its parts fails.
pub async fn run(path: Option<PathBuf>, tempo: Tempo) -> Result<(), Failure> {
    let config = Config::load(&Sources::of_process(path.clone()))?;
    let stop = stop_on_signals()?;
    // Registered before anything else: an unhandled SIGHUP ends the process.
    let hangups = listen(SignalKind::hangup())?;
    info!(version = env!("CARGO_PKG_VERSION"), "starting");
    raise_descriptor_limit();
    for insecure in unencrypted_calls(&config).into_iter().chain(config.short_secrets()) {
        warn!("{insecure}");
    }
    let bot = tokio::select! {
        // The start may wait for a locked store.
        () = stop.cancelled() => return Ok(()),
        bot = Bot::start(config, tempo, stop.clone()) => bot?,
    };
    systemd::ready();
    let (refusal, refusals) = watch::channel(String::new());
    let notifying = systemd::notify(bot.view.clone(), refusals);
    let _notifying = AbortOnDropHandle::new(tokio::spawn(notifying));
    let reloading = reload_on(hangups, path, bot.reloader.clone(), refusal);
    let _reloading = AbortOnDropHandle::new(tokio::spawn(reloading));
    Ok(bot.run().await?)
}

/// What the bot calls over http, with a secret that crosses the network unencrypted.
fn unencrypted_calls(config: &Config) -> Vec<String> {
    let chat = &config.rocketchat.url;
    let chat =
        unencrypted(chat.is_tls(), chat.host(), "account's token").map(|it| format!("Rocket.Chat {it}"));
    let webhooks = config.signl4.webhooks().filter_map(|(team, url)| {
        let what = unencrypted(url.is_tls(), url.host(), "team's secret")?;
        Some(format!("the webhook of {team} {what}"))
    });
    chat.into_iter().chain(webhooks).collect()
}

/// Raises the soft limit of open files to the hard one: the soft one is low only for programs that use `select(2)`.
fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        warn!(%error, "the limit of open files cannot be raised");
    }
}

/// Reloads the configuration at every SIGHUP. An invalid one changes nothing; `refusal` then has the reason.
async fn reload_on(
    mut hangups: Signal,
    path: Option<PathBuf>,
    reloader: Reloader,
    refusal: watch::Sender<String>,
) {
    while hangups.recv().await.is_some() {
        info!(signal = "SIGHUP", "reloading the configuration");
        systemd::reloading();
        let (path, reloader) = (path.clone(), reloader.clone());
        let problems = match spawn_blocking(move || reload(path, &reloader)).await {
            Ok(Ok(())) => String::new(),
            Ok(Err(failure)) => failure.to_string(),
            Err(panic) => panic.to_string(),
        };
        for problem in problems.lines() {
            error!("{problem}");
        }
        if !problems.is_empty() {
            error!("the configuration is invalid, so nothing changed");
        }
        refusal.send_replace(problems);
        systemd::ready();
    }
}

fn reload(path: Option<PathBuf>, reloader: &Reloader) -> Result<(), Failure> {
    let config = Config::load(&Sources::of_process(path))?;
    Ok(reloader.reload(config).map_err(StartError::from)?)
}

/// Cancelled at the first SIGINT or SIGTERM.
pub(super) fn stop_on_signals() -> Result<CancellationToken, Failure> {
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        let name = tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        };
        info!(signal = name, "stopping");
        systemd::stopping();
        token.cancel();
    });
    Ok(stop)
}

fn listen(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::Usage(format!("cannot listen for signals: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_to_another_machine_is_warned_of() {
        let warned = |chat: &str, webhook: &str| {
            let toml = format!(
                "[rocketchat]\nurl = {chat:?}\nuser_id = \"u\"\nauth_token = \"t\"\n[signl4]\nwebhook_url = {webhook:?}\n\
                 [listener]\nbind = \"127.0.0.1:8080\"\nsecret = \"a-secret-of-some-length\"\n"
            );
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), toml).unwrap();
            let sources = Sources { path: Some(file.path().to_owned()), env: vec![] };
            unencrypted_calls(&Config::load(&sources).unwrap()).len()
        };
        assert_eq!(warned("http://chat.example.com", "http://signl4.example.com/webhook/abc"), 2);
        assert_eq!(warned("https://chat.example.com", "https://connect.signl4.com/webhook/abc"), 0);
        assert_eq!(warned("http://localhost:3000", "http://127.0.0.1:9/webhook/abc"), 0);
    }
}
