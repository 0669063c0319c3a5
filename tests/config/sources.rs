//! The file, the environment over it, and secrets in files.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use rocketchat::Credentials;
use secrecy::ExposeSecret;
use signl4_rocketchat::{
    alerting::TeamName,
    config::{Config, Sources},
};

use super::{SECRET, SOUND, Setup};

fn rooms(config: &Config) -> Vec<String> {
    config.triggers.room_patterns().map(|(_, room)| room.to_string()).collect()
}

fn patterns(config: &Config) -> Vec<Vec<String>> {
    config.triggers.iter().map(|trigger| trigger.patterns.iter().map(ToString::to_string).collect()).collect()
}

#[test]
fn a_container_starts_from_five_variables_and_no_file() {
    let variables = [
        ("SIGNL4_BOT_ROCKETCHAT__URL", "https://chat.example.com/sub"),
        ("SIGNL4_BOT_ROCKETCHAT__USER_ID", "bot-id"),
        ("SIGNL4_BOT_ROCKETCHAT__AUTH_TOKEN", SECRET),
        ("SIGNL4_BOT_SIGNL4__WEBHOOK_URL", "https://connect.signl4.com/webhook/team-secret"),
        ("SIGNL4_BOT_LISTENER__SECRET", SECRET),
    ];
    let env: Vec<_> = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    // Without a path it is ./bot.toml, which does not exist.
    let config = Config::load(&Sources { path: None, env: env.clone() }).unwrap();
    assert_eq!(config.rocketchat.url.to_string(), "https://chat.example.com/sub");
    assert_eq!(patterns(&config), [[r#""SIGNL4""#]]);
    assert_eq!(rooms(&config), ["*"]);
    for missing in 0..env.len() {
        let mut env = env.clone();
        let (name, _) = env.remove(missing);
        let errors = Config::load(&Sources { path: None, env }).unwrap_err();
        assert_eq!(errors.problems().len(), 1, "{errors}");
        assert!(errors.to_string().contains(&name), "{errors} does not say to set {name}");
    }
}

#[test]
fn a_file_named_explicitly_must_exist() {
    let sources = Sources { path: Some("nowhere/bot.toml".into()), env: Vec::new() };
    let errors = Config::load(&sources).unwrap_err().to_string();
    assert!(errors.starts_with("nowhere/bot.toml: cannot be read ("), "{errors}");
    assert!(errors.contains("--config"), "{errors}");
}

#[test]
fn the_environment_overrides_the_file_key_by_key() {
    let setup = Setup::new(SOUND)
        .set("ROCKETCHAT__URL", "http://localhost:3000")
        .set("ROCKETCHAT__AUTO_JOIN", "false")
        .set("SIGNL4__RETRY_FOR", "2h")
        .set("REPLIES__CLOSED", "{{ user }} closed it.")
        .set("LISTENER__BIND", "[::1]:8443");
    let config = setup.loaded();
    assert_eq!(config.rocketchat.url.to_string(), "http://localhost:3000");
    assert!(!config.rocketchat.auto_join);
    assert_eq!(config.signl4.retry_for, Duration::from_secs(7200));
    assert_eq!(config.listener.bind.to_string(), "[::1]:8443");
    assert_eq!(config.listener.secret.expose_secret(), SECRET, "the file's other keys hold on");
}

#[test]
fn variables_reach_into_lists() {
    let triggers = r#"
        [[trigger]]
        name = "pumps"
        pattern = 'pump'
        rooms = ["one", "two"]
        [[trigger]]
        name = "tanks"
        pattern = 'tank'
    "#;
    let setup = Setup::new(&format!("{SOUND}{triggers}"))
        .set("TRIGGER__0__PATTERN", "leak")
        .set("TRIGGER__0__ROOMS__1", "three")
        .set("TRIGGER__1__ROOMS", r#"["four", "five"]"#)
        .set("TRIGGER__2__NAME", "doors")
        .set("TRIGGER__2__PATTERNS", r#"["door", 'gate \d+']"#)
        .set("TRIGGER__2__WORDS", r#"["bell"]"#)
        .set("TRIGGER__2__FIELDS__Severity", "high")
        .set("TRIGGER__2__TEAM", "network")
        .set("SIGNL4__TEAM__0__NAME", "network")
        .set("SIGNL4__TEAM__0__WEBHOOK_URL", "https://connect.signl4.com/webhook/network-secret");
    let config = setup.loaded();
    assert_eq!(patterns(&config), [vec!["leak"], vec!["tank"], vec!["door", r"gate \d+", "\"bell\""]]);
    assert_eq!(rooms(&config), ["#one", "#three", "#four", "#five", "*"]);
    let doors = config.triggers.get("doors").unwrap();
    assert_eq!(doors.event.fields["Severity"].source(), "high");
    assert_eq!(doors.team, TeamName::Named("network".into()));
    assert!(config.signl4.webhooks().any(|(team, _)| team == doors.team));
}

#[test]
fn a_tenth_item_of_a_list_comes_after_the_ninth() {
    let mut setup = Setup::new(SOUND).set("TRIGGER__0__NAME", "many").set("TRIGGER__0__PATTERN", "x");
    for room in 0..12 {
        setup = setup.set(&format!("TRIGGER__0__ROOMS__{room}"), &format!("room-{room}"));
    }
    let expected: Vec<_> = (0..12).map(|room| format!("#room-{room}")).collect();
    assert_eq!(rooms(&setup.loaded()), expected);
}

#[test]
fn a_whole_list_may_be_json_or_toml() {
    let json = r#"[{"name": "pumps", "pattern": "pump", "bots": false, "rooms": ["ops"]}]"#;
    let toml = r#"[{ name = "pumps", pattern = "pump", bots = false, rooms = ["ops"] }]"#;
    for value in [json, toml] {
        let config = Setup::new(SOUND).set("TRIGGER", value).loaded();
        assert_eq!(patterns(&config), [["pump"]]);
        assert_eq!(rooms(&config), ["#ops"]);
        assert!(!config.triggers.get("pumps").unwrap().bots);
    }
}

#[test]
fn an_unknown_variable_is_reported_with_the_similar_one() {
    let cases = [
        ("ROCKETCHAT__ULR", "did you mean SIGNL4_BOT_ROCKETCHAT__URL?"),
        ("ROCKETCHT__URL", "did you mean SIGNL4_BOT_ROCKETCHAT__URL?"),
        ("ROCKETCHAT_URL", "did you mean SIGNL4_BOT_ROCKETCHAT__URL?"),
        ("PASSWORD", "did you mean SIGNL4_BOT_ROCKETCHAT__PASSWORD?"),
        ("TRIGGER__0__PATERN", "did you mean SIGNL4_BOT_TRIGGER__0__PATTERN?"),
        ("XYZZY", "unset it; bot.toml.example explains every key"),
    ];
    for (variable, advice) in cases {
        let complaints = Setup::new(SOUND).set(variable, SECRET).set("TRIGGER__0__NAME", "t").complaints();
        let of_variable: Vec<_> =
            complaints.iter().filter(|line| line.starts_with(&format!("SIGNL4_BOT_{variable}: "))).collect();
        assert_eq!(of_variable.len(), 1, "{complaints:?}");
        assert!(of_variable[0].contains("is not a setting of the bot"), "{complaints:?}");
        assert!(of_variable[0].ends_with(advice), "{complaints:?}");
        assert!(!complaints.concat().contains(SECRET), "{complaints:?}");
    }
}

#[test]
fn variables_that_kubernetes_sets_are_ignored() {
    let setup = Setup::new(SOUND)
        .set("SERVICE_HOST", "10.0.0.1")
        .set("SERVICE_PORT", "8080")
        .set("SERVICE_PORT_HTTP", "8080")
        .set("PORT", "tcp://10.0.0.1:8080")
        .set("PORT_8080_TCP_ADDR", "10.0.0.1")
        .set("CONFIG", "bot.toml")
        .set("LOG_FORMAT", "json");
    setup.loaded();
}

#[test]
fn every_secret_can_be_read_from_a_file() {
    let setup = Setup::new("");
    let secret = |name: &str, text: &str| setup.file(name, text).display().to_string();
    let text = format!(
        r#"
        [rocketchat]
        url = "https://chat.example.com"
        username = "signl4.bot"
        password_file = {:?}
        [signl4]
        webhook_url_file = {:?}
        api_key_file = {:?}
        [[signl4.team]]
        name = "network"
        webhook_url_file = {:?}
        [listener]
        secret_file = {:?}
        [admin]
        token_file = {:?}
        "#,
        secret("password", " pass word with spaces \n"),
        secret("webhook", "https://connect.signl4.com/webhook/one\n"),
        secret("api-key", "key\r\n"),
        secret("other-webhook", "https://connect.example.com/webhook/two"),
        secret("listener", "listener-secret-1234\n"),
        secret("admin", "admin-secret-12345678"),
    );
    setup.file("bot.toml", text);
    let config = setup.loaded();
    let Credentials::Password { password, .. } = &config.rocketchat.account else { panic!("no password") };
    assert_eq!(password.expose_secret(), "pass word with spaces", "spaces inside are kept");
    assert_eq!(config.signl4.webhook_url.host(), "connect.signl4.com");
    assert_eq!(config.signl4.api_key.as_ref().unwrap().expose_secret(), "key");
    assert_eq!(config.signl4.teams["network"].host(), "connect.example.com");
    assert_eq!(config.listener.secret.expose_secret(), "listener-secret-1234");
    assert_eq!(config.admin.token.as_ref().unwrap().expose_secret(), "admin-secret-12345678");
}

#[test]
fn whitespace_around_secrets_and_urls_is_trimmed_in_every_source() {
    let values = [
        ("ROCKETCHAT__URL", "url", "https://chat.example.com"),
        ("ROCKETCHAT__USERNAME", "username", "signl4.bot"),
        ("ROCKETCHAT__PASSWORD", "password", "pass word"),
    ];
    for around in ["{}", " {}\t", "{}\n", "\u{FEFF}{}\r\n", "\u{A0}{}\u{200B}", "\n\n{} \n", "{}\0"] {
        let read = |config: Config| {
            let Credentials::Password { username, password } = config.rocketchat.account else { panic!() };
            (config.rocketchat.url.to_string(), username, password.expose_secret().to_owned())
        };
        let of = |value: &str| around.replace("{}", value);
        let rest = SOUND.split_once("[signl4]").unwrap().1;
        let lines = values.map(|(_, key, value)| format!("{key} = {}", serde_json::json!(of(value))));
        let file = Setup::new(&format!("[rocketchat]\n{}\n[signl4]{rest}", lines.join("\n")));
        let mut variables = Setup::new(&format!("[signl4]{rest}"));
        let in_file = Setup::new("");
        let path = in_file.file("password", of("pass word")).display().to_string();
        in_file.file("bot.toml", format!("[signl4]{rest}"));
        let mut in_file = in_file;
        for (variable, _, value) in values {
            variables = variables.set(variable, &of(value));
            if variable != "ROCKETCHAT__PASSWORD" {
                in_file = in_file.set(variable, &of(value));
            }
        }
        in_file = in_file.set("ROCKETCHAT__PASSWORD_FILE", &path);
        for setup in [file, variables, in_file] {
            let expected = ("https://chat.example.com".into(), "signl4.bot".into(), "pass word".into());
            assert_eq!(read(setup.loaded()), expected, "{around:?}");
        }
    }
}

#[test]
fn quotes_around_a_secret_or_a_url_are_reported() {
    for (variable, key) in [
        ("ROCKETCHAT__URL", "rocketchat.url"),
        ("ROCKETCHAT__USER_ID", "rocketchat.user_id"),
        ("ROCKETCHAT__AUTH_TOKEN", "rocketchat.auth_token"),
        ("SIGNL4__WEBHOOK_URL", "signl4.webhook_url"),
        ("LISTENER__SECRET", "listener.secret"),
        ("LISTENER__BIND", "listener.bind"),
    ] {
        for (open, close) in [("\"", "\""), ("'", "'"), (" “", "”\n")] {
            let quoted = format!("{open}{SECRET}{close}");
            let complaints = Setup::new(SOUND).set(variable, &quoted).complaints();
            assert_eq!(complaints.len(), 1, "{complaints:?}");
            assert!(complaints[0].contains("has quotes around it"), "{key}: {complaints:?}");
            assert!(!complaints[0].contains(SECRET), "{complaints:?}");
        }
    }
    let inside = Setup::new(SOUND).set("ROCKETCHAT__AUTH_TOKEN", "to\"ken'").loaded();
    let Credentials::Token { token: auth_token, .. } = inside.rocketchat.account else { panic!() };
    assert_eq!(auth_token.expose_secret(), "to\"ken'");
}

#[test]
fn a_secret_in_the_environment_overrides_both_forms_in_the_file() {
    let setup = Setup::new("");
    let path = setup.file("token", "of-the-file").display().to_string();
    setup.file("bot.toml", SOUND);
    let with_file = Setup { env: Vec::new(), ..setup }.set("ROCKETCHAT__AUTH_TOKEN_FILE", &path);
    let token = |setup: &Setup| match setup.loaded().rocketchat.account {
        Credentials::Token { token: auth_token, .. } => auth_token.expose_secret().to_owned(),
        Credentials::Password { .. } => panic!("no token"),
    };
    assert_eq!(token(&with_file), "of-the-file");
    with_file.file(
        "bot.toml",
        SOUND.replace("auth_token = \"s3cret-of-the-tests\"", &format!("auth_token_file = {path:?}")),
    );
    let inline = Setup { env: Vec::new(), ..with_file }.set("ROCKETCHAT__AUTH_TOKEN", "of-the-variable");
    assert_eq!(token(&inline), "of-the-variable");
}

#[test]
fn durations_are_written_with_their_unit() {
    let catch_up = |text: &str| {
        let text = SOUND.replace("[signl4]", &format!("catch_up = \"{text}\"\n[signl4]"));
        Setup::new(&text).load().map(|config| config.rocketchat.catch_up.as_secs())
    };
    for (text, seconds) in
        [("0s", 0), ("30s", 30), ("5m", 300), ("24h", 86_400), ("90d", 7_776_000), ("1h 30m", 5_400)]
    {
        assert_eq!(catch_up(text).unwrap(), seconds, "{text}");
    }
    for text in ["", "30", "-5m", "5 parsecs", "soon", "11y", "99999999999999999999h"] {
        let errors = catch_up(text).unwrap_err();
        assert_eq!(errors.problems().len(), 1, "{errors}");
        assert_eq!(errors.problems()[0].key, "rocketchat.catch_up");
    }
}

#[test]
fn the_server_url_may_have_a_path_with_or_without_a_slash() {
    for url in ["https://example.com/chat", "https://example.com/chat/", " https://example.com/chat"] {
        let config = Setup::new(SOUND).set("ROCKETCHAT__URL", url).loaded();
        assert_eq!(config.rocketchat.url.to_string(), "https://example.com/chat");
    }
}

#[test]
fn quotes_are_refused_in_variables_and_accepted_in_the_file() {
    for (key, value) in [("PATTERN", r"'(?i)\bpump\b'"), ("PATTERN", "\"pump\""), ("UNLESS", "'ok'")] {
        let setup = Setup::new(&format!("{SOUND}[[trigger]]\nname = \"pumps\"\nwords = [\"pump\"]\n"));
        let complaints = setup.set(&format!("TRIGGER__0__{key}"), value).complaints();
        assert_eq!(complaints.len(), 1, "{complaints:?}");
        assert!(complaints[0].starts_with(&format!("SIGNL4_BOT_TRIGGER__0__{key}: ")), "{complaints:?}");
        assert!(complaints[0].contains("is in quotes"), "{complaints:?}");
        assert!(complaints[0].ends_with("leave them out: an environment file keeps them"), "{complaints:?}");
    }
    let setup = Setup::new(&format!("{SOUND}[[trigger]]\nname = \"json\"\npattern = '\"critical\"'\n"));
    assert_eq!(patterns(&setup.loaded()), [["\"critical\""]]);
    // No environment file is written with these: they belong to the message.
    for pattern in ["`ALERT`", "“ALERT”", "‘ALERT’"] {
        let list = format!("[{{name=\"x\", patterns=[\"{pattern}\"]}}]");
        assert_eq!(patterns(&Setup::new(SOUND).set("TRIGGER", &list).loaded()), [[pattern]]);
    }
}

#[test]
fn a_file_that_everybody_can_read_may_name_an_sqlite_store_but_no_database_with_a_password() {
    let exposed = |url: &str| {
        let text = SOUND.lines().filter(|line| !line.contains(SECRET)).collect::<Vec<_>>().join("\n");
        let setup = Setup::new(&format!("{text}\n[store]\nurl = {url:?}\n"))
            .set("ROCKETCHAT__AUTH_TOKEN", SECRET)
            .set("SIGNL4__WEBHOOK_URL", "https://connect.signl4.com/webhook/s3cret-of-the-tests")
            .set("LISTENER__SECRET", SECRET);
        let file = setup.directory.path().join("bot.toml");
        std::fs::set_permissions(file, Permissions::from_mode(0o644)).unwrap();
        setup.loaded().exposed_files.len()
    };
    assert_eq!(exposed("sqlite:///var/lib/signl4-rocketchat/bot.db"), 0);
    assert_eq!(exposed("postgres://bot:s3cret-of-the-tests@db.example.com/bot"), 1);
}
