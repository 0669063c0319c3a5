//! The program as administrators see it: its exit codes and its output.

#![expect(clippy::unwrap_used, reason = "a helper of a test may fail it")]

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Output, Stdio},
};

use signl4_rocketchat::store::{Store, StoreUrl};

const SECRET: &str = "s3cret-of-the-tests";

const SOUND: &str = r##"[rocketchat]
url = "https://chat.example.com"
user_id = "bot-id"
auth_token = "s3cret-of-the-tests"

[signl4]
webhook_url = "https://connect.signl4.com/webhook/s3cret-of-the-tests"

[listener]
secret = "s3cret-of-the-tests"
"##;

const TRIGGERS: &str = r##"
[[signl4.team]]
name = "network"
webhook_url = "https://connect.signl4.com/webhook/s3cret-of-the-tests"

[[trigger]]
name = "pumps"
pattern = '(?i)\bpump (?<pump>\d+)'
rooms = ["#ops", "id:ROOM1"]
cooldown = "5m"
title = "Pump {{ pump }}"
fields = { Severity = "high" }

[[trigger]]
name = "routers"
pattern = 'router'
rooms = ["net-*"]
users = ["zabbix"]
team = "network"

[[trigger]]
name = "everything"
pattern = 'SIGNL4|pump'
external_id = "{{ room.id }}/{{ message.id }}"
"##;

/// Runs the program in its own directory, in which `bot.toml` has this text.
fn run(text: &str, arguments: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("bot.toml"), text).unwrap();
    run_in(directory.path(), arguments)
}

fn run_in(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signl4-rocketchat"));
    command.current_dir(directory).args(arguments).env_remove("RUST_LOG");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SIGNL4_BOT_") {
            command.env_remove(name);
        }
    }
    command.output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The only line on standard error of a program that ended with this code.
fn complaint(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    text.trim_end().to_owned()
}

#[test]
fn with_an_invalid_configuration_every_command_exits_with_2_and_names_file_and_key() {
    let broken =
        SOUND.replace("auth_token = \"s3cret-of-the-tests\"", "auth_token = [\"s3cret-of-the-tests\"]");
    for command in [&["run"][..], &["check"], &["health"], &["test", "SIGNL4"]] {
        let line = complaint(&run(&broken, command), 2);
        assert!(line.starts_with("bot.toml:4: rocketchat.auth_token: is a list, not text: "), "{line}");
        assert!(!line.contains(SECRET), "{line}");
    }
}

