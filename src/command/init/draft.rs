//! The text of `bot.toml`: `bot.toml.example` with the answers filled in, so every key stays explained.

use std::collections::BTreeMap;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use toml::Value;

use super::answers::Answers;
use super::secrets::Secret;
use rocketchat::Credentials;

const EXAMPLE: &str = include_str!("../../../bot.toml.example");
/// SIGNL4's logo, at the address that its recipe for Rocket.Chat gives.
/// Source: <https://docs.signl4.com/integrations/rocketchat/rocketchat.html>.
const LOGO: &str = "https://raw.githubusercontent.com/signl4/signl4-logo/refs/heads/main/signl4.png";
/// The example's text before this explains how to fill it in.
const EXPLANATIONS: &str = "# A line such as";
const HEAD: &str = "# signl4-rocketchat: written by `signl4-rocketchat init`.";
const HOLDS_SECRETS: &str = " It contains secrets: only the bot should be able to read it. Check it with";
const NAMES_FILES: &str = " Its secrets are in the files that it names. Check it with";
const HOW_TO_CHECK: &str = "\n#\n#     signl4-rocketchat check\n#\n";

/// The changed lines of the example, by the key with its table. `None` turns a line into a comment.
type Changes = BTreeMap<String, Option<Value>>;

/// The complete file. With a directory, it names the files of the secrets there instead of containing them.
pub(super) fn draft(answers: &Answers, secrets: &[Secret], directory: Option<&Path>) -> SecretString {
    let mut changes = changes(answers);
    for Secret { key, file_name, value } in secrets {
        let file = directory.map(|directory| text(&directory.join(file_name).to_string_lossy()));
        let inline = file.is_none().then(|| text(value.expose_secret()));
        changes.insert((*key).to_owned(), inline);
        changes.extend(file.map(|file| (format!("{key}_file"), Some(file))));
    }
    let explained = EXAMPLE.find(EXPLANATIONS).map_or(EXAMPLE, |at| &EXAMPLE[at..]);
    let mut table = "";
    let mut output =
        [HEAD, if directory.is_some() { NAMES_FILES } else { HOLDS_SECRETS }, HOW_TO_CHECK].concat();
    for line in explained.lines() {
        let bare = line.strip_prefix("# ").unwrap_or(line);
        if bare.starts_with('[') {
            table = bare.split("  #").next().unwrap_or_default().trim().trim_matches(['[', ']']);
        }
        let key = bare.split_once(" = ").map_or("", |(key, _)| key);
        match changes.remove(&format!("{table}.{key}")) {
            None => output.push_str(line),
            Some(Some(value)) => output.push_str(&format!("{key} = {value}")),
            Some(None) => output.push_str(&format!("# {key} = \"…\"")),
        }
        output.push('\n');
    }
    SecretString::from(output)
}

fn changes(answers: &Answers) -> Changes {
    let mut changes = match &answers.account {
        Credentials::Token { user_id, .. } => vec![("rocketchat.user_id", Some(text(user_id.as_str())))],
        Credentials::Password { username, .. } => vec![
            ("rocketchat.user_id", None),
            ("rocketchat.auth_token", None),
            ("rocketchat.username", Some(text(username))),
        ],
    };
    changes.push(("rocketchat.url", Some(text(&answers.url.to_string()))));
    changes.extend(answers.logo.then(|| ("rocketchat.avatar", Some(text(LOGO)))));
    let rooms = Some(&answers.rooms).filter(|rooms| !rooms.is_empty());
    changes.extend(rooms.map(|rooms| ("trigger.rooms", Some(Value::from(rooms.clone())))));
    changes.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::secrets::secrets;
    use super::*;
    use crate::config::{Config, Sources};
    use rocketchat::UserId;

    const NASTY: &str = r##"a "quoted" \ # = 'one'"##;

    fn loaded(account: Credentials, rooms: &[&str]) -> (String, Config) {
        let answers = Answers {
            url: "https://chat.example.com/sub".parse().unwrap(),
            account,
            webhook_url: "https://connect.signl4.com/webhook/abcdefghij".into(),
            rooms: rooms.iter().map(|room| (*room).to_owned()).collect(),
            public_url: None,
            logo: true,
        };
        let text = draft(&answers, &secrets(&answers), None).expose_secret().to_owned();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bot.toml");
        std::fs::write(&path, &text).unwrap();
        let config = Config::load(&Sources { path: Some(path), env: Vec::new() });
        (text, config.unwrap_or_else(|errors| panic!("{errors}")))
    }

    fn token(token: &str) -> Credentials {
        Credentials::Token { user_id: UserId::new("bot-id"), token: token.into() }
    }

    #[test]
    fn every_answer_is_kept_with_any_characters() {
        let (_, config) = loaded(token(NASTY), &["#ops", "net-*"]);
        let Credentials::Token { user_id, token: auth_token } = &config.rocketchat.account else {
            panic!("a token was given")
        };
        assert_eq!((user_id.as_str(), auth_token.expose_secret()), ("bot-id", NASTY));
        assert_eq!(config.rocketchat.url.to_string(), "https://chat.example.com/sub");
        assert_eq!(config.rocketchat.avatar.unwrap().as_str(), LOGO);
        let trigger = config.triggers.get("signl4").unwrap();
        let rooms: Vec<String> = trigger.rooms.iter().map(ToString::to_string).collect();
        assert_eq!(rooms, ["#ops", "#net-*"]);
    }

    #[test]
    fn a_password_replaces_the_token() {
        let account = Credentials::Password { username: "signl4.bot".into(), password: NASTY.into() };
        let (_, config) = loaded(account, &[]);
        let Credentials::Password { username, password } = &config.rocketchat.account else {
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
}
