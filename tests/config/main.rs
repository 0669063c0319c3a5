//! The configuration: its sources, and the errors about invalid ones.

#![expect(clippy::unwrap_used, reason = "a helper of a test may fail it")]

mod broken;
mod full;
mod kubernetes;
mod nonsense;
mod random;
mod readme;
mod sources;
mod wrong_type;

use std::path::PathBuf;

use signl4_rocketchat::config::{Config, ConfigErrors, Sources};
use tempfile::TempDir;

/// Part of every secret in the files below. The program must never print it.
const SECRET: &str = "s3cret-of-the-tests";

/// A file with every required key, each on its own line.
const SOUND: &str = r#"[rocketchat]
url = "https://chat.example.com"
user_id = "bot-id"
auth_token = "s3cret-of-the-tests"
[signl4]
webhook_url = "https://connect.signl4.com/webhook/s3cret-of-the-tests"
[listener]
secret = "s3cret-of-the-tests"
"#;

/// A directory with a `bot.toml`, and an environment.
struct Setup {
    directory: TempDir,
    env: Vec<(String, String)>,
}

impl Setup {
    fn new(text: &str) -> Self {
        let setup = Self { directory: tempfile::tempdir().unwrap(), env: Vec::new() };
        setup.file("bot.toml", text);
        setup
    }

    /// Writes a file beside `bot.toml`.
    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Sets an environment variable, its name without `SIGNL4_BOT_`.
    fn set(mut self, name: &str, value: &str) -> Self {
        self.env.push((format!("SIGNL4_BOT_{name}"), value.to_owned()));
        self
    }

    fn load(&self) -> Result<Config, ConfigErrors> {
        let path = Some(self.directory.path().join("bot.toml"));
        Config::load(&Sources { path, env: self.env.clone() })
    }

    fn loaded(&self) -> Config {
        self.load().unwrap_or_else(|errors| panic!("{errors}"))
    }

    /// The problems, one line each, without the directory.
    fn complaints(&self) -> Vec<String> {
        let errors = self.load().err().map(|errors| errors.to_string()).unwrap_or_default();
        let directory = format!("{}/", self.directory.path().display());
        errors.lines().map(|line| line.replace(&directory, "")).collect()
    }
}
