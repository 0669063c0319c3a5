//! The server's public settings.

use serde_json::Value;

use super::{Call, RestClient, RestError};
use crate::wire;

const THREADS: &str = "Threads_enabled";
const LONGEST_MESSAGE: &str = "Message_MaxAllowedSize";

/// What the server's settings allow for messages. `None` where the server does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Whether there are threads (`Threads_enabled`). Without them a message with a `tmid` is refused.
    pub threads: Option<bool>,
    /// The longest text, in UTF-16 code units (`Message_MaxAllowedSize`).
    pub longest_message: Option<usize>,
}

impl RestClient {
    /// What the server's public settings allow for messages (`settings.public`).
    ///
    /// Servers before 7.0 ignore `_id` and list all settings.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn limits(&self) -> Result<Limits, RestError> {
        let query = [("_id", format!("{THREADS},{LONGEST_MESSAGE}")), ("count", "0".to_owned())];
        let answer = self.call(Call::get("settings.public", &query).listing()).await?;
        let settings =
            answer.get("settings").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let value = |name: &str| {
            let is_named = |setting: &&Value| wire::filled(setting, "_id") == Some(name);
            settings.iter().find(is_named)?.get("value")
        };
        Ok(Limits {
            threads: value(THREADS).and_then(Value::as_bool),
            longest_message: value(LONGEST_MESSAGE)
                .and_then(Value::as_u64)
                .and_then(|longest| usize::try_from(longest).ok()),
        })
    }
}
