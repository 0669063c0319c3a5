//! What is known before anything is asked, and what is known in the end.

use secrecy::SecretString;

use crate::check::PublicUrl;
use crate::config::Account;
use rocketchat::ServerUrl;

/// What the flags and the environment say. Everything may be missing.
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
    /// Where SIGNL4 reaches the listener.
    pub(crate) public_url: Option<PublicUrl>,
}

impl Given {
    /// The flags that have to be given where nobody can be asked.
    pub(super) fn missing(&self) -> Vec<&'static str> {
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

/// All that `bot.toml` has to say, and where SIGNL4 reaches the bot.
pub(crate) struct Answers {
    pub(crate) url: ServerUrl,
    pub(crate) account: Account,
    pub(crate) webhook_url: SecretString,
    /// Empty for every room the bot is in.
    pub(crate) rooms: Vec<String>,
    pub(crate) public_url: Option<PublicUrl>,
}
