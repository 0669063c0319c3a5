//! `check` as an administrator runs it: the real binary between two simulated servers.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use sandbox::rocketchat::{NewRoom, NewUser, RestFault, RocketChat, User};
use sandbox::signl4::{self, Signl4, Team};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::time::timeout;

/// How long a check may take. Generous: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);
const LISTENER_SECRET: &str = "a-listener-secret-of-some-length";
const PASSWORD: &str = "the-password-of-the-bot";

/// Two servers in good health and a bot account with the role that the documentation asks for.
struct Scene {
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
}

/// What a check said.
struct Said {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Scene {
    async fn set() -> Self {
        Self::of(NewUser::bot("signl4.bot")).await
    }

    async fn of(bot: NewUser) -> Self {
        let chat = RocketChat::start().await.unwrap();
        let teams = vec![Team::new("operations"), Team::new("network")];
        let signl4 = Signl4::start(signl4::Options { teams, ..signl4::Options::default() }).await.unwrap();
        let alice = chat.create_user("alice").unwrap();
        let bot = chat.create_user(bot.password(PASSWORD)).unwrap();
        let token = chat.create_token(&bot).unwrap();
        chat.create_room(NewRoom::channel("general").members([&alice, &bot])).unwrap();
        let rocketchat = format!("user_id = {:?}\nauth_token = {token:?}\n", bot.id);
        let dir = TempDir::new().unwrap();
        Self { chat, signl4, alice, bot, token, dir, rocketchat, more: String::new() }
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
        let file = self.dir.path().join("bot.toml");
        fs::write(&file, config).unwrap();
        let run = Command::new(env!("CARGO_BIN_EXE_signl4-rocketchat"))
            .args(["check", "--config"])
            .arg(&file)
            .current_dir(self.dir.path())
            .env("NO_PROXY", "127.0.0.1")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = timeout(PATIENCE, run).await.expect("the check does not end").unwrap();
        let said = Said {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        for secret in [self.token.as_str(), PASSWORD, LISTENER_SECRET]
            .into_iter()
            .chain(self.signl4.teams().iter().map(|team| team.secret.as_str()))
        {
            assert!(!said.stdout.contains(secret) && !said.stderr.contains(secret), "a secret:\n{}", said.stdout);
        }
        assert!(self.signl4.alerts().is_empty(), "somebody was paged");
        said
    }
}

impl Said {
    /// Asserts that there is a line with this mark that has all of these words in it and in the lines that follow it.
    #[track_caller]
    fn has(&self, mark: char, words: &[&str]) {
        let marked = |line: &str| line.trim_start().starts_with(['✓', '!', '✗']);
        let lines: Vec<&str> = self.stdout.lines().collect();
        let blocks = lines.iter().enumerate().filter(|(_, line)| line.trim_start().starts_with(mark));
        let found = blocks.into_iter().any(|(at, line)| {
            let rest = lines[at + 1..].iter().take_while(|line| !marked(line) && !line.is_empty());
            let block: Vec<&str> = std::iter::once(line).chain(rest).flat_map(|line| line.split_whitespace()).collect();
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
async fn where_all_is_well_everything_is_marked_so() {
    let mut scene = Scene::set().await;
    scene.trigger(r##"["#general"]"##);
    let said = scene.check().await;
    println!("{}", said.stdout);
    said.works();
    said.has('✓', &["server", "8.0"]);
    said.has('✓', &["clock", "agrees"]);
    said.has('✓', &["account", "@signl4.bot", "bot"]);
    said.has('✓', &["realtime", "heard"]);
    said.has('✓', &["name", "\"SIGNL4\""]);
    said.has('✓', &["[signl4]", "127.0.0.1", "answers"]);
    said.has('✓', &["store", "signl4-rocketchat.db", "can be created"]);
    said.has('✓', &["listener", "free"]);
    said.has('✓', &["pumps", "#general", "may post"]);
    assert!(said.stdout.contains("/signl4/<listener.secret>"), "{}", said.stdout);
    assert!(!said.stdout.contains('\u{1b}'), "colours in a pipe");
    assert!(!scene.dir.path().join("signl4-rocketchat.db").exists(), "a check leaves no file behind");
}
