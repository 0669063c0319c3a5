//! Creates `bot.toml` by asking: each answer is tried at once, and the resulting file is valid.
//!
//! | file | subject |
//! | --- | --- |
//! | `interview` | asks for missing values, and tries each answer |
//! | `terminal` | questions to a person |
//! | `rooms_answer` | the rooms in an answer |
//! | `draft` | the text of the file, made from `bot.toml.example` |
//! | `secrets` | the secrets in it, or the files that contain them instead |
//! | `file` | writes all files, readable only as far as needed, completely or not at all |

mod draft;
mod file;
mod interview;
mod rooms_answer;
mod secrets;
mod terminal;

use std::io;
use std::path::PathBuf;

use secrecy::SecretString;

use crate::check::PublicUrl;
use crate::config::ConfigErrors;
use rocketchat::{Credentials, ServerUrl};

pub(crate) use file::{Target, Written};
pub(crate) use interview::interview;
pub(crate) use terminal::Terminal;

/// SIGNL4's logo, at the address that its recipe for Rocket.Chat gives.
/// Source: <https://docs.signl4.com/integrations/rocketchat/rocketchat.html>.
const LOGO: &str = "https://raw.githubusercontent.com/signl4/signl4-logo/refs/heads/main/signl4.png";

/// The answers given by flags and the environment. Everything may be missing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    /// `rocketchat.url`
    pub(crate) url: Option<String>,
    /// `rocketchat.user_id`
    pub(crate) user_id: Option<String>,
    /// `rocketchat.auth_token`
    pub(crate) auth_token: Option<SecretString>,
    /// `rocketchat.username`
    pub(crate) username: Option<String>,
    /// `rocketchat.password`
    pub(crate) password: Option<SecretString>,
    /// `signl4.webhook_url`
    pub(crate) webhook_url: Option<SecretString>,
    /// The rooms of the trigger.
    pub(crate) rooms: Vec<String>,
    /// The address at which SIGNL4 reaches the listener.
    pub(crate) public_url: Option<PublicUrl>,
    /// Whether replies keep the picture of the bot's account.
    pub(crate) no_logo: bool,
}

impl Given {
    /// The missing flags that are required if there is no terminal.
    fn missing(&self) -> Vec<&'static str> {
        let by_password = self.username.is_some() || self.password.is_some();
        let (name, has_name, secret, has_secret) = match by_password {
            true => ("--username", self.username.is_some(), "--password-file", self.password.is_some()),
            false => ("--user-id", self.user_id.is_some(), "--token-file", self.auth_token.is_some()),
        };
        let wanted = [
            ("--url", self.url.is_some()),
            (name, has_name),
            (secret, has_secret),
            ("--webhook-url-file", self.webhook_url.is_some()),
        ];
        wanted.into_iter().filter(|(_, given)| !given).map(|(flag, _)| flag).collect()
    }
}

/// Everything that `bot.toml` needs, and the listener's public address.
pub(crate) struct Answers {
    pub(crate) url: ServerUrl,
    pub(crate) account: Credentials,
    pub(crate) webhook_url: SecretString,
    /// Empty for every room that the bot is in.
    pub(crate) rooms: Vec<String>,
    pub(crate) public_url: Option<PublicUrl>,
    /// Whether replies show SIGNL4's logo.
    pub(crate) logo: bool,
}

/// Why no `bot.toml` was written.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Answers are missing, and there is no terminal to ask on.
    #[error("init: there is no terminal to ask on: also give {0}")]
    Missing(String),
    /// A value is invalid.
    #[error("init: {what}: {why}")]
    Wrong {
        /// The flag or variable.
        what: String,
        /// Why, and how to fix it.
        why: String,
    },
    /// A value was tried and does not work.
    #[error("init: {0}")]
    Tried(String),
    /// A file exists and must not be overwritten.
    #[error("init: {} already exists: choose another place with {flag}, or replace it with --force", .path.display())]
    Exists {
        /// The file.
        path: PathBuf,
        /// The flag that names another place.
        flag: &'static str,
    },
    /// A file cannot be written.
    #[error("init: {} cannot be written ({why}): choose a place that you may write to with {flag}", .path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: io::Error,
        /// The flag that names another place.
        flag: &'static str,
    },
    /// The new file, together with the environment, is not a valid configuration.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The input ended.
    #[error("init: stopped; nothing was written")]
    Stopped,
}

impl SetupError {
    /// Whether the command line or the configuration is wrong, rather than something that was tried.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Missing(_) | Self::Wrong { .. } | Self::Exists { .. } | Self::Config(_))
    }
}
