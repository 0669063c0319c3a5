//! `check` as an administrator runs it: the real binary between two simulated servers.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what fails here fails the test")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

use sandbox::rocketchat::{self, Limit, Limits, NewRoom, NewUser, RestFault, RocketChat, User};
use sandbox::signl4::{self, Signl4, Team};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpSocket};
use tokio::process::Command;
use tokio::time::timeout;

/// Time limit for a check. Generous, because the machine may be busy.
const CHECK_TIMEOUT: Duration = Duration::from_secs(60);
const LISTENER_SECRET: &str = "a-listener-secret-of-some-length";
const PASSWORD: &str = "the-password-of-the-bot";

/// Two healthy servers and a bot account with the role that the documentation asks for.
struct Fixture {
    chat: RocketChat,
    signl4: Signl4,
    alice: User,
    bot: User,
    token: String,
    dir: TempDir,
    /// Lines of `[rocketchat]`.
    rocketchat: String,
    /// Whatever follows the tables.
    more: String,
    /// The mode of `bot.toml`.
    mode: u32,
}

/// The output of a check.
struct Said {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Fixture {
    async fn new() -> Self {
        Self::of(NewUser::bot("signl4.bot")).await
    }

    async fn of(bot: NewUser) -> Self {
        Self::with(bot, rocketchat::Options::default()).await
    }

    async fn with(bot: NewUser, options: rocketchat::Options) -> Self {
        let chat = RocketChat::start_with(options).await.unwrap();
        let teams = vec![Team::new("operations"), Team::new("network")];
        let signl4 = Signl4::start(signl4::Options { teams, ..signl4::Options::default() }).await.unwrap();
        let alice = chat.create_user("alice").unwrap();
        let bot = chat.create_user(bot.password(PASSWORD)).unwrap();
        let token = chat.create_token(&bot).unwrap();
        chat.create_room(NewRoom::channel("general").members([&alice, &bot])).unwrap();
        let rocketchat = format!("user_id = {:?}\nauth_token = {token:?}\n", bot.id);
        let dir = TempDir::new().unwrap();
        Self { chat, signl4, alice, bot, token, dir, rocketchat, more: String::new(), mode: 0o600 }
    }

    fn trigger(&mut self, rooms: &str) {
        self.more.push_str(&format!("[[trigger]]\nname = \"pumps\"\npattern = 'SIGNL4'\nrooms = {rooms}\n"));
    }

    fn config(&self, listener: &str) -> String {
        format!(
            "[rocketchat]\nurl = {:?}\n{}\n[signl4]\nwebhook_url = {:?}\n\n[listener]\nbind = {listener:?}\n\
             secret = {LISTENER_SECRET:?}\n\n[admin]\nbind = \"127.0.0.1:0\"\n\n{}",
            self.chat.url(),
            self.rocketchat,
            self.signl4.webhook_url("operations"),
            self.more,
        )
    }

    async fn check(&self) -> Said {
        self.check_with(&self.config("127.0.0.1:0")).await
    }

    async fn check_with(&self, config: &str) -> Said {
        self.run(config, &[], &[]).await
    }

    async fn run(&self, config: &str, more: &[&str], variables: &[(&str, &str)]) -> Said {
        let file = self.dir.path().join("bot.toml");
        fs::write(&file, config).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(self.mode)).unwrap();
        let run = Command::new(env!("CARGO_BIN_EXE_signl4-rocketchat"))
            .args(["check", "--config"])
            .arg(&file)
            .args(more)
            .current_dir(self.dir.path())
            .env("NO_PROXY", "127.0.0.1")
            .envs(variables.iter().copied())
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = timeout(CHECK_TIMEOUT, run).await.expect("the check does not end").unwrap();
        let said = Said {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        for secret in [self.token.as_str(), PASSWORD, LISTENER_SECRET]
            .into_iter()
            .chain(self.signl4.teams().iter().map(|team| team.secret.as_str()))
        {
            assert!(
                !said.stdout.contains(secret) && !said.stderr.contains(secret),
                "a secret:\n{}",
                said.stdout
            );
        }
        assert!(self.signl4.alerts().is_empty(), "somebody was paged");
        said
    }
}

impl Said {
    /// Asserts that there is a line with this mark which contains all of these words, in itself or in the lines that
    /// follow it.
    #[track_caller]
    fn has(&self, mark: char, words: &[&str]) {
        let marked = |line: &str| line.trim_start().starts_with(['✓', '!', '✗']);
        let lines: Vec<&str> = self.stdout.lines().collect();
        let blocks = lines.iter().enumerate().filter(|(_, line)| line.trim_start().starts_with(mark));
        let found = blocks.into_iter().any(|(at, line)| {
            let rest = lines[at + 1..].iter().take_while(|line| !marked(line) && !line.is_empty());
            let block: Vec<&str> =
                std::iter::once(line).chain(rest).flat_map(|line| line.split_whitespace()).collect();
            let block = block.join(" ");
            words.iter().all(|word| block.contains(word))
        });
        assert!(found, "no line with {mark} has {words:?}:\n{}{}", self.stdout, self.stderr);
    }

