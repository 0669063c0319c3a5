//! Asks the bot once a second whether it is ready.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Time between two requests.
const EVERY: Duration = Duration::from_secs(1);
/// Timeout of a request.
const READY_TIMEOUT: Duration = Duration::from_secs(3);

/// The bot's readiness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(super) enum BotState {
    /// No URL is configured.
    Unknown,
    /// It answers that it is ready.
    Ready,
    /// It answers that it is not ready.
    NotReady {
        /// The reasons, as it words them.
        missing: Vec<String>,
    },
    /// It does not answer.
    Away,
}

/// The part of the bot's answer that the page shows.
#[derive(Deserialize)]
struct Readiness {
    #[serde(default)]
    missing: Vec<String>,
}

/// Watches the bot until the page is dropped.
pub(super) struct BotWatch {
    state: watch::Receiver<BotState>,
}

impl BotWatch {
    pub(super) fn start(url: Option<String>, life: CancellationToken) -> Result<Self, reqwest::Error> {
        let Some(url) = url else {
            return Ok(Self { state: watch::Sender::new(BotState::Unknown).subscribe() });
        };
        // Another part of the process may have installed a provider; any works.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Plain HTTP on the loopback needs no certificate authorities.
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

    /// Waits for the next change; forever where no URL is configured.
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
