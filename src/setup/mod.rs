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

use std::path::PathBuf;

use secrecy::SecretString;

use crate::check::PublicUrl;
use crate::config::{ConfigErrors, values};
use rocketchat::{Credentials, ServerUrl};

pub(crate) use file::{Target, Written};
pub(crate) use interview::interview;
pub(crate) use terminal::Terminal;

/// SIGNL4's logo, at the address that its recipe for Rocket.Chat gives.
/// Source: <https://docs.signl4.com/integrations/rocketchat/rocketchat.html>.
const LOGO: &str = "https://raw.githubusercontent.com/signl4/signl4-logo/refs/heads/main/signl4.png";

/// The answers that need not be asked for. Everything may be missing. Secrets come from files, from the environment, or are typed,
/// because command-line arguments are visible to all users of the machine.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Given {
    /// Rocket.Chat's address, as people open it in the browser.
    #[arg(long, env = "SIGNL4_BOT_ROCKETCHAT__URL")]
    url: Option<String>,
    /// The bot's user ID, shown with its personal access token.
    #[arg(long, env = "SIGNL4_BOT_ROCKETCHAT__USER_ID", value_name = "ID")]
    user_id: Option<String>,
    /// A file that contains the token and nothing else.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The bot's username, to log in with a password.
    #[arg(long, env = "SIGNL4_BOT_ROCKETCHAT__USERNAME", value_name = "NAME", conflicts_with_all = ["user_id", "token_file"])]
    username: Option<String>,
    /// A file that contains the password and nothing else.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["user_id", "token_file"])]
    password_file: Option<PathBuf>,
    /// A file that contains the webhook URL of the SIGNL4 team and nothing else.
    #[arg(long, value_name = "FILE")]
    webhook_url_file: Option<PathBuf>,
    /// A room to watch: a name, a glob, or id:…. May be repeated. By default every room the bot is in.
    #[arg(long = "room", value_name = "ROOM")]
    rooms: Vec<String>,
    /// The address at which SIGNL4 reaches the listener, without /signl4/…. Shown, but not written to the file.
    #[arg(long, value_name = "https://bot.example.com", value_parser = PublicUrl::parse)]
    public_url: Option<PublicUrl>,
    /// Post replies with the account's own picture, instead of SIGNL4's logo, which browsers load from githubusercontent.com.
    #[arg(long)]
    no_logo: bool,
    #[arg(skip)]
    auth_token: Option<SecretString>,
    #[arg(skip)]
    password: Option<SecretString>,
    #[arg(skip)]
    webhook_url: Option<SecretString>,
}

impl Given {
    /// Reads the secrets.
    fn read_secrets(&mut self) -> Result<(), SetupError> {
        self.auth_token = secret("--token-file", &self.token_file, "SIGNL4_BOT_ROCKETCHAT__AUTH_TOKEN")?;
        self.password = secret("--password-file", &self.password_file, "SIGNL4_BOT_ROCKETCHAT__PASSWORD")?;
        self.webhook_url =
            secret("--webhook-url-file", &self.webhook_url_file, "SIGNL4_BOT_SIGNL4__WEBHOOK_URL")?;
        Ok(())
    }

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

/// A secret from a file, or else from the environment.
fn secret(flag: &str, file: &Option<PathBuf>, variable: &str) -> Result<Option<SecretString>, SetupError> {
    let (what, secret) = match (file, std::env::var(variable)) {
        (Some(file), _) => (flag, values::secret_of_file(file)),
        (None, Ok(text)) => (variable, values::secret(&text)),
        (None, Err(_)) => return Ok(None),
    };
    secret.map(Some).map_err(|fault| SetupError::Usage(format!("{what}: {fault}")))
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
    /// The command line is wrong, or names a file that must not be overwritten.
    #[error("init: {0}")]
    Usage(String),
    /// An answer was tried and does not work, a file cannot be written, or the input ended.
    #[error("init: {0}")]
    Failed(String),
    /// The new file, together with the environment, is not a valid configuration.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
}

impl SetupError {
    /// The input ended.
    fn stopped() -> Self {
        Self::Failed("stopped; nothing was written".to_owned())
    }
}
