//! What `init` writes, and when it writes nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use secrecy::ExposeSecret;
use signl4_rocketchat::config::{Account, Config, Sources};

use super::scene::{PASSWORD, Scene, text};
use super::terminal::Terminal;

const NO_ENVIRONMENT: Vec<(String, String)> = Vec::new();

fn config(scene: &Scene) -> Config {
    let sources = Sources { path: Some(scene.path("bot.toml")), env: NO_ENVIRONMENT };
    Config::load(&sources).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The one line that a program that wrote nothing ends with.
fn refusal(scene: &Scene, output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    let names =
        fs::read_dir(scene.dir()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let toml: Vec<String> = names.filter(|name| name.contains("toml")).collect();
    assert!(toml.is_empty(), "{toml:?}");
    let line = text(&output.stderr);
    assert_eq!(line.lines().count(), 1, "{line}");
    line
}

#[tokio::test]
async fn flags_make_a_file_that_loads_and_that_nobody_else_can_read() {
    let scene = Scene::set().await;
    let output = scene.run(&[scene.flags(), vec!["--room".into(), "#operations".into()]].concat()).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let mode = fs::metadata(scene.path("bot.toml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let config = config(&scene);
    let Account::Token { user_id, auth_token } = &config.rocketchat.account else {
        panic!("a token was given")
    };
    assert_eq!((user_id.as_str(), auth_token.expose_secret()), (scene.bot.id.as_str(), scene.token.as_str()));
    let trigger = config.triggers.get("signl4").unwrap();
    assert_eq!(trigger.rooms.iter().map(ToString::to_string).collect::<Vec<_>>(), ["#operations"]);
}

#[tokio::test]
async fn without_a_terminal_no_secret_is_printed() {
    let scene = Scene::set().await;
    let output = scene.run(&scene.flags()).await;
    let said = text(&output.stdout) + &text(&output.stderr);
    let config = config(&scene);
    for secret in [config.listener.secret.expose_secret(), scene.token.as_str(), scene.webhook_url.as_str()] {
        assert!(!said.contains(secret), "{said}");
    }
    assert!(said.contains("http://<this machine>:8080/signl4/<listener.secret>"), "{said}");
}

#[tokio::test]
async fn a_password_does_as_well_and_leaves_no_login_behind() {
    let scene = Scene::set().await;
    let url = scene.chat.url();
    let flags = [
        "init",
        "--url",
        &url,
        "--username",
        "signl4.bot",
        "--password-file",
        "password",
        "--webhook-url-file",
        "webhook",
    ];
    let output = scene.run(&flags).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let Account::Password { username, password } = &config(&scene).rocketchat.account.clone() else {
        panic!("a password was given")
    };
    assert_eq!((username.as_str(), password.expose_secret()), ("signl4.bot", PASSWORD));
    assert_eq!(
        scene.chat.tokens(&scene.bot),
        std::slice::from_ref(&scene.token),
        "the token made by hand alone"
    );
}

#[tokio::test]
async fn where_nobody_can_be_asked_everything_that_is_missing_is_named() {
    let scene = Scene::set().await;
    let url = scene.chat.url();
    let line = refusal(&scene, &scene.run(&["init", "--url", &url]).await, 2);
    assert!(line.contains("--user-id, --token-file, --webhook-url-file"), "{line}");
    let line = refusal(&scene, &scene.run(&["init", "--username", "signl4.bot"]).await, 2);
    assert!(line.contains("--url, --password-file, --webhook-url-file"), "{line}");
    assert!(scene.chat.calls().is_empty(), "nothing is tried before");
}

#[tokio::test]
async fn what_does_not_work_is_told_and_nothing_is_written() {
    let scene = Scene::set().await;
    scene.chat.revoke_token(&scene.bot, &scene.token).unwrap();
    let line = refusal(&scene, &scene.run(&scene.flags()).await, 1);
    assert!(line.contains("account") && line.contains("personal access token"), "{line}");
    assert!(!line.contains(&scene.token), "{line}");

    scene.chat.stop().await;
    let line = refusal(&scene, &scene.run(&scene.flags()).await, 1);
    assert!(line.contains("server") && line.contains(&scene.chat.url()), "{line}");
}

#[tokio::test]
async fn what_could_not_stand_in_the_file_is_named_by_its_flag() {
    let scene = Scene::set().await;
    fs::write(scene.path("webhook"), "https://connect.signl4.com/webhook/").unwrap();
    let line = refusal(&scene, &scene.run(&scene.flags()).await, 2);
    assert!(line.contains("--webhook-url-file") && line.contains("secret"), "{line}");
    fs::remove_file(scene.path("token")).unwrap();
    let line = refusal(&scene, &scene.run(&scene.flags()).await, 2);
    assert!(line.contains("--token-file") && line.contains("cannot be read"), "{line}");
}

#[tokio::test]
async fn a_file_that_is_there_is_replaced_only_when_told_so() {
    let scene = Scene::set().await;
    fs::write(scene.path("bot.toml"), "# mine").unwrap();
    let output = scene.run(&scene.flags()).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(text(&output.stderr).contains("--force"), "{output:?}");
    assert_eq!(scene.read("bot.toml"), "# mine");
    assert!(scene.chat.calls().is_empty(), "nothing is tried before");

    let output = scene.run(&[scene.flags(), vec!["--force".into()]].concat()).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(fs::metadata(scene.path("bot.toml")).unwrap().permissions().mode() & 0o777, 0o600);
    config(&scene);
}

#[tokio::test]
async fn on_a_terminal_what_is_wrong_is_asked_for_again() {
    let scene = Scene::set().await;
    let terminal = Terminal::open(scene.dir(), &["init"], &[]);
    terminal.answer("Rocket.Chat's address", "https://chat example").await;
    terminal.wait_for("is not a URL").await;
    terminal.answer("Rocket.Chat's address", &scene.chat.url()).await;
    terminal.answer("with a token or a password", "p").await;
    terminal.answer("username", "signl4.bot").await;
    terminal.answer("password (not shown)", "wrong").await;
    terminal.wait_for("✗ account").await;
    terminal.answer("with a token or a password", "").await;
    terminal.answer("user ID", &scene.bot.id).await;
    terminal.answer("token (not shown)", &scene.token).await;
    terminal.answer("Webhook URL of the SIGNL4 team (not shown)", &scene.webhook_url).await;
    terminal.answer("Rooms to watch", "#operations, alerts-*").await;
    terminal.answer("Address at which SIGNL4", "https://bot.example.com/").await;
    terminal.answer("page the person on duty now", "").await;
    assert_eq!(terminal.end().await, 0, "{}", terminal.shown());
    let shown = terminal.shown();
    let config = config(&scene);
    let secret = config.listener.secret.expose_secret();
    assert!(shown.contains(&format!("https://bot.example.com/signl4/{secret}")), "{shown}");
    assert!(
        !shown.contains(&scene.token) && !shown.contains(&scene.webhook_url),
        "typed without being shown: {shown}"
    );
}
