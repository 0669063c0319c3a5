//! `init --secrets-dir` writes what the systemd unit and `compose.yaml` expect.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rocketchat::Credentials;
use sandbox::rocketchat::RestFault;
use secrecy::ExposeSecret;
use serde_json::Value;
use signl4_rocketchat::config::{Config, Sources};

use super::fixture::{Fixture, PASSWORD, text};

const UNIT: &str = include_str!("../../contrib/signl4-rocketchat.service");
const COMPOSE: &str = include_str!("../../compose.yaml");
const FILES: [&str; 3] = ["rocketchat-token", "signl4-webhook", "listener-secret"];

fn flags(fixture: &Fixture) -> Vec<String> {
    [fixture.flags(), vec!["--secrets-dir".into(), "secrets".into()]].concat()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn load(path: PathBuf, env: Vec<(String, String)>) -> Config {
    Config::load(&Sources { path: Some(path), env }).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The secret of the account and the one of the listener.
fn secrets(config: &Config) -> (String, String) {
    let account = match &config.rocketchat.account {
        Credentials::Token { token: auth_token, .. } => auth_token,
        Credentials::Password { password, .. } => password,
    };
    (account.expose_secret().to_owned(), config.listener.secret.expose_secret().to_owned())
}

#[tokio::test]
async fn each_secret_is_in_a_private_file_and_none_in_bot_toml() {
    let fixture = Fixture::new().await;
    let output = fixture.run(&flags(&fixture)).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let written = fixture.read("bot.toml");
    assert_eq!((mode(&fixture.path("bot.toml")), mode(&fixture.path("secrets"))), (0o644, 0o700));
    for name in FILES {
        let path = fixture.path("secrets").join(name);
        assert_eq!(mode(&path), 0o600, "{name}");
        let secret = fs::read_to_string(&path).unwrap();
        assert!(!written.contains(secret.trim_end()), "{name}:\n{written}");
        assert!(text(&output.stdout).contains(path.to_str().unwrap()), "{output:?}");
    }
    assert_eq!(fs::read_dir(fixture.path("secrets")).unwrap().count(), FILES.len());
    assert_eq!(fixture.read("secrets/rocketchat-token"), format!("{}\n", fixture.token));
    assert_eq!(fixture.read("secrets/signl4-webhook"), format!("{}\n", fixture.webhook_url));
    let listener = fixture.read("secrets/listener-secret").trim_end().to_owned();
    // The paths are absolute, so it loads wherever the bot is started.
    assert_eq!(secrets(&load(fixture.path("bot.toml"), Vec::new())), (fixture.token.clone(), listener));
}

#[tokio::test]
async fn the_unit_finds_its_credentials_and_the_bot_needs_nothing_but_their_copies() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.run(&flags(&fixture)).await.status.code(), Some(0));
    let before = secrets(&load(fixture.path("bot.toml"), Vec::new()));
    let credentials = fixture.path("credentials");
    fs::create_dir(&credentials).unwrap();
    let loaded = UNIT.lines().filter_map(|line| line.strip_prefix("LoadCredential="));
    let loaded: Vec<&str> = loaded
        .map(|credential| {
            let (name, source) = credential.split_once(':').unwrap();
            let file = source.strip_prefix("/etc/signl4-rocketchat/").unwrap();
            fs::rename(fixture.path("secrets").join(file), credentials.join(name)).unwrap();
            name
        })
        .collect();
    assert_eq!(loaded, FILES);
    let settings = UNIT.lines().filter_map(|line| line.strip_prefix("Environment="));
    let env = settings.map(|setting| {
        let (name, value) = setting.split_once('=').unwrap();
        (name.to_owned(), value.replace("%d", credentials.to_str().unwrap()))
    });
    assert_eq!(secrets(&load(fixture.path("bot.toml"), env.collect())), before);
}

