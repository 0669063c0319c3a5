//! What holds for any configuration, template, message and reply. `fuzz/` calls this with bytes of its own making, and `cargo test`
//! with those that it kept. No part of a release.
//!
//! `§` separates the parts of an input.

use std::sync::LazyLock;

use tempfile::TempDir;

use crate::alerting::{RoomPattern, UserPattern, without_mentions};
use crate::config::{Config, Sources};
use crate::logging::is_unsafe;
use crate::store::StoreUrl;
use signl4::WebhookUrl;

pub use crate::alerting::fuzzing::{template, trigger};
pub use crate::bot::fuzzing::reply;
pub use crate::logging::fuzzing::log;

const SECRET: &str = "s3cret-of-the-tests";

/// Keys that contain a secret, each in its table.
const SECRETS: [&str; 9] = [
    "[rocketchat]\nauth_token",
    "[rocketchat]\nauth_token_file",
    "[rocketchat]\npassword",
    "[rocketchat]\npassword_file",
    "[signl4]\nwebhook_url",
    "[signl4]\nwebhook_url_file",
    "[signl4]\napi_key",
    "[listener]\nsecret",
    "[admin]\ntoken",
];

static DIRECTORY: LazyLock<TempDir> = LazyLock::new(|| {
    #[expect(clippy::unwrap_used, reason = "without one there is nothing to try")]
    tempfile::tempdir().unwrap()
});

/// A `bot.toml`. In its first line, a digit names the key that the rest of the line is a value of, with the secret in place of
/// `§`. Lines that begin with `SIGNL4_BOT_` are the environment.
pub fn config(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).replace(SECRET, "");
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let key = first.bytes().next().unwrap_or_default();
    let value = first.trim_start_matches(|c: char| c.is_ascii_digit()).replace('§', SECRET);
    let rest = rest.replace('§', "");
    let env = rest
        .lines()
        .filter(|line| line.starts_with("SIGNL4_BOT_"))
        .filter_map(|line| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())));
    let file: Vec<&str> = rest.lines().filter(|line| !line.starts_with("SIGNL4_BOT_")).collect();
    let file = format!("{} = {value}\n{}", SECRETS[usize::from(key) % SECRETS.len()], file.join("\n"));
    let path = DIRECTORY.path().join("bot.toml");
    assert!(std::fs::write(&path, file).is_ok());
    match Config::load(&Sources { path: Some(path), env: env.collect() }) {
        Ok(config) => assert!(!format!("{config:?}").contains(SECRET), "{config:?}"),
        Err(errors) => {
            let text = errors.to_string();
            assert!(!text.contains(SECRET) && !format!("{errors:?}").contains(SECRET), "{text}");
            assert_eq!(text.lines().count(), errors.problems().len(), "{text:?}");
            assert!(!errors.problems().is_empty());
            for problem in errors.problems() {
                assert!(!problem.why.is_empty() && !problem.fix.is_empty(), "{problem}");
                assert!(!problem.to_string().contains(is_unsafe), "{problem:?}");
            }
        }
    }
}

/// A name of a room or user, or a URL.
pub fn names(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).replace(SECRET, "");
    if let Ok(pattern) = RoomPattern::parse(&text) {
        let shown = pattern.to_string();
        let again = RoomPattern::parse(&shown);
        assert!(again.is_ok_and(|again| again.to_string() == shown), "{shown}");
    }
    if let Some(pattern) = UserPattern::parse(&text) {
        let written = match &pattern {
            UserPattern::Username(name) => format!("@{name}"),
            UserPattern::Id(id) => format!("id:{id}"),
            UserPattern::ShownName(name) => format!("name:{name}"),
        };
        assert_eq!(UserPattern::parse(&written), Some(pattern));
    }
    if let Ok(server) = text.parse::<rocketchat::ServerUrl>() {
        assert_eq!(server.to_string().parse().as_ref(), Ok(&server));
        assert_eq!(server.websocket().as_str().parse().as_ref(), Ok(&server));
        assert!(matches!(server.websocket().scheme(), "ws" | "wss"));
    }
    for (url, shown) in [
        (text.clone(), None),
        (format!("postgres://bot:{SECRET}@{text}"), Some(SECRET)),
        (format!("postgres://bot:{SECRET}{text}@db/bot"), Some(SECRET)),
        (format!("postgres://db/bot?password={SECRET}{text}"), Some(SECRET)),
        (format!("sqlite://{text}"), None),
    ] {
        let hidden = |text: String| assert!(shown.is_none_or(|secret| !text.contains(secret)), "{text}");
        match url.parse::<StoreUrl>() {
            Ok(url) => {
                hidden(format!("{url} {url:?}"));
                assert_eq!(url.path().is_some(), url.to_string().starts_with("sqlite://"));
            }
            Err(error) => hidden(format!("{error} {error:?}")),
        }
    }
    match WebhookUrl::parse(&format!("https://connect.signl4.com/webhook/{SECRET}{text}")) {
        Ok(url) => assert!(!format!("{url:?}").contains(SECRET), "{url:?}"),
        Err(error) => assert!(!format!("{error} {error:?}").contains(SECRET), "{error}"),
    }
    let harmless = without_mentions(&text);
    assert_eq!(harmless.replace('\u{200B}', ""), text.replace('\u{200B}', ""));
    assert_eq!(without_mentions(&harmless).replace('\u{200B}', ""), text.replace('\u{200B}', ""));
}

#[cfg(test)]
mod tests {
    use arbitrary_json::replay;

    #[test]
    fn the_corpus_of_the_fuzzer_passes() {
        replay("config", super::config);
        replay("names", super::names);
        replay("template", super::template);
        replay("trigger", super::trigger);
        replay("reply", super::reply);
        replay("log", super::log);
    }
}
