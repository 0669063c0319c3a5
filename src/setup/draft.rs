//! The text of `bot.toml`: `bot.toml.example` with the answers in it, so that every key stays explained.

use rand::distr::{Alphanumeric, SampleString};
use secrecy::{ExposeSecret, SecretString};
use toml::Value;

use super::Answers;
use crate::config::Account;

const EXAMPLE: &str = include_str!("../../bot.toml.example");
/// What the example says before its first explanation is of how to fill it in.
const EXPLANATIONS: &str = "# A line such as";
const HEAD: &str = "# signl4-rocketchat: written by `signl4-rocketchat init`. It holds secrets: let nobody but the bot read it. Try it with\n\
                    #\n#     signl4-rocketchat check\n#\n";
/// Characters of the listener's secret: 190 bits.
const SECRET_LENGTH: usize = 32;

/// One key of the example, and what becomes of its line.
struct Change {
    table: &'static str,
    key: &'static str,
    /// `None` turns it into a comment.
    value: Option<Value>,
}

/// The whole file, with a secret of its own for the listener.
pub(crate) fn draft(answers: &Answers) -> SecretString {
    let mut changes = changes(answers);
    let explained = EXAMPLE.find(EXPLANATIONS).map_or(EXAMPLE, |at| &EXAMPLE[at..]);
    let mut table = "";
    let mut text = HEAD.to_owned();
    for line in explained.lines() {
        let bare = line.strip_prefix("# ").unwrap_or(line);
        if bare.starts_with('[') {
            table = bare.split("  #").next().unwrap_or_default().trim().trim_matches(['[', ']']);
        }
        let key = bare.split_once(" = ").map(|(key, _)| key);
        let change = changes.iter().position(|change| change.table == table && Some(change.key) == key);
        match change.map(|at| changes.swap_remove(at)) {
            None => text.push_str(line),
            Some(Change { key, value: Some(value), .. }) => text.push_str(&format!("{key} = {value}")),
            Some(Change { key, value: None, .. }) => text.push_str(&format!("# {key} = \"…\"")),
        }
        text.push('\n');
    }
    SecretString::from(text)
}

fn changes(answers: &Answers) -> Vec<Change> {
    let change = |table, key, value| Change { table, key, value };
    let text = |text: &str| Some(Value::String(text.to_owned()));
    let secret = |secret: &SecretString| text(secret.expose_secret());
    let mut changes = vec![
        change("rocketchat", "url", text(&answers.url.to_string())),
        change("signl4", "webhook_url", secret(&answers.webhook_url)),
        change("listener", "secret", text(&Alphanumeric.sample_string(&mut rand::rng(), SECRET_LENGTH))),
    ];
    match &answers.account {
        Account::Token { user_id, auth_token } => changes.extend([
            change("rocketchat", "user_id", text(user_id.as_str())),
            change("rocketchat", "auth_token", secret(auth_token)),
        ]),
        Account::Password { username, password } => changes.extend([
            change("rocketchat", "user_id", None),
            change("rocketchat", "auth_token", None),
            change("rocketchat", "username", text(username)),
            change("rocketchat", "password", secret(password)),
        ]),
    }
    if !answers.rooms.is_empty() {
        let rooms = answers.rooms.iter().cloned().map(Value::String).collect();
        changes.push(change("trigger", "rooms", Some(Value::Array(rooms))));
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Sources};
    use crate::rocketchat::UserId;

    const NASTY: &str = r##"a "quoted" \ # = 'one'"##;

    fn loaded(account: Account, rooms: &[&str]) -> (String, Config) {
        let answers = Answers {
            url: "https://chat.example.com/sub".parse().unwrap(),
            account,
            webhook_url: "https://connect.signl4.com/webhook/abcdefghij".into(),
            rooms: rooms.iter().map(|room| (*room).to_owned()).collect(),
            public_url: None,
        };
        let text = draft(&answers).expose_secret().to_owned();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bot.toml");
        std::fs::write(&path, &text).unwrap();
        let config = Config::load(&Sources { path: Some(path), env: Vec::new() });
        (text, config.unwrap_or_else(|errors| panic!("{errors}")))
    }

    fn token(token: &str) -> Account {
        Account::Token { user_id: UserId::new("bot-id"), auth_token: token.into() }
    }

    #[test]
    fn every_answer_arrives_whatever_characters_it_has() {
        let (_, config) = loaded(token(NASTY), &["#ops", "net-*"]);
        let Account::Token { user_id, auth_token } = &config.rocketchat.account else {
            panic!("a token was given")
        };
        assert_eq!((user_id.as_str(), auth_token.expose_secret()), ("bot-id", NASTY));
        assert_eq!(config.rocketchat.url.to_string(), "https://chat.example.com/sub");
        let trigger = config.triggers.get("signl4").unwrap();
        let rooms: Vec<String> = trigger.rooms.iter().map(ToString::to_string).collect();
        assert_eq!(rooms, ["#ops", "#net-*"]);
    }

    #[test]
    fn a_password_takes_the_place_of_the_token() {
        let account = Account::Password { username: "signl4.bot".into(), password: NASTY.into() };
        let (_, config) = loaded(account, &[]);
        let Account::Password { username, password } = &config.rocketchat.account else {
            panic!("a password was given")
        };
        assert_eq!((username.as_str(), password.expose_secret()), ("signl4.bot", NASTY));
    }

    #[test]
    fn nothing_is_left_to_fill_in_and_everything_stays_explained() {
        let (text, _) = loaded(token("a-token-of-the-test"), &[]);
        assert!(!text.contains("FILL IN"), "{text}");
        let comments = |text: &str| text.lines().filter(|line| line.starts_with("# ")).count();
        assert!(comments(&text) + 3 > comments(EXAMPLE), "{text}");
    }

    #[test]
    fn no_two_files_have_the_same_secret() {
        let secret =
            || loaded(token("a-token-of-the-test"), &[]).1.listener.secret.expose_secret().to_owned();
        let one = secret();
        assert_eq!(one.len(), SECRET_LENGTH);
        assert_ne!(one, secret());
    }
}
