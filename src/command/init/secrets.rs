//! The secrets of `bot.toml`: inside it, or each in its own file, with the names that
//! `contrib/signl4-rocketchat.service` and `compose.yaml` expect.

use rand::distr::{Alphanumeric, SampleString};
use secrecy::SecretString;

use super::answers::Answers;
use rocketchat::Credentials;

/// Characters of the listener's secret: 190 bits.
const LISTENER_SECRET_LENGTH: usize = 32;

const TOKEN: &str = "rocketchat-token";
const PASSWORD: &str = "rocketchat-password";
const WEBHOOK_URL: &str = "signl4-webhook";
const LISTENER_SECRET: &str = "listener-secret";
/// All names of such files.
pub(super) const FILE_NAMES: [&str; 4] = [TOKEN, PASSWORD, WEBHOOK_URL, LISTENER_SECRET];

/// A secret, its key, and the name of its file.
#[derive(Clone, Debug)]
pub(super) struct Secret {
    /// Its key with its table. The key that names a file instead is the same with `_file` behind it.
    pub(super) key: &'static str,
    /// The name of that file.
    pub(super) file_name: &'static str,
    pub(super) value: SecretString,
}

/// The secrets among the answers, and a new one for the listener.
pub(super) fn secrets(answers: &Answers) -> Vec<Secret> {
    let secret = |key, file_name, value| Secret { key, file_name, value };
    let account = match &answers.account {
        Credentials::Token { token, .. } => secret("rocketchat.auth_token", TOKEN, token.clone()),
        Credentials::Password { password, .. } => secret("rocketchat.password", PASSWORD, password.clone()),
    };
    let listener = Alphanumeric.sample_string(&mut rand::rng(), LISTENER_SECRET_LENGTH);
    vec![
        account,
        secret("signl4.webhook_url", WEBHOOK_URL, answers.webhook_url.clone()),
        secret("listener.secret", LISTENER_SECRET, listener.into()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use rocketchat::UserId;
    use secrecy::ExposeSecret;

    #[test]
    fn no_two_listeners_have_the_same_secret() {
        let answers = Answers {
            url: "https://chat.example.com".parse().unwrap(),
            account: Credentials::Token { user_id: UserId::new("bot-id"), token: "a-token".into() },
            webhook_url: "https://connect.signl4.com/webhook/abcdefghij".into(),
            rooms: Vec::new(),
            public_url: None,
            logo: true,
        };
        let listener = || {
            let made = secrets(&answers).into_iter().find(|secret| secret.file_name == LISTENER_SECRET);
            made.unwrap().value.expose_secret().to_owned()
        };
        let one = listener();
        assert_eq!(one.len(), LISTENER_SECRET_LENGTH);
        assert_ne!(one, listener());
    }
}
