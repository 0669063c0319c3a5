//! The `bot.toml` in the manifest for Kubernetes works.

use std::fs;

use tempfile::tempdir;

use super::{SECRET, Setup};

const MANIFEST: &str = include_str!("../../contrib/kubernetes/signl4-rocketchat.yaml");

#[test]
fn its_file_loads_with_the_secrets_that_its_comment_names() {
    let file: Vec<&str> = MANIFEST
        .lines()
        .skip_while(|line| !line.ends_with("bot.toml: |"))
        .skip(1)
        .map_while(|line| if line.is_empty() { Some("") } else { line.strip_prefix("    ") })
        .collect();
    let secrets = tempdir().unwrap();
    for (name, secret) in [
        ("rocketchat-token", SECRET.to_owned()),
        ("signl4-webhook", format!("https://connect.signl4.com/webhook/{SECRET}")),
        ("listener-secret", SECRET.to_owned()),
        ("admin-token", SECRET.to_owned()),
        ("store-url", "postgres://user:password@host:5432/database?sslmode=verify-full".to_owned()),
    ] {
        assert!(MANIFEST.contains(&format!("--from-file={name}")), "{name}");
        fs::write(secrets.path().join(name), secret).unwrap();
    }
    let directory = format!("{}/", secrets.path().display());
    Setup::new(&file.join("\n").replace("/run/secrets/signl4-rocketchat/", &directory)).loaded();
}