    #[track_caller]
    fn works(&self) {
        assert_eq!(self.code, 0, "{}{}", self.stdout, self.stderr);
        assert!(self.stderr.is_empty(), "{}", self.stderr);
    }

    #[track_caller]
    fn fails(&self) {
        assert_eq!(self.code, 1, "{}{}", self.stdout, self.stderr);
        assert!(self.stdout.contains('✗'), "{}", self.stdout);
    }
}

#[tokio::test]
async fn without_problems_every_finding_is_fine() {
    let mut fixture = Fixture::new().await;
    fixture.trigger(r##"["#general"]"##);
    let said = fixture.check().await;
    said.works();
    said.has('✓', &["server", "8.0"]);
    said.has('✓', &["clock", "agrees"]);
    said.has('✓', &["account", "@signl4.bot", "bot"]);
    said.has('✓', &["realtime", "subscribed to every room"]);
    said.has('✓', &["name", "\"SIGNL4\""]);
    said.has('✓', &["[signl4]", "127.0.0.1", "answers"]);
    said.has('✓', &["store", "signl4-rocketchat.db", "can be created"]);
    said.has('✓', &["listener", "free"]);
    said.has('✓', &["pumps", "#general", "may post"]);
    assert!(said.stdout.contains("/signl4/<listener.secret>"), "{}", said.stdout);
    assert!(!said.stdout.contains('\u{1b}'), "colours in a pipe");
    assert!(!fixture.dir.path().join("signl4-rocketchat.db").exists(), "a check leaves no file behind");
}

#[tokio::test]
async fn an_unknown_room_name_gets_similar_suggestions() {
    let mut fixture = Fixture::new().await;
    fixture.chat.create_room(NewRoom::channel("pumps").members([&fixture.alice])).unwrap();
    fixture.chat.create_room(NewRoom::group("pumps-night").members([&fixture.alice, &fixture.bot])).unwrap();
    fixture.trigger(r##"["#general", "#pumsp", "#Pumps", "#zzzzzz", "id:NOTTHERE"]"##);
    let said = fixture.check().await;
    said.fails();
    said.has('✓', &["#general"]);
    said.has('✗', &["#pumsp", "no such room", "did you mean #pumps"]);
    said.has('✓', &["#Pumps", "the bot will join it"]);
    said.has('✗', &["#zzzzzz", "no such room", "correct it", "/invite @signl4.bot"]);
    said.has('✗', &["id:NOTTHERE", "no such room"]);
    assert!(said.stdout.contains("3 problems"), "{}", said.stdout);
}

#[tokio::test]
async fn a_room_for_other_alerts_that_the_bot_cannot_post_in_is_a_problem() {
    let mut fixture = Fixture::new().await;
    let elsewhere = fixture.chat.create_room(NewRoom::channel("alerts").members([&fixture.alice])).unwrap();
    fixture.chat.create_room(NewRoom::channel("pumps").members([&fixture.alice])).unwrap();
    fixture.trigger(r##"["#general", "#pumps"]"##);
    let triggers = fixture.more.clone();
    let by_id = format!("id:{}", elsewhere.id);
    for (room, mark, words) in [
        ("#alerts", '✗', ["#alerts", "the bot is not in it", "/invite @signl4.bot"]),
        (&by_id, '✗', [&by_id, "the bot is not in it", "/invite @signl4.bot"]),
        ("#alrets", '✗', ["#alrets", "no such room", "did you mean #alerts"]),
        ("#General", '✓', ["#General", "the bot is in it", "may post"]),
        ("#pumps", '✓', ["#pumps", "the bot will join it", "may post"]),
    ] {
        fixture.more = format!("[replies]\nother_alerts_to = {room:?}\n\n{triggers}");
        let said = fixture.check().await;
        said.has(mark, &["other alerts"]);
        said.has(mark, &words);
        assert_eq!(said.code, i32::from(mark == '✗'), "{}", said.stdout);
    }
    fixture.rocketchat.push_str("auto_join = false\n");
    fixture.check().await.has('✗', &["other alerts", "#pumps", "the bot is not in it"]);
}

#[tokio::test]
async fn the_server_version_is_shown_and_an_untested_one_is_a_warning() {
    for (version, mark, words) in [
        ("5.4.2", '!', ["runs version 5.4", "too old"]),
        ("6.13.1", '✓', ["runs version 6.13", ""]),
        ("9.0.0", '✓', ["runs version 9.0", ""]),
        ("10.1.0", '!', ["runs version 10.1", "tested with 6 to 9"]),
    ] {
        let fixture =
            Fixture::with(NewUser::bot("signl4.bot"), rocketchat::Options::of_version(version)).await;
        let said = fixture.check().await;
        said.has(mark, &words);
        assert_eq!(said.code, 0, "{}", said.stdout);
    }
}

#[tokio::test]
async fn rooms_are_checked_by_their_display_names() {
    let mut fixture = Fixture::new().await;
    let parent = fixture.chat.room("general").unwrap();
    let hall = NewRoom::channel("Stoerung-Halle-3").shown_as("Störung Halle 3");
    fixture.chat.create_room(hall.members([&fixture.alice])).unwrap();
    let members = [&fixture.alice, &fixture.bot];
    fixture.chat.create_room(NewRoom::discussion("Pumpe 3: was tun?", &parent).members(members)).unwrap();
    fixture.chat.create_room(NewRoom::group("news").shown_as("Neuigkeiten").members(members)).unwrap();
    let news = fixture.chat.room("news").unwrap();
    fixture.chat.set_encrypted(&news, true).unwrap();
    fixture.trigger(r#"["störung halle 3", "Pumpe *", "Pumpe 3: was tun?", "Störung Halle 4", "*"]"#);
    let said = fixture.check().await;
    said.has('✓', &["#störung halle 3", "the bot will join it"]);
    said.has('✓', &["#Pumpe *", "1 room"]);
    said.has('✓', &["#Pumpe 3: was tun?", "1 room"]);
    said.has('✗', &["#Störung Halle 4", "no such room", "did you mean #Störung Halle 3"]);
    said.has('!', &["Neuigkeiten", "end-to-end encrypted"]);
    assert!(!said.stdout.contains("#Neuigkeiten"), "{}", said.stdout);
}

#[tokio::test]
async fn a_name_that_the_server_refuses_to_look_up_is_found_among_the_channels() {
    let mut fixture = Fixture::new().await;
    let hall = NewRoom::channel("Stoerung-Halle-3").shown_as("Störung Halle 3");
    fixture.chat.create_room(hall.members([&fixture.alice])).unwrap();
    fixture.trigger(r#"["Störung Halle 3", "Störung Halle 4"]"#);
    fixture.chat.faults().rest_always("rooms.info", RestFault::forbidden());
    let said = fixture.check().await;
    said.has('✓', &["#Störung Halle 3", "the bot will join it"]);
    said.has('✗', &["#Störung Halle 4", "not allowed to see it"]);
}

#[tokio::test]
async fn unusable_rooms_are_reported_with_the_reason() {
    let mut fixture = Fixture::new().await;
    let members = [&fixture.alice, &fixture.bot];
    fixture.chat.create_room(NewRoom::channel("secret").members(members).encrypted()).unwrap();
    let old = fixture.chat.create_room(NewRoom::channel("old").members(members)).unwrap();
    let older = fixture.chat.create_room(NewRoom::channel("older").members([&fixture.alice])).unwrap();
    for room in [&old, &older] {
        fixture.chat.set_archived(room, true).unwrap();
    }
    fixture.chat.create_room(NewRoom::channel("news").members(members).read_only()).unwrap();
    fixture.chat.create_room(NewRoom::group("board").members([&fixture.alice])).unwrap();
    fixture.trigger(r##"["secret", "old", "older", "news", "board"]"##);
    let said = fixture.check().await;
    said.fails();
    said.has('✗', &["#secret", "end-to-end encrypted", "→"]);
    said.has('✗', &["#old", "archived", "→"]);
    said.has('✗', &["#older", "archived", "→"]);
    said.has('✗', &["#news", "read-only", "moderator"]);
    said.has('✗', &["#board", "not in it", "/invite @signl4.bot"]);
}

#[tokio::test]
async fn a_public_channel_is_joined_by_the_bot_and_not_by_the_check() {
    let mut fixture = Fixture::new().await;
    let room = fixture.chat.create_room(NewRoom::channel("pumps").members([&fixture.alice])).unwrap();
    fixture.trigger(&format!(r##"["#pumps", "id:{}"]"##, room.id));
    let said = fixture.check().await;
    said.works();
    said.has('✓', &["#pumps", "will join it"]);
    said.has('✓', &["id:", "#pumps: the bot will join it"]);
    assert!(
        !fixture.chat.room("pumps").unwrap().members.contains(&fixture.bot.id),
        "the check joined a room"
    );

    fixture.rocketchat.push_str("auto_join = false\n");
    let said = fixture.check().await;
    said.works();
    said.has('!', &["#pumps", "auto_join", "/invite @signl4.bot"]);
}

#[tokio::test]
async fn a_glob_shows_how_many_rooms_it_matches_and_which_have_problems() {
    let mut fixture = Fixture::new().await;
    let members = [&fixture.alice, &fixture.bot];
    for name in ["ops-1", "ops-2"] {
        fixture.chat.create_room(NewRoom::channel(name).members(members)).unwrap();
    }
    fixture.chat.create_room(NewRoom::channel("ops-3").members([&fixture.alice])).unwrap();
    fixture.chat.create_room(NewRoom::group("OPS-secret").members(members).encrypted()).unwrap();
    fixture.trigger(r##"["ops-*", "night-*", "*"]"##);
    let said = fixture.check().await;
    said.works();
    said.has('✓', &["#ops-*", "4 rooms, 1 of which the bot will join"]);
    said.has('!', &["OPS-secret", "encrypted"]);
    said.has('!', &["#night-*", "matches no room"]);
    said.has('✓', &["*", "4 rooms"]);
    assert!(!said.stdout.contains("ops-2"), "what is fine is only counted:\n{}", said.stdout);
}

#[tokio::test]
async fn an_account_without_the_role_bot_shows_what_it_lacks() {
    let mut fixture = Fixture::of(NewUser::named("pager")).await;
    fixture.trigger(r##"["general"]"##);
    let said = fixture.check().await;
    said.works();
    said.has('!', &["name", "@pager", "message-impersonate", "role bot"]);
    said.has('!', &["rights", "ten calls", "api-bypass-rate-limit"]);
    assert!(said.stdout.contains("2 warnings; the bot can run."), "{}", said.stdout);

    fixture.chat.faults().rest_always("permissions.listAll", RestFault::status(403));
    let said = fixture.check().await;
    said.works();
    said.has('!', &["name", "unknown"]);
}

#[tokio::test]
async fn an_administrator_account_is_a_warning() {
    let fixture = Fixture::of(NewUser::bot("signl4.bot").role("admin")).await;
    let said = fixture.check().await;
    said.works();
    said.has('!', &["account", "@signl4.bot", "administrator", "role admin", "role bot is enough"]);
}

#[tokio::test]
async fn a_password_logs_in_as_well_and_leaves_no_login_behind() {
    let mut fixture = Fixture::new().await;
    fixture.rocketchat = format!("username = \"signl4.bot\"\npassword = {PASSWORD:?}\n");
    let said = fixture.check().await;
    said.works();
    said.has('✓', &["account", "@signl4.bot"]);
    assert_eq!(fixture.chat.tokens(&fixture.bot), [fixture.token.clone()], "the token made by hand alone");
}

#[tokio::test]
async fn a_refused_login_is_reported_with_a_fix() {
    let mut fixture = Fixture::new().await;
    fixture.trigger(r##"["general"]"##);
    fixture.chat.revoke_token(&fixture.bot, &fixture.token).unwrap();
    let said = fixture.check().await;
    said.fails();
    said.has('✗', &["account", "personal access token", "create a new one"]);
    said.has('✓', &["[signl4]", "answers"]);
    assert!(said.stdout.contains("not checked"), "{}", said.stdout);

    fixture.rocketchat = format!("username = \"signl4.bot\"\npassword = {PASSWORD:?}\n");
    fixture.chat.set_active(&fixture.bot, false).unwrap();
    let said = fixture.check().await;
    said.fails();
    said.has('✗', &["account", "active"]);
}

#[tokio::test]
async fn rooms_that_cannot_be_listed_are_not_taken_for_a_refused_login() {
    let fixture = Fixture::new().await;
    fixture.chat.faults().rest_always("rooms.get", RestFault::status(503));
    let said = fixture.check().await;
    said.fails();
    said.has('✓', &["account", "@signl4.bot"]);
    said.has('✗', &["rooms", "503"]);
    assert!(said.stdout.contains("not checked") && !said.stdout.contains("log in"), "{}", said.stdout);
}

#[tokio::test]
async fn servers_that_do_not_answer_are_named() {
    let fixture = Fixture::new().await;
    fixture.chat.stop().await;
    fixture.signl4.refuse().await;
    let said = fixture.check().await;
    said.fails();
    said.has('✗', &["server", &fixture.chat.url(), "check the address"]);
    said.has('✗', &["[signl4]", "127.0.0.1", "cannot be reached"]);
    said.has('✓', &["store"]);
}

#[tokio::test]
async fn a_proxy_that_cannot_be_used_is_reported_with_what_is_found_without_a_network() {
    let fixture = Fixture::new().await;
    let config = fixture.config("127.0.0.1:0");
    let said = fixture.run(&config, &["--json"], &[("HTTPS_PROXY", "http://u:p#w@proxy:3128")]).await;
    assert_eq!(said.code, 1, "{}{}", said.stdout, said.stderr);
    let json: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(json["works"], false, "{json:#}");
    let found = |subject: &str| {
        let mut findings = json["findings"].as_array().unwrap().iter();
        findings
            .find(|finding| finding["subject"] == subject)
            .unwrap_or_else(|| panic!("{subject}: {json:#}"))
    };
    let network = found("network");
    assert_eq!(network["state"], "problem", "{network}");
    assert!(network["what"].as_str().unwrap().contains("HTTPS_PROXY is not the URL of a proxy"), "{network}");
    assert!(network["fix"].as_str().unwrap().starts_with("write special characters"), "{network}");
    assert_eq!(found("store")["state"], "fine");
    assert!(!said.stdout.contains("p#w") && !said.stdout.contains("certificates"), "{json:#}");
}

#[tokio::test]
async fn a_server_without_its_realtime_api_is_a_problem() {
    let mut fixture = Fixture::new().await;
    fixture.trigger(r##"["general"]"##);
    fixture.chat.faults().set(|switches| switches.refuse_connect = true);
    let said = fixture.check().await;
    said.fails();
    said.has('✓', &["account", "@signl4.bot"]);
    said.has('✗', &["realtime", "messages cannot be received", "→ run this check again"]);
    said.has('✓', &["#general", "may post"]);
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_a_warning() {
    let fixture = Fixture::new().await;
    fixture.chat.clock_forward(Duration::from_secs(3600));
    let said = fixture.check().await;
    said.works();
    said.has('!', &["clock", "1h ahead of", "NTP"]);
}

#[tokio::test]
async fn threads_that_are_switched_off_are_a_warning() {
    let fixture = Fixture::new().await;
    let said = fixture.check().await;
    assert!(!said.stdout.contains("disabled"), "{}", said.stdout);
    fixture.chat.set_threads_enabled(false);
    let said = fixture.check().await;
    said.works();
    said.has('!', &["threads", "disabled", "Enable Threads"]);
}

#[tokio::test]
async fn every_team_is_probed_and_an_unused_one_is_reported() {
    let mut fixture = Fixture::new().await;
    let network = fixture.signl4.webhook_url("network");
    // Bound, so that nobody else can use the port, but not listening.
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let gone = closed.local_addr().unwrap();
    fixture.more.push_str(&format!(
        "[[signl4.team]]\nname = \"network\"\nwebhook_url = {network:?}\n\n\
         [[signl4.team]]\nname = \"gone\"\nwebhook_url = \"http://{gone}/webhook/s3cr3t-of-nobody\"\n\n"
    ));
    fixture.trigger(r##"["general"]"##);
    fixture.more.push_str("team = \"network\"\n");
    let said = fixture.check().await;
    said.fails();
    said.has('✓', &["[signl4]", "answers"]);
    said.has('✓', &["network", "answers"]);
    said.has('✗', &["gone", "cannot be reached"]);
    said.has('!', &["gone", "no trigger pages this team"]);
    said.has('✓', &["pumps", "network", "#general"]);
    assert!(!said.stdout.contains("s3cr3t-of-nobody"), "{}", said.stdout);
}

#[tokio::test]
async fn an_address_that_is_taken_is_a_problem_unless_the_running_bot_has_it() {
    let fixture = Fixture::new().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let config = fixture.config(&address);
    let said = fixture.check_with(&config).await;
    said.fails();
    // The store has a relative path, so the bot may run elsewhere.
    said.has('✗', &["listener", &address, "in use", "working directory", "listener.bind"]);

    let store = signl4_rocketchat::store::StoreUrl::sqlite(fixture.dir.path().join("signl4-rocketchat.db"));
    let running = signl4_rocketchat::store::Store::open(&store).await.unwrap();
    let said = fixture.check_with(&config).await;
    said.works();
    said.has('✓', &["store", "the bot is running"]);
    said.has('✓', &["listener", &address, "by the running bot"]);
    running.check_writable().await.unwrap();
}

#[tokio::test]
async fn a_store_that_cannot_be_used_is_a_problem() {
    let mut fixture = Fixture::new().await;
    fixture.more.push_str("[store]\nurl = \"sqlite:///proc/signl4-rocketchat.db\"\n");
    let said = fixture.check().await;
    said.fails();
    said.has('✗', &["store", "/proc/signl4-rocketchat.db", "can write to"]);
}

#[tokio::test]
async fn a_file_with_a_secret_that_everybody_can_read_is_a_warning() {
    let mut fixture = Fixture::new().await;
    let said = fixture.check().await;
    assert!(!said.stdout.contains("every user"), "{}", said.stdout);
    fixture.mode = 0o644;
    let token = fixture.dir.path().join("token");
    fs::write(&token, &fixture.token).unwrap();
    fs::set_permissions(&token, Permissions::from_mode(0o604)).unwrap();
    fixture.rocketchat = format!("user_id = {:?}\nauth_token_file = {token:?}\n", fixture.bot.id);
    let said = fixture.check().await;
    said.works();
    said.has('!', &["secrets", "bot.toml", "chmod"]);
    said.has('!', &["secrets", "/token", "chmod"]);
}

#[tokio::test]
async fn a_short_secret_is_a_warning() {
    let fixture = Fixture::new().await;
    let config = fixture.config("127.0.0.1:0").replace(LISTENER_SECRET, "s3cret");
    let said = fixture.check_with(&config.replace("[admin]", "[admin]\ntoken = \"t0ken\"")).await;
    said.works();
    said.has('!', &["secrets", "listener.secret has fewer than 16 characters", "openssl rand"]);
    said.has('!', &["secrets", "admin.token has fewer than 16 characters"]);
    assert!(!said.stdout.contains("s3cret") && !said.stdout.contains("t0ken"), "{}", said.stdout);
}

#[tokio::test]
async fn an_invalid_configuration_exits_with_2_before_any_call() {
    let fixture = Fixture::new().await;
    let said = fixture.check_with("[rocketchat]\nurl = 7\n").await;
    assert_eq!((said.code, said.stdout.as_str()), (2, ""));
    assert!(said.stderr.contains("rocketchat.url"), "{}", said.stderr);
    assert!(fixture.chat.calls().is_empty());
}

#[tokio::test]
async fn a_check_writes_nothing_into_any_room() {
    let mut fixture = Fixture::new().await;
    fixture.trigger(r##"["*"]"##);
    let before = fixture.chat.messages("GENERAL").len();
    fixture.check().await.works();
    assert_eq!(fixture.chat.messages("GENERAL").len(), before);
    for route in ["chat.sendMessage", "chat.postMessage", "chat.react", "channels.join"] {
        assert!(fixture.chat.calls_of(route).is_empty(), "{route}");
    }
}

#[tokio::test]
async fn a_rate_limit_is_waited_out() {
    let limits = Limits { rest: Some(Limit::per_seconds(2, 1)), ..Limits::default() };
    let options = rocketchat::Options { limits, ..rocketchat::Options::default() };
    let mut fixture = Fixture::with(NewUser::named("pager"), options).await;
    for name in ["a", "b", "c", "d"] {
        fixture.chat.create_room(NewRoom::channel(name).members([&fixture.alice])).unwrap();
    }
    fixture.trigger(r##"["a", "b", "c", "d"]"##);
    let said = fixture.check().await;
    said.works();
    for name in ["#a", "#b", "#c", "#d"] {
        said.has('✓', &[name, "will join it"]);
    }
}
