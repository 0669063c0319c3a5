//! Two simulated servers, a working directory, and the program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use sandbox::rocketchat::{NewRoom, NewUser, RocketChat, Room, User};
use sandbox::signl4::{Options, Person, Signl4, Team};
use tempfile::TempDir;

use super::free_port::free_port;

/// Timeout for anything that is expected to happen. Generous, because the machine may be busy.
pub const SOON: Duration = Duration::from_secs(60);
pub const PASSWORD: &str = "the-password-of-the-bot";

pub struct Fixture {
    pub chat: RocketChat,
    pub signl4: Signl4,
    pub alice: User,
    pub bot: User,
    pub room: Room,
    pub token: String,
    pub webhook_url: String,
    dir: TempDir,
}

impl Fixture {
    pub async fn new() -> Self {
        Self::at_prefix("").await
    }

    /// The same with Rocket.Chat at a sub-path, such as `/chat`.
    pub async fn at_prefix(prefix: &str) -> Self {
        let options = sandbox::rocketchat::Options { prefix: prefix.to_owned(), ..Default::default() };
        let chat = RocketChat::start_with(options).await.unwrap();
        let teams = vec![Team::new("operations")];
        let people = vec![Person::new("Rene")];
        let signl4 = Signl4::start(Options { teams, people, ..Options::default() }).await.unwrap();
        let alice = chat.create_user(NewUser::named("anna")).unwrap();
        let bot = chat.create_user(NewUser::bot("signl4.bot").password(PASSWORD)).unwrap();
        let token = chat.create_token(&bot).unwrap();
        let room = chat.create_room(NewRoom::channel("operations").members([&alice, &bot])).unwrap();
        let webhook_url = signl4.webhook_url("operations");
        let fixture =
            Self { chat, signl4, alice, bot, room, token, webhook_url, dir: TempDir::new().unwrap() };
        fs::write(fixture.path("token"), format!("{}\n", fixture.token)).unwrap();
        fs::write(fixture.path("password"), PASSWORD).unwrap();
        fs::write(fixture.path("webhook"), format!("{}\n", fixture.webhook_url)).unwrap();
        fixture
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The flags that answer every question.
    pub fn flags(&self) -> Vec<String> {
        let url = self.chat.url();
        [
            "init",
            "--url",
            &url,
            "--user-id",
            &self.bot.id,
            "--token-file",
            "token",
            "--webhook-url-file",
            "webhook",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    /// Runs the program to its end, without a terminal.
    pub async fn run<S: AsRef<str>>(&self, arguments: &[S]) -> Output {
        self.run_with(&[], arguments).await
    }

    /// The same with further variables.
    pub async fn run_with<S: AsRef<str>>(&self, variables: &[(&str, &str)], arguments: &[S]) -> Output {
        let mut command = tokio::process::Command::from(self.command());
        command.envs(variables.iter().copied());
        command.args(arguments.iter().map(AsRef::as_ref)).stdin(Stdio::null()).kill_on_drop(true);
        tokio::time::timeout(SOON, command.output()).await.expect("the program does not end").unwrap()
    }

    /// Starts the bot in the same directory, without a file.
    pub fn start(&self, variables: &[(&str, &str)]) -> tokio::process::Child {
        let mut command = self.command();
        command.arg("run").envs(variables.iter().copied()).stderr(Stdio::null());
        command.env("SIGNL4_BOT_CONFIG", "/dev/null");
        tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_signl4-rocketchat"));
        command.current_dir(self.dir()).env_remove("RUST_LOG").env("NO_PROXY", "127.0.0.1");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SIGNL4_BOT_") {
                command.env_remove(name);
            }
        }
        command
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Waits until the bot is connected.
pub async fn wait_until_ready(admin: &str) {
    let ready = async {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        while !client
            .get(format!("http://{admin}/readyz"))
            .send()
            .await
            .is_ok_and(|answer| answer.status().is_success())
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, ready).await.expect("the bot does not become ready");
}

/// An address that nobody listens on now.
pub fn free_address() -> String {
    format!("127.0.0.1:{}", free_port())
}
