//! The files that `init` writes, and when it writes none.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use rocketchat::Credentials;
use sandbox::rocketchat::{NewMessage, NewRoom, RestFault};
use secrecy::ExposeSecret;
use signl4_rocketchat::config::{Config, Sources};

use super::fixture::{Fixture, PASSWORD, SOON, free_address, text, wait_until_ready};
use super::terminal::Terminal;

const NO_ENVIRONMENT: Vec<(String, String)> = Vec::new();

fn config(fixture: &Fixture) -> Config {
    let sources = Sources { path: Some(fixture.path("bot.toml")), env: NO_ENVIRONMENT };
    Config::load(&sources).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The only line of output of a program that wrote nothing.
fn refusal(fixture: &Fixture, output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    let names =
        fs::read_dir(fixture.dir()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let toml: Vec<String> = names.filter(|name| name.contains("toml")).collect();
    assert!(toml.is_empty(), "{toml:?}");
    let line = text(&output.stderr);
    assert_eq!(line.lines().count(), 1, "{line}");
    line
}

#[tokio::test]
async fn flags_make_a_file_that_loads_and_that_nobody_else_can_read() {
    let fixture = Fixture::new().await;
    let output = fixture.run(&[fixture.flags(), vec!["--room".into(), "#operations".into()]].concat()).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let mode = fs::metadata(fixture.path("bot.toml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let config = config(&fixture);
    let Credentials::Token { user_id, token: auth_token } = &config.rocketchat.account else {
        panic!("a token was given")
    };
    assert_eq!(
        (user_id.as_str(), auth_token.expose_secret()),
        (fixture.bot.id.as_str(), fixture.token.as_str())
    );
    let trigger = config.triggers.get("signl4").unwrap();
    assert_eq!(trigger.rooms.iter().map(ToString::to_string).collect::<Vec<_>>(), ["#operations"]);
}

#[tokio::test]
async fn without_a_terminal_no_secret_is_printed() {
    let fixture = Fixture::new().await;
    let output = fixture.run(&fixture.flags()).await;
    let said = text(&output.stdout) + &text(&output.stderr);
    let config = config(&fixture);
    for secret in
        [config.listener.secret.expose_secret(), fixture.token.as_str(), fixture.webhook_url.as_str()]
    {
        assert!(!said.contains(secret), "{said}");
    }
    assert!(said.contains("http://<this machine>:8080/signl4/<listener.secret>"), "{said}");
}

#[tokio::test]
async fn init_accepts_a_password_and_leaves_no_login_behind() {
    let fixture = Fixture::new().await;
    let url = fixture.chat.url();
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
    let output = fixture.run(&flags).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let Credentials::Password { username, password } = &config(&fixture).rocketchat.account.clone() else {
        panic!("a password was given")
    };
    assert_eq!((username.as_str(), password.expose_secret()), ("signl4.bot", PASSWORD));
    assert_eq!(
        fixture.chat.tokens(&fixture.bot),
        std::slice::from_ref(&fixture.token),
        "the token made by hand alone"
    );
}

#[tokio::test]
async fn without_a_terminal_all_missing_flags_are_named() {
    let fixture = Fixture::new().await;
    let url = fixture.chat.url();
    let line = refusal(&fixture, &fixture.run(&["init", "--url", &url]).await, 2);
    assert!(line.contains("--user-id, --token-file, --webhook-url-file"), "{line}");
    let line = refusal(&fixture, &fixture.run(&["init", "--username", "signl4.bot"]).await, 2);
    assert!(line.contains("--url, --password-file, --webhook-url-file"), "{line}");
    assert!(fixture.chat.calls().is_empty(), "nothing is tried before");
}

#[tokio::test]
async fn failed_probes_are_reported_and_nothing_is_written() {
    let fixture = Fixture::new().await;
    fixture.chat.revoke_token(&fixture.bot, &fixture.token).unwrap();
    let line = refusal(&fixture, &fixture.run(&fixture.flags()).await, 1);
    assert!(line.contains("account") && line.contains("personal access token"), "{line}");
    assert!(!line.contains(&fixture.token), "{line}");

    fixture.chat.stop().await;
    let line = refusal(&fixture, &fixture.run(&fixture.flags()).await, 1);
    assert!(line.contains("server") && line.contains(&fixture.chat.url()), "{line}");
}

#[tokio::test]
async fn an_invalid_value_is_reported_by_its_flag() {
    let fixture = Fixture::new().await;
    fs::write(fixture.path("webhook"), "https://connect.signl4.com/webhook/").unwrap();
    let line = refusal(&fixture, &fixture.run(&fixture.flags()).await, 2);
    assert!(line.contains("--webhook-url-file") && line.contains("secret"), "{line}");
    fs::remove_file(fixture.path("token")).unwrap();
    let line = refusal(&fixture, &fixture.run(&fixture.flags()).await, 2);
    assert!(line.contains("--token-file") && line.contains("cannot be read"), "{line}");
}

#[tokio::test]
async fn an_existing_file_is_replaced_only_with_force() {
    let fixture = Fixture::new().await;
    fs::write(fixture.path("bot.toml"), "# mine").unwrap();
    let output = fixture.run(&fixture.flags()).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(text(&output.stderr).contains("--force"), "{output:?}");
    assert_eq!(fixture.read("bot.toml"), "# mine");
    assert!(fixture.chat.calls().is_empty(), "nothing is tried before");

    let output = fixture.run(&[fixture.flags(), vec!["--force".into()]].concat()).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(fs::metadata(fixture.path("bot.toml")).unwrap().permissions().mode() & 0o777, 0o600);
    config(&fixture);
}

#[tokio::test]
async fn an_unwritable_output_is_reported_before_any_question() {
    let fixture = Fixture::new().await;
    std::fs::create_dir(fixture.path("directory")).unwrap();
    for arguments in [["--output", "missing/bot.toml"], ["--output", "directory"], ["--secrets-dir", "token"]]
    {
        let more = ["--force".to_owned(), arguments[0].to_owned(), arguments[1].to_owned()];
        let output = fixture.run(&[fixture.flags(), more.to_vec()].concat()).await;
        let line = refusal(&fixture, &output, 1);
        assert!(line.contains(arguments[0]) && line.contains("cannot be written"), "{line}");
        assert!(!line.contains(".bot.toml-"), "the name of the temporary file: {line}");
    }
    assert!(fixture.chat.calls().is_empty(), "nothing is tried before");
    let terminal = Terminal::open(fixture.dir(), &["init", "--output", "missing/bot.toml"], &[]);
    assert_eq!(terminal.end().await, 1);
    assert!(!terminal.shown().contains("address"), "{}", terminal.shown());
}

#[tokio::test]
async fn the_address_of_a_page_leads_to_its_server() {
    for (prefix, page) in
        [("", "home"), ("", "channel/general?msg=x"), ("/chat", "channel/general"), ("", "some/page")]
    {
        let fixture = Fixture::at_prefix(prefix).await;
        let mut flags = fixture.flags();
        flags[2] = format!("{}/{page}", fixture.chat.url()).split_off("http://".len());
        let output = fixture.run(&flags).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(config(&fixture).rocketchat.url.to_string(), fixture.chat.url(), "{page}");
    }
}

#[tokio::test]
async fn an_unknown_room_is_reported_with_the_similar_one() {
    let fixture = Fixture::new().await;
    let line = refusal(
        &fixture,
        &fixture.run(&[fixture.flags(), vec!["--room".into(), "oprations".into()]].concat()).await,
        1,
    );
    assert!(line.contains("no such room") && line.contains("did you mean #operations"), "{line}");
}

#[tokio::test]
async fn an_account_whose_rooms_cannot_be_listed_is_still_accepted() {
    let fixture = Fixture::new().await;
    fixture.chat.faults().rest_always("rooms.get", RestFault::status(502));
    let room = ["--room".to_owned(), "#operations".to_owned()];
    let line = text(&fixture.run(&[fixture.flags(), room.to_vec()].concat()).await.stderr);
    assert!(line.contains("rooms: ") && line.contains("502") && !line.contains("invite"), "{line}");
    assert!(!fixture.path("bot.toml").exists());

    let flags: Vec<String> = fixture.flags().into_iter().skip(1).collect();
    let arguments: Vec<&str> = ["init"].into_iter().chain(flags.iter().map(String::as_str)).collect();
    let terminal = Terminal::open(fixture.dir(), &arguments, &[]);
    terminal.answer("Rooms to watch", "#operations").await;
    terminal.answer("Watch these rooms anyway?", "").await;
    terminal.answer("Rooms to watch", "#operations").await;
    terminal.answer("Watch these rooms anyway?", "y").await;
    terminal.wait_for("address at which SIGNL4").await;
    drop(terminal);

    let output = fixture.run(&fixture.flags()).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stdout).contains("! rooms: "), "{output:?}");
    config(&fixture);
}

#[tokio::test]
async fn the_rooms_in_sight_are_listed_and_the_answer_is_compared_with_them() {
    let fixture = Fixture::new().await;
    for number in 1..=30 {
        fixture.chat.create_room(NewRoom::channel(format!("plant-{number:02}"))).unwrap();
    }
    let night = fixture.chat.create_room(NewRoom::group("night").members([&fixture.alice])).unwrap();
    let asked = |terminal: &str| terminal.matches("Rooms to watch").count();
    let more = ["--public-url", "https://bot.example.com", "--no-logo"].map(str::to_owned);
    let arguments = [fixture.flags(), more.to_vec()].concat();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let terminal = Terminal::open(fixture.dir(), &arguments, &[]);
    terminal.wait_for("The bot is in 1 room: #operations\n").await;
    terminal.wait_for("It can join 30 more public channels: #plant-01, #plant-02").await;
    terminal.wait_for("#plant-20 and 10 more\n").await;
    terminal.answer("Rooms to watch", "oprations; plant-3*").await;
    terminal.wait_for("✗ #oprations: there is no such room").await;
    terminal.wait_for("did you mean #operations?").await;
    terminal.answer("Watch these rooms anyway?", "").await;
    terminal.answer("[oprations; plant-3*]", "operations plant-3* night").await;
    terminal.wait_for("✗ #night: the bot is not in it").await;
    terminal.wait_for("type /invite @signl4.bot in it").await;
    fixture.chat.join(&night, &fixture.bot).unwrap();
    terminal.answer("Watch these rooms anyway?", "n").await;
    terminal.answer("[operations plant-3* night]", "").await;
    terminal.answer("page the person on duty now", "").await;
    terminal.answer("Run the bot now", "").await;
    assert_eq!(terminal.end().await, 0, "{}", terminal.shown());
    assert_eq!(asked(&terminal.shown()), 3, "{}", terminal.shown());
    let config = config(&fixture);
    let rooms = config.triggers.get("signl4").unwrap().rooms.iter().map(ToString::to_string);
    assert_eq!(rooms.collect::<Vec<_>>(), ["#operations", "#plant-3*", "#night"]);
    assert!(config.rocketchat.avatar.is_none());
}

#[tokio::test]
async fn init_can_start_the_bot_which_replies_with_the_logo() {
    let fixture = Fixture::new().await;
    let (listener, admin) = (free_address(), free_address());
    let variables = [("SIGNL4_BOT_LISTENER__BIND", &*listener), ("SIGNL4_BOT_ADMIN__BIND", &*admin)];
    let more = ["--room", "#operations", "--public-url", "https://bot.example.com"].map(str::to_owned);
    let arguments = [fixture.flags(), more.to_vec()].concat();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let terminal = Terminal::open(fixture.dir(), &arguments, &variables);
    terminal.answer("SIGNL4's logo", "maybe").await;
    terminal.answer("SIGNL4's logo", "").await;
    terminal.answer("page the person on duty now", "n").await;
    terminal.answer("Run the bot now", "y").await;
    terminal.wait_for("Ctrl+C stops the bot").await;
    wait_until_ready(&admin).await;
    let secret = config(&fixture).listener.secret.expose_secret().to_owned();
    fixture.signl4.set_outbound_url(&format!("http://{listener}/signl4/{secret}"));
    let message =
        fixture.chat.post(&fixture.room, &fixture.alice, NewMessage::text("SIGNL4 pump 3")).unwrap();
    let alert = fixture.signl4.wait_for_alerts(1, SOON).await.unwrap().remove(0);
    fixture.signl4.acknowledge(&alert.id, "Rene").unwrap();
    let replies = fixture.chat.wait_for_replies(&message, 1, SOON).await.unwrap();
    let avatar = replies[0].avatar.as_deref().unwrap_or_default();
    assert!(avatar.starts_with("https://") && avatar.ends_with("/signl4.png"), "{avatar}");
    terminal.interrupt();
    assert_eq!(terminal.end().await, 0, "{}", terminal.shown());
}

#[tokio::test]
async fn on_a_terminal_wrong_answers_are_asked_for_again() {
    let fixture = Fixture::new().await;
    let terminal = Terminal::open(fixture.dir(), &["init"], &[]);
    terminal.answer("Rocket.Chat's address", "https://chat example").await;
    terminal.wait_for("is not a URL").await;
    terminal.answer("Rocket.Chat's address", &fixture.chat.url()).await;
    terminal.answer("token or with a password", "x").await;
    terminal.answer("token or with a password", "p").await;
    terminal.answer("username", "signl4.bot").await;
    terminal.answer("password (not shown)", "wrong").await;
    terminal.wait_for("✗ account").await;
    terminal.answer("token or with a password", "").await;
    terminal.answer("user ID", &fixture.bot.id).await;
    terminal.answer("token (not shown)", "").await;
    terminal.wait_for("nothing was entered").await;
    terminal.answer("token (not shown)", &fixture.token).await;
    terminal.answer("Rooms to watch", "#operations").await;
    terminal.answer("SIGNL4 portal (not shown)", "m5xk3qv7ty").await;
    terminal.wait_for("perhaps only the secret").await;
    terminal.answer("SIGNL4 portal (not shown)", "https://relay.invalid/webhook/m5xk3qv7ty").await;
    terminal.wait_for("relay.invalid is not SIGNL4").await;
    terminal.answer("Use this URL anyway?", "").await;
    terminal.answer("SIGNL4 portal (not shown)", &fixture.webhook_url).await;
    terminal.answer("address at which SIGNL4", "bot.example.com/").await;
    terminal.answer("SIGNL4's logo", "").await;
    terminal.answer("page the person on duty now", "").await;
    terminal.answer("Run the bot now", "").await;
    assert_eq!(terminal.end().await, 0, "{}", terminal.shown());
    let shown = terminal.shown();
    let config = config(&fixture);
    let secret = config.listener.secret.expose_secret();
    assert!(shown.contains(&format!("https://bot.example.com/signl4/{secret}")), "{shown}");
    assert!(
        !shown.contains(&fixture.token) && !shown.contains(&fixture.webhook_url),
        "typed without being shown: {shown}"
    );
}