#[tokio::test]
async fn compose_needs_nothing_but_what_init_wrote() {
    let fixture = Fixture::new().await;
    let rooms = ["--room".to_owned(), "#operations".to_owned()];
    assert_eq!(fixture.run(&[flags(&fixture), rooms.to_vec()].concat()).await.status.code(), Some(0));
    // In the container, they are not at the paths that bot.toml has.
    let mounted = fixture.path("run-secrets");
    fs::rename(fixture.path("secrets"), &mounted).unwrap();
    fs::rename(fixture.path("bot.toml"), fixture.path("mounted.toml")).unwrap();
    let lines = COMPOSE.lines().map(str::trim).filter(|line| line.starts_with("SIGNL4_BOT_"));
    let mut env: Vec<(&str, String)> = lines
        .map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name, value.replace("/run/secrets", mounted.to_str().unwrap()))
        })
        .collect();
    let config = env.iter_mut().find(|(name, _)| *name == "SIGNL4_BOT_CONFIG").unwrap();
    assert!(
        COMPOSE.contains(&format!("source: ./bot.toml\n        target: {}\n", config.1)),
        "it is mounted"
    );
    config.1 = fixture.path("mounted.toml").display().to_string();
    for name in FILES {
        assert!(COMPOSE.contains(&format!("file: ./secrets/{name}\n")), "{name}");
    }
    assert!(!COMPOSE.contains("${"), "nothing else has to be set");
    let binds = [("SIGNL4_BOT_LISTENER__BIND", "127.0.0.1:0"), ("SIGNL4_BOT_ADMIN__BIND", "127.0.0.1:0")];
    let variables: Vec<(&str, &str)> =
        env.iter().map(|(name, value)| (*name, value.as_str())).chain(binds).collect();
    let output = fixture.run_with(&variables, &["check", "--json"]).await;
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert_eq!(said["works"], true, "{said:#}");
    let watched = |finding: &&Value| finding["trigger"].is_string();
    let watched: Vec<_> = said["findings"].as_array().unwrap().iter().filter(watched).collect();
    assert!(watched.len() == 1 && watched[0]["subject"] == "#operations", "{said:#}");
}

#[tokio::test]
async fn a_password_has_a_file_of_its_own_which_the_unit_names() {
    let fixture = Fixture::new().await;
    let url = fixture.chat.url();
    let account = ["init", "--url", &url, "--username", "signl4.bot", "--password-file", "password"];
    let more = ["--webhook-url-file", "webhook", "--secrets-dir", "."];
    let output = fixture.run(&[account.as_slice(), &more].concat()).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(fixture.read("rocketchat-password"), format!("{PASSWORD}\n"));
    assert_eq!(secrets(&load(fixture.path("bot.toml"), Vec::new())).0, PASSWORD);
    assert!(UNIT.contains("/etc/signl4-rocketchat/rocketchat-password\n"));
}

#[tokio::test]
async fn no_existing_secret_is_overwritten() {
    let fixture = Fixture::new().await;
    fs::create_dir(fixture.path("secrets")).unwrap();
    fs::write(fixture.path("secrets/listener-secret"), "mine").unwrap();
    let output = fixture.run(&flags(&fixture)).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let line = text(&output.stderr);
    assert!(line.contains("listener-secret") && line.contains("--secrets-dir"), "{line}");
    assert!(fixture.chat.calls().is_empty() && !fixture.path("bot.toml").exists());
    assert_eq!(fixture.read("secrets/listener-secret"), "mine");

    let output = fixture.run(&[flags(&fixture), vec!["--force".into()]].concat()).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(mode(&fixture.path("secrets/listener-secret")), 0o600);
    load(fixture.path("bot.toml"), Vec::new());
}

#[tokio::test]
async fn without_answers_no_directory_is_left_and_one_that_is_also_of_bot_toml_is_created() {
    let fixture = Fixture::new().await;
    let both = ["--secrets-dir", "new", "--output", "new/bot.toml"].map(str::to_owned);
    let flags = [fixture.flags(), both.to_vec()].concat();
    fixture.chat.faults().rest_always("me", RestFault::status(503));
    let output = fixture.run(&flags).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(!fixture.path("new").exists());

    fixture.chat.faults().clear_rest();
    let output = fixture.run(&flags).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    load(fixture.path("new/bot.toml"), Vec::new());
}

#[tokio::test]
async fn if_the_secrets_cannot_be_written_there_is_no_bot_toml() {
    let fixture = Fixture::new().await;
    fs::write(fixture.path("secrets"), "a file").unwrap();
    let output = fixture.run(&flags(&fixture)).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stderr).contains("--secrets-dir"), "{output:?}");
    assert!(!fixture.path("bot.toml").exists());
}
