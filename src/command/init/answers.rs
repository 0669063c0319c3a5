//! What `bot.toml` needs: what was given on the command line, and the complete answers.

use std::path::PathBuf;

use secrecy::SecretString;

use super::wrong_usage;
use crate::check::PublicUrl;
use crate::command::Failure;
use crate::config::values;
use rocketchat::{Credentials, ServerUrl};

/// The answers that need not be asked for. Everything may be missing. Secrets come from files, from the environment, or are typed,
/// because command-line arguments are visible to all users of the machine.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Given {
    /// Rocket.Chat's address, as people open it in the browser.
    #[arg(long, env = "SIGNL4_BOT_ROCKETCHAT__URL")]
    pub(super) url: Option<String>,
    /// The bot's user ID, shown with its personal access token.
    #[arg(long, env = "SIGNL4_BOT_ROCKETCHAT__USER_ID", value_name = "ID")]
    pub(super) user_id: Option<String>,
    /// A file that contains the token and nothing else.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The bot's username, to log in with a password.
    #[arg(long, env = "SIGNL4_BOT_ROCKETCHAT__USERNAME", value_name = "NAME", conflicts_with_all = ["user_id", "token_file"])]
    pub(super) username: Option<String>,
    /// A file that contains the password and nothing else.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["user_id", "token_file"])]
    password_file: Option<PathBuf>,
    /// A file that contains the webhook URL of the SIGNL4 team and nothing else.
    #[arg(long, value_name = "FILE")]
    webhook_url_file: Option<PathBuf>,
    /// A room to watch: a name, a glob, or id:…. May be repeated. By default every room the bot is in.
    #[arg(long = "room", value_name = "ROOM")]
    pub(super) rooms: Vec<String>,
    /// The address at which SIGNL4 reaches the listener, without /signl4/…. Shown, but not written to the file.
    #[arg(long, value_name = "https://bot.example.com")]
    pub(super) public_url: Option<String>,
    /// Post replies with the account's own picture, instead of SIGNL4's logo, which browsers load from githubusercontent.com.
    #[arg(long)]
    pub(super) no_logo: bool,
    #[arg(skip)]
    pub(super) auth_token: Option<SecretString>,
    #[arg(skip)]
    pub(super) password: Option<SecretString>,
    #[arg(skip)]
    pub(super) webhook_url: Option<SecretString>,
}

impl Given {
    /// Reads the secrets.
    pub(super) fn read_secrets(&mut self) -> Result<(), Failure> {
        self.auth_token = secret("--token-file", &self.token_file, "SIGNL4_BOT_ROCKETCHAT__AUTH_TOKEN")?;
        self.password = secret("--password-file", &self.password_file, "SIGNL4_BOT_ROCKETCHAT__PASSWORD")?;
        self.webhook_url =
            secret("--webhook-url-file", &self.webhook_url_file, "SIGNL4_BOT_SIGNL4__WEBHOOK_URL")?;
        Ok(())
    }

    /// The missing flags that are required if there is no terminal.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        let (url, webhook_url) = (self.url.is_some(), self.webhook_url.is_some());
        let account = match self.username.is_some() || self.password.is_some() {
            true => [("--username", self.username.is_some()), ("--password-file", self.password.is_some())],
            false => [("--user-id", self.user_id.is_some()), ("--token-file", self.auth_token.is_some())],
        };
        let wanted = [&[("--url", url)][..], &account, &[("--webhook-url-file", webhook_url)]].concat();
        wanted.into_iter().filter(|(_, given)| !given).map(|(flag, _)| flag).collect()
    }
}

/// A secret from a file, or else from the environment.
fn secret(flag: &str, file: &Option<PathBuf>, variable: &str) -> Result<Option<SecretString>, Failure> {
    let (what, secret) = match (file, std::env::var(variable)) {
        (Some(file), _) => (flag, values::secret_of_file(file)),
        (None, Ok(text)) => (variable, values::secret(&text)),
        (None, Err(_)) => return Ok(None),
    };
    secret.map(Some).map_err(|fault| wrong_usage(format!("{what}: {fault}")))
}

/// Everything that `bot.toml` needs, and the listener's public address.
pub(super) struct Answers {
    pub(super) url: ServerUrl,
    pub(super) account: Credentials,
    pub(super) webhook_url: SecretString,
    /// Empty for every room that the bot is in.
    pub(super) rooms: Vec<String>,
    pub(super) public_url: Option<PublicUrl>,
    /// Whether replies show SIGNL4's logo.
    pub(super) logo: bool,
}