#[test]
fn every_problem_has_its_line() {
    let broken = SOUND.replace("https://chat", "chat") + "[store]\nurl = \"bot.db\"\n";
    let output = run(&broken, &["run"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    let keys: Vec<_> = text.lines().filter_map(|line| line.split(": ").nth(1)).collect();
    assert_eq!(keys, ["rocketchat.url", "store.url"], "{text}");
}

#[test]
fn a_missing_file_is_named() {
    let line = complaint(&run(SOUND, &["run", "--config", "other.toml"]), 2);
    assert!(line.starts_with("other.toml: cannot be read ("), "{line}");
}

#[test]
fn an_address_that_cannot_be_listened_on_is_reported_with_a_fix_for_the_reason() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = socket.local_addr().unwrap().to_string();
    for (address, why, fix) in [
        (&*taken, "is in use", "stop the program that listens there"),
        // Reserved for documentation, so no address of this machine.
        ("192.0.2.1:8080", "cannot listen on", "set listener.bind to 0.0.0.0:8080"),
    ] {
        let output = run(&format!("{SOUND}bind = \"{address}\"\n"), &["run"]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        let line = said.lines().last().unwrap();
        assert!(line.starts_with("listener.bind: ") && line.contains(address), "{said}");
        assert!(line.contains(why) && line.contains(fix), "{said}");
    }
}

#[test]
fn an_invalid_log_filter_exits_with_2() {
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_signl4-rocketchat"))
        .current_dir(directory.path())
        .args(["test", "x"])
        .env("RUST_LOG", "a=b=c")
        .output()
        .unwrap();
    assert!(complaint(&output, 2).starts_with("RUST_LOG: "), "{output:?}");
}

#[test]
fn wrong_usage_exits_with_2() {
    for arguments in [&[][..], &["test"], &["rnu"], &["run", "--confg", "x"], &["demo", "--port", "99999"]] {
        let output = run(SOUND, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?} {output:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_dry_run_shows_the_trigger_and_the_event_that_would_be_sent() {
    let report = stdout(&run(SOUND, &["test", "SIGNL4 pump 3 is down"]));
    assert!(report.contains("matches the trigger \"signl4\""), "{report}");
    assert!(report.contains("pages the team of [signl4]"), "{report}");
    assert_eq!(
        event(&report),
        serde_json::json!({
            "title": "Alert from Rocket.Chat",
            "message": "SIGNL4 pump 3 is down",
            "user": "alice",
            "channel": "general",
            "link": "https://chat.example.com/channel/general?msg=MESSAGE-ID",
            "X-S4-ExternalID": "GENERAL",
            "X-S4-SourceSystem": "RocketChat",
            "X-S4-Status": "new",
        })
    );
    assert!(report.contains("nothing was sent"), "{report}");
    assert!(!report.contains(SECRET), "{report}");
}

#[test]
fn a_dry_run_uses_the_given_room_and_user() {
    let both = format!("{SOUND}{TRIGGERS}");
    let report = stdout(&run(&both, &["test", "pump 3 is down", "--room", "#ops"]));
    assert!(report.contains("in #ops by @alice, it matches the trigger \"pumps\""), "{report}");
    assert!(report.contains("at most once in 5m per room"), "{report}");
    assert!(report.contains("pump = \"3\""), "{report}");
    assert_eq!(event(&report)["title"], "Pump 3");
    assert_eq!(event(&report)["Severity"], "high");
    assert!(report.contains("\"everything\" would match too, but is not tried after \"pumps\""), "{report}");

    let report = stdout(&run(&both, &["test", "pump 3 is down", "--room", "general", "--user", "@anna"]));
    assert!(report.contains("in #general by @anna, it matches the trigger \"everything\""), "{report}");
    assert_eq!(event(&report)["X-S4-ExternalID"], "GENERAL/MESSAGE-ID");
    assert_eq!(event(&report)["user"], "anna");

    let report = stdout(&run(&both, &["test", "pump 3 is down", "--room", "id:ROOM1"]));
    assert!(
        report.contains("in the room with the ID ROOM1 by @alice, it matches the trigger \"pumps\""),
        "{report}"
    );
    assert_eq!(event(&report)["X-S4-ExternalID"], "ROOM1");
}

#[test]
fn a_dry_run_accepts_display_names_of_rooms_and_users() {
    let config = format!(
        "{SOUND}\n[[trigger]]\nname = \"halls\"\npattern = 'pump'\nrooms = [\"Störung *\"]\n\
         users = [\"@anna:example.org\", \"id:u7\", \"name:Werk Ost\"]\n"
    );
    for user in ["@anna:example.org", "id:u7", "name:werk ost"] {
        let room = ["test", "pump", "--room", "störung halle 3", "--user", user];
        let report = stdout(&run(&config, &room));
        assert!(report.contains("it matches the trigger \"halls\""), "{user}: {report}");
        assert_eq!(event(&report)["channel"], "störung halle 3");
    }
    let report = stdout(&run(&config, &["test", "pump", "--room", "Störung 4", "--user", "@anna"]));
    assert!(report.contains("but not the author"), "{report}");
}

#[test]
fn a_dry_run_without_a_room_picks_a_matching_room_and_author() {
    let report = stdout(&run(&format!("{SOUND}{TRIGGERS}"), &["test", "router 7 is down"]));
    assert!(report.contains("in #net-x by @zabbix, it matches the trigger \"routers\""), "{report}");
    assert!(report.contains("pages the team \"network\""), "{report}");
}

#[test]
fn a_dry_run_that_matches_nothing_says_why_for_each_trigger() {
    let both = format!("{SOUND}{TRIGGERS}");
    let report = stdout(&run(&both, &["test", "router 7 is down", "--room", "ops"]));
    assert!(report.starts_with("No trigger matches \"router 7 is down\" in #ops.\n"), "{report}");
    let why = |trigger: &str| report.lines().find(|line| line.trim_start().starts_with(trigger)).unwrap();
    assert!(why("pumps").ends_with(r"the text does not match (?i)\bpump (?<pump>\d+)"), "{report}");
    assert!(why("routers").ends_with("the text matches, but the trigger watches only #net-*"), "{report}");
    assert!(why("everything").contains("SIGNL4|pump"), "{report}");

    let report = stdout(&run(&both, &["test", "router 7 is down", "--room", "net-1", "--user", "anna"]));
    assert!(report.contains("but not the author"), "{report}");
}

#[test]
fn a_dry_run_needs_one_room_not_several() {
    for room in ["*", "ops-*", "#", "@anna"] {
        let line = complaint(&run(SOUND, &["test", "SIGNL4", "--room", room]), 2);
        assert!(line.starts_with(&format!("--room {room}: ")) && line.contains("--room general"), "{line}");
    }
}

/// The JSON in a report.
fn event(report: &str) -> serde_json::Value {
    let (from, to) = (report.find('{').unwrap(), report.rfind('}').unwrap());
    serde_json::from_str(&report[from..=to]).unwrap()
}

#[test]
fn the_demo_starts_without_system_certificates() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("none.pem"), "").unwrap();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_signl4-rocketchat"))
        .args(["demo", "--port", "0"])
        .env("SSL_CERT_FILE", directory.path().join("none.pem"))
        .env("SSL_CERT_DIR", directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // The lines end when the demo does.
    let reported = BufReader::new(demo.stdout.take().unwrap()).lines().map(Result::unwrap);
    let found = reported.into_iter().any(|line| line.contains("http://127.0.0.1:"));
    demo.kill().unwrap();
    demo.wait().unwrap();
    assert!(found, "the demo ended before it said where it is");
}

#[test]
fn a_dry_run_reads_trigger_words_and_unless_as_the_bot_does() {
    let triggers = "[[trigger]]\nname = \"pumps\"\nwords = [\"pump\"]\nunless = '(?i)resolved'\n";
    let report = |text: &str| stdout(&run(&format!("{SOUND}{triggers}"), &["test", text]));
    assert!(report("PUMP 3 is down").contains("matches the trigger \"pumps\""));
    let quoting = report("[ ](https://chat.example.com/channel/general?msg=abc) pump 3");
    assert_eq!(event(&quoting)["message"], "pump 3", "without the link to the quoted message");
    let word = report("pump-manual.pdf");
    assert!(word.contains("pumps  the text does not match \"pump\""), "{word}");
    let excluded = report("pump 3: RESOLVED");
    assert!(excluded.contains("but so does the exception: (?i)resolved (unless)"), "{excluded}");
}

#[test]
fn without_a_file_it_says_where_it_looked_and_how_to_make_one() {
    let empty = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_signl4-rocketchat");
    let output = std::process::Command::new(program).arg("check").current_dir(&empty).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let reported = String::from_utf8(output.stderr).unwrap();
    let place = empty.path().canonicalize().unwrap().display().to_string();
    assert!(
        reported.contains(&place) && reported.contains("init") && reported.contains("--config"),
        "{reported}"
    );
}

#[test]
fn a_store_is_copied_and_its_urls_come_from_the_configuration_and_from_files_too() {
    let directory = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| run_in(directory.path(), arguments);
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("bot.toml", &(SOUND.to_owned() + "[store]\nurl = \"sqlite://bot.db\"\n"));
    let line = complaint(&run(&["store", "copy", "--to", "sqlite://new.db"]), 1);
    assert!(line.contains("sqlite://bot.db is not a store yet"), "{line}");
    assert!(!directory.path().join("bot.db").exists());

    // An empty store is one too.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = StoreUrl::sqlite(directory.path().join("bot.db"));
    runtime.block_on(async { Store::open(&store).await.unwrap().close().await });
    write("to", "sqlite://new.db\n");
    let reported = stdout(&run(&["store", "copy", "--to-file", "to"]));
    assert!(reported.contains("alert: 0 rows") && reported.contains("are in sqlite://new.db"), "{reported}");
    stdout(&run(&["store", "copy", "--from", "sqlite://new.db", "--to", "sqlite://third.db"]));

    let line = complaint(&run(&["store", "copy", "--to", "sqlite://bot.db"]), 2);
    assert_eq!(line, "--to: names the store that is copied; name a new one");

    write("secret", &format!("postgres://bot:{SECRET}@127.0.0.1:1/bot"));
    let line = complaint(&run(&["store", "copy", "--from-file", "secret", "--to-file", "to"]), 1);
    assert!(line.contains("from: the database cannot be reached") && !line.contains(SECRET), "{line}");
    write("secret", &format!("postgres://bot:{SECRET}@127.0.0.1:1/bot?colour=red"));
    let line = complaint(&run(&["store", "copy", "--from-file", "secret", "--to-file", "to"]), 2);
    assert!(line.contains("--from: the URL has a parameter") && !line.contains(SECRET), "{line}");
}
