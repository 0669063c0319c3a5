//! Whether the bot is ready, asked of it once a second.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The pause between two questions.
const EVERY: Duration = Duration::from_secs(1);
/// How long the bot may take to answer.
const READY_TIMEOUT: Duration = Duration::from_secs(3);

/// What is known of the bot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(super) enum BotState {
    /// Nobody said where to ask.
    Unknown,
    /// It can do its work.
    Ready,
    /// It runs, and something is missing.
    NotReady {
        /// What, in its own words.
        missing: Vec<String>,
    },
    /// It does not answer.
    Away,
}

/// The bot's answer; only `missing` matters beside the status.
#[derive(Deserialize)]
struct Readiness {
    #[serde(default)]
    missing: Vec<String>,
}

/// Watches the bot as long as the page lives.
pub(super) struct BotWatch {
    state: watch::Receiver<BotState>,
}

impl BotWatch {
    pub(super) fn start(url: Option<String>, life: CancellationToken) -> Result<Self, reqwest::Error> {
        let Some(url) = url else {
            return Ok(Self { state: watch::Sender::new(BotState::Unknown).subscribe() });
        };
        // Another part of the process may have chosen a provider already; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // As in the simulated SIGNL4: plain http on loopback needs no authorities.
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(READY_TIMEOUT).build()?;
        let (sender, state) = watch::channel(BotState::Away);
        tokio::spawn(life.run_until_cancelled_owned(async move {
            loop {
                let now = ask(&http, &url).await;
                sender.send_if_modified(|known| {
                    let changed = *known != now;
                    *known = now;
                    changed
                });
                tokio::time::sleep(EVERY).await;
            }
        }));
        Ok(Self { state })
    }

    pub(super) fn now(&self) -> BotState {
        self.state.borrow().clone()
    }

    /// Waits for the next change; for ever, if there is nobody to ask.
    pub(super) async fn changed(&mut self) {
        if self.state.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

async fn ask(http: &reqwest::Client, url: &str) -> BotState {
    let Ok(answer) = http.get(url).send().await else {
        return BotState::Away;
    };
    if answer.status().is_success() {
        return BotState::Ready;
    }
    let readiness = answer.json::<Readiness>().await;
    BotState::NotReady { missing: readiness.map(|it| it.missing).unwrap_or_default() }
}
