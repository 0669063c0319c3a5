//! Single values, judged as if they stood in `bot.toml`: for whoever is setting up. Every refusal is one sentence with
//! the remedy, and repeats no secret.

use std::path::Path;

use secrecy::SecretString;

use super::problem::Fault;
use super::{address, rocketchat, secret, trigger};
use ::rocketchat::ServerUrl;
use signl4::WebhookUrl;

/// `rocketchat.url`
pub(crate) fn server_url(text: &str) -> Result<ServerUrl, String> {
    rocketchat::server_url(text.trim()).map_err(told)
}

/// `rocketchat.user_id` or `rocketchat.username`
pub(crate) fn account_name(text: &str) -> Result<String, String> {
    rocketchat::account_name(text).map_err(told)
}

/// `signl4.webhook_url`
pub(crate) fn webhook_url(secret: &SecretString) -> Result<WebhookUrl, String> {
    address::webhook_url(secret).map_err(told)
}

/// An entry of a trigger's `rooms`
pub(crate) fn room(text: &str) -> Result<String, String> {
    trigger::room_pattern(text).map(|_| text.trim().to_owned()).map_err(told)
}

/// Any secret, as it was typed or stands in the environment.
pub(crate) fn secret(text: String) -> Result<SecretString, String> {
    secret::plausible(&text).map(|()| SecretString::from(text)).map_err(told)
}

/// Any secret, as a file holds it.
pub(crate) fn secret_of_file(path: &Path) -> Result<SecretString, String> {
    secret::read(&path.to_string_lossy()).map_err(told).and_then(secret)
}

fn told(fault: Fault) -> String {
    format!("{}: {}", fault.why, fault.fix)
}
