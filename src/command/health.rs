//! `health`: asks the running bot whether it is ready, for the health check of a container.

use std::{path::PathBuf, time::Duration};

use http_outcome::NoAnswer;
use reqwest::StatusCode;
use secrecy::ExposeSecret;

use super::Failure;
use crate::{
    config::{Admin, Config, Sources},
    health::Readiness,
};
use rocketchat::Connector;

/// Time limit for the call.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Asks the admin listener's `/readyz`.
///
/// # Errors
/// [`Failure::Reported`] if the bot is not ready or does not answer; the reason is printed.
#[expect(clippy::print_stdout, reason = "output of the command")]
pub async fn health(path: Option<PathBuf>) -> Result<(), Failure> {
    let config = Config::load(&Sources::of_process_or_service(path))?;
    let bind = config.admin.bind;
    let (readiness, is_ready) = match ask(&config.admin).await {
        Ok(readiness) => (readiness.to_string(), readiness.ready),
        Err(reason) => (format!("not ready: the bot on {bind} {reason}"), false),
    };
    println!("{readiness}");
    if is_ready { Ok(()) } else { Err(Failure::Reported) }
}

async fn ask(admin: &Admin) -> Result<Readiness, String> {
    let reason = |error: reqwest::Error| format!("does not answer ({})", NoAnswer::from(error));
    let connector = Connector::new(crate::USER_AGENT).map_err(|error| format!("cannot be asked: {error}"))?;
    // The bot runs on this machine, so no proxy is used. The system connects to it at 0.0.0.0 and [::] too.
    let client = connector.client_builder().no_proxy().timeout(TIMEOUT).build().map_err(reason)?;
    let mut request = client.get(format!("http://{}/readyz", admin.bind));
    if let Some(token) = &admin.token {
        request = request.bearer_auth(token.expose_secret());
    }
    let answer = request.send().await.map_err(reason)?;
    match answer.status() {
        StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS => {
            Err("does not accept admin.token; if it was changed, restart the bot".to_owned())
        }
        _ => answer.json().await.map_err(reason),
    }
}
