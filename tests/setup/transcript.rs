//! `docs/transcript.md` shows what really happens. To write it again:
//! `WRITE_TRANSCRIPT=1 cargo test --test setup transcript`

use std::fs;
use std::time::Duration;

use regex::Regex;
use sandbox::rocketchat::{Message, NewMessage};
use secrecy::ExposeSecret;
use signl4_rocketchat::config::{Config, Sources};

use super::fixture::{Fixture, free_address, wait_until_ready};
use super::terminal::Terminal;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/transcript.md");
const SOON: Duration = Duration::from_secs(60);

const INTRODUCTION: &str = "\
# A setup from scratch

What an administrator sees from the first command to the first reply, with the simulated Rocket.Chat and SIGNL4 that come with
this program. A test generates this file (`tests/setup/transcript.rs`) and fails when it is outdated. Addresses, IDs and secrets
are replaced; hidden input is not shown.

";

#[tokio::test]
async fn the_transcript_shows_what_happens() {
    let fixture = Fixture::new().await;
    let (listener, admin) = (free_address(), free_address());
    let variables = [("SIGNL4_BOT_LISTENER__BIND", &*listener), ("SIGNL4_BOT_ADMIN__BIND", &*admin)];
    let open = |command: &str| Terminal::open(fixture.dir(), &[command], &variables);

    let init = open("init");
    init.answer("Rocket.Chat's address", &fixture.chat.url()).await;
    init.answer("token or with a password", "").await;
    init.answer("user ID", &fixture.bot.id).await;
    init.answer("token (not shown)", &fixture.token).await;
    init.answer("Rooms to watch", "operations").await;
    init.answer("SIGNL4 portal (not shown)", &fixture.webhook_url).await;
    init.answer("address at which SIGNL4", &format!("http://{listener}")).await;
    init.answer("SIGNL4's logo", "").await;
    init.answer("page the person on duty now", "").await;
    init.answer("Run the bot now", "").await;
    assert_eq!(init.end().await, 0, "{}", init.shown());

    let check = open("check");
    assert_eq!(check.end().await, 0, "{}", check.shown());

    let secret = secret(&fixture);
    fixture.signl4.set_outbound_url(&format!("http://{listener}/signl4/{secret}"));
    let run = open("run");
    let (message, thread) = raise_and_close(&fixture, &admin).await;
    run.interrupt();
    assert_eq!(run.end().await, 0, "{}", run.shown());

    let reported = format!(
        "{INTRODUCTION}## Set up\n\n{}## Check\n\n{}## Run\n\n```console\n$ signl4-rocketchat run\n```\n\n\
         It logs in and listens. Now somebody writes in #operations, Rene's phone rings, and he acknowledges, writes a note and\n\
         closes. The chat then looks like this (the emoji is the bot's reaction: the alert was sent):\n\n{}",
        block("init", &init.shown()),
        block("check", &check.shown()),
        shown(&fixture, &message, &thread),
    );
    compare_with_file(&clean(
        reported,
        &fixture,
        &[(&listener, "127.0.0.1:8080"), (&admin, "127.0.0.1:9090"), (&secret, "Zq3…")],
    ));
}

/// A message, its alert, and all replies in its thread.
async fn raise_and_close(fixture: &Fixture, admin: &str) -> (Message, Vec<Message>) {
    wait_until_ready(admin).await;
    let text = NewMessage::text("SIGNL4 pump 3 is down");
    let message = fixture.chat.post(&fixture.room, &fixture.alice, text).unwrap();
    let alert = fixture.signl4.wait_for_alerts(1, SOON).await.unwrap().remove(0);
    fixture.chat.wait_for_reaction(&message, ":rotating_light:", SOON).await.unwrap();
    fixture.signl4.acknowledge(&alert.id, "Rene").unwrap();
    fixture.chat.wait_for_replies(&message, 1, SOON).await.unwrap();
    fixture.signl4.annotate(&alert.id, "Rene", "On my way, ten minutes").unwrap();
    fixture.chat.wait_for_replies(&message, 2, SOON).await.unwrap();
    fixture.signl4.close(&alert.id, "Rene").unwrap();
    let thread = fixture.chat.wait_for_replies(&message, 3, SOON).await.unwrap();
    (message, thread)
}

fn secret(fixture: &Fixture) -> String {
    let sources = Sources { path: Some(fixture.path("bot.toml")), env: Vec::new() };
    Config::load(&sources).unwrap().listener.secret.expose_secret().to_owned()
}

fn block(command: &str, shown: &str) -> String {
    format!("```console\n$ signl4-rocketchat {command}\n{}\n```\n\n", shown.trim_end())
}

fn shown(fixture: &Fixture, message: &Message, thread: &[Message]) -> String {
    let reaction = fixture.chat.message(message).unwrap().reacted_with(":rotating_light:").len();
    assert_eq!(reaction, 1);
    let replies: String = thread.iter().map(|reply| format!("  └ SIGNL4  {}\n", reply.text)).collect();
    format!("```\n#operations\n  anna      {}   🚨\n{replies}```\n", message.text)
}

/// The text, with everything that differs between runs replaced.
fn clean(mut text: String, fixture: &Fixture, more: &[(&str, &str)]) -> String {
    let (chat, dir) = (fixture.chat.url(), fixture.dir().canonicalize().unwrap().display().to_string());
    let fixed = [
        (chat.as_str(), "http://127.0.0.1:3000"),
        (dir.as_str(), "/home/admin"),
        (fixture.bot.id.as_str(), "aobEdbYhXfu5hkeqG"),
    ];
    for (from, to) in more.iter().copied().chain(fixed) {
        text = text.replace(from, to);
    }
    for secret in [&fixture.token, &fixture.webhook_url] {
        assert!(!text.contains(secret.as_str()), "a secret:\n{text}");
    }
    Regex::new(r"[ \t]+\n").unwrap().replace_all(&text, "\n").into_owned()
}

fn compare_with_file(text: &str) {
    if std::env::var_os("WRITE_TRANSCRIPT").is_some() {
        fs::write(FILE, text).unwrap();
    }
    let kept = fs::read_to_string(FILE).unwrap_or_default();
    assert_eq!(kept, text, "write it again: WRITE_TRANSCRIPT=1 cargo test --test setup transcript");
}
