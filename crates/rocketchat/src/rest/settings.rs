//! The server's public settings.

use serde_json::Value;
use url::Url;

use super::{RestClient, RestError};
use crate::wire;

const THREADS: &str = "Threads_enabled";
const SITE_URL: &str = "Site_Url";
const LONGEST_MESSAGE: &str = "Message_MaxAllowedSize";

/// The server's settings that matter for messages. `None` if the server does not report a setting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicSettings {
    /// Whether threads are enabled (`Threads_enabled`). Otherwise a message with a `tmid` is refused.
    pub threads: Option<bool>,
    /// The longest text, in UTF-16 code units (`Message_MaxAllowedSize`).
    pub longest_message: Option<usize>,
    /// The address that people use (`Site_Url`). Only links that begin with it are displayed as quotations.
    pub site_url: Option<Url>,
}

impl RestClient {
    /// The server's settings that matter for messages (`settings.public`).
    ///
    /// Servers before 7.0 ignore `_id` and list all settings.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn public_settings(&self) -> Result<PublicSettings, RestError> {
        let query = [("_id", [THREADS, LONGEST_MESSAGE, SITE_URL].join(",")), ("count", "0".to_owned())];
        let answer = self.get("settings.public", &query).await?;
        let value = |name: &str| {
            let is_named = |setting: &&Value| wire::filled(setting, "_id") == Some(name);
            wire::items(&answer, "settings").iter().find(is_named)?.get("value")
        };
        Ok(PublicSettings {
            threads: value(THREADS).and_then(Value::as_bool),
            longest_message: value(LONGEST_MESSAGE)
                .and_then(Value::as_u64)
                .and_then(|longest| usize::try_from(longest).ok()),
            site_url: value(SITE_URL)
                .and_then(|url| Url::parse(url.as_str()?).ok())
                .filter(|url| matches!(url.scheme(), "http" | "https")),
        })
    }
}
