//! The environment of the bot in a test: two simulated servers, a room with people in it, and the bot as a process
//! that can be killed, stopped and started again.
#![allow(
    dead_code,
    clippy::print_stderr,
    reason = "several test binaries include this file, and none uses all of it; a bot prints why it ended"
)]

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ::rocketchat::realtime::Timing;
use rand::RngExt;
use sandbox::rocketchat::{self, Message, NewRoom, NewUser, RocketChat, Room, User};
use sandbox::signl4::{self, Alert, Signl4, Times, WebhookFault};
use serde_json::{Value, json};
use signl4_rocketchat::bot::{RunError, Tempo};
use signl4_rocketchat::command;
use signl4_rocketchat::config::{Config, Sources};
use signl4_rocketchat::logging::{self, LogFormat};
use sqlx::{AnyConnection, Connection, PgConnection};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;
use url::Url;

#[path = "free_port.rs"]
mod free_port;
pub use free_port::free_port;

/// Timeout for anything that is expected to happen. Generous, because the machine may be busy.
pub const SOON: Duration = Duration::from_secs(30);
/// How often to check a condition that sends no notification.
const LOOK: Duration = Duration::from_millis(20);
/// How often to ask the bot for its readiness, which costs it a write to its store.
const ASK: Duration = Duration::from_millis(50);
/// The secret in the path that SIGNL4 posts to.
pub const LISTENER_SECRET: &str = "a-listener-secret-of-some-length";
/// Names the configuration for the product and for [`bot_process`].
const CONFIG_VARIABLE: &str = "SIGNL4_BOT_CONFIG";
/// Names the bot's store.
const STORE_VARIABLE: &str = "SIGNL4_BOT_STORE__URL";
/// The bot's password.
pub const PASSWORD: &str = "a bot's password";
/// The team that is paged.
pub const TEAM: &str = "operations";

/// Creates a database on the PostgreSQL server for tests; returns its URL.
async fn new_database(server: &str) -> String {
    let name = format!("bridge_{:x}", rand::rng().random::<u64>());
    let mut connection = PgConnection::connect(server).await.unwrap();
    let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::query(create).execute(&mut connection).await.unwrap();
    let mut url = Url::parse(server).unwrap();
    url.set_path(&name);
    url.into()
}

/// Everything around the bot.
pub struct Harness {
    pub chat: RocketChat,
    pub signl4: Signl4,
    pub alice: User,
    pub bob: User,
    pub bot: User,
    /// The bot's personal access token.
    pub token: String,
    /// A public channel with Alice, Bob and the bot in it.
    pub room: Room,
    listener_port: u16,
    admin_port: u16,
    more_config: String,
    has_password: bool,
    /// More lines of its table `[rocketchat]`.
    chat_config: String,
    /// Further lines of `[listener]`.
    more_listener: String,
    environment: Vec<(String, String)>,
    /// A command that starts the bot: its own command line follows.
    through: Vec<String>,
    /// The bots run with [`fast`] waits instead of the product's.
    fast: bool,
    dir: TempDir,
    /// How many bots were started.
    started: AtomicU32,
}

impl Harness {
    /// A harness with healthy servers.
    pub async fn new() -> Self {
        Self::with_options(rocketchat::Options::default(), signl4::Options::default()).await
    }

    pub async fn with_options(chat: rocketchat::Options, signl4: signl4::Options) -> Self {
        let chat = RocketChat::start_with(chat).await.unwrap();
        let signl4 = Signl4::start(signl4).await.unwrap();
        let alice = chat.create_user("alice").unwrap();
        let bob = chat.create_user("bob").unwrap();
        let bot = chat.create_user(NewUser::bot("signl4.bot").password(PASSWORD)).unwrap();
        let token = chat.create_token(&bot).unwrap();
        let room = chat.create_room(NewRoom::channel("operations").members([&alice, &bob, &bot])).unwrap();
        let listener_port = free_port();
        signl4.set_outbound_url(&format!("http://127.0.0.1:{listener_port}/signl4/{LISTENER_SECRET}"));
        let mut environment = Vec::new();
        if let Ok(server) = std::env::var("SIGNL4_TEST_POSTGRES") {
            environment.push((STORE_VARIABLE.to_owned(), new_database(&server).await));
        }
        Self {
            chat,
            signl4,
            alice,
            bob,
            bot,
            token,
            room,
            listener_port,
            admin_port: free_port(),
            more_config: String::new(),
            has_password: false,
            chat_config: String::new(),
            more_listener: String::new(),
            environment,
            through: Vec::new(),
            fast: false,
            dir: TempDir::new().unwrap(),
            started: AtomicU32::new(0),
        }
    }

    /// A second installation with the same servers, with its own account in the same room.
    pub fn second_installation(&self) -> Self {
        let chat = &self.chat;
        let bot = chat.create_user(NewUser::bot("second.bot").password(PASSWORD)).unwrap();
        let token = chat.create_token(&bot).unwrap();
        chat.join(&self.room, &bot).unwrap();
        Self { bot, token, has_password: false, ..self.replica() }
    }

    /// Another process of the same installation, with addresses of its own. It has to share the store, which the configuration says.
    pub fn replica(&self) -> Self {
        Self {
            chat: self.chat.clone(),
            signl4: self.signl4.clone(),
            alice: self.alice.clone(),
            bob: self.bob.clone(),
            bot: self.bot.clone(),
            token: self.token.clone(),
            room: self.room.clone(),
            listener_port: free_port(),
            admin_port: free_port(),
            more_config: self.more_config.clone(),
            has_password: self.has_password,
            chat_config: self.chat_config.clone(),
            more_listener: String::new(),
            environment: Vec::new(),
            through: Vec::new(),
            fast: self.fast,
            dir: TempDir::new().unwrap(),
            started: AtomicU32::new(0),
        }
    }

    /// Adds lines to the end of `bot.toml`.
    pub fn configure(&mut self, toml: &str) {
        self.more_config.push_str(toml);
        self.more_config.push('\n');
    }

    /// The trigger "signl4" watches only these rooms.
    pub fn watch(&mut self, rooms: &[&str]) {
        self.configure(&format!("[[trigger]]\nname = \"signl4\"\npattern = 'SIGNL4'\nrooms = {rooms:?}"));
    }

    /// The bot does not join channels on its own.
    pub fn without_auto_join(mut self) -> Self {
        self.chat_config.push_str("auto_join = false\n");
        self
    }

    /// The bot logs in with its password instead of a token.
    pub fn with_password(mut self) -> Self {
        self.has_password = true;
        self
    }

    /// The bot posts under this name and picture.
    pub fn posting_as(mut self, alias: &str, avatar: &str) -> Self {
        self.chat_config.push_str(&format!("alias = {alias:?}\navatar = {avatar:?}\n"));
        self
    }

    /// How old missed messages may be and still raise alerts.
    pub fn with_catch_up(mut self, catch_up: &str) -> Self {
        self.chat_config.push_str(&format!("catch_up = {catch_up:?}\n"));
        self
    }

    /// Every bot that is started from now on has [`fast`] waits.
    pub fn with_fast_tempo(mut self) -> Self {
        self.fast = true;
        self
    }

    /// Another process begins to write to the store and does not finish.
    pub async fn lock_store(&self) -> StoreLock {
        loop {
            let mut connection = self.open_store().await;
            let lock = match connection.backend_name() {
                "PostgreSQL" => "BEGIN; LOCK TABLE alert, delivery, event, fact, room IN EXCLUSIVE MODE",
                _ => "BEGIN IMMEDIATE",
            };
            match sqlx::raw_sql(lock).execute(&mut connection).await {
                Ok(_) => return StoreLock(connection),
                // A deadlock with a transaction of the bot.
                Err(error) => {
                    assert_eq!(error.as_database_error().unwrap().code().unwrap(), "40P01", "{error}")
                }
            }
        }
    }

    /// Changes the store of the bot's process behind its back.
    pub async fn alter_store(&self, sql: &'static str) {
        sqlx::query(sql).execute(&mut self.open_store().await).await.unwrap();
    }

    /// Changes a fact in the store of the bot's process behind its back.
    pub async fn alter_fact(&self, name: &str, alter: impl Fn(&mut serde_json::Value)) {
        let mut store = self.open_store().await;
        let fact = sqlx::query_scalar("SELECT value FROM fact WHERE name = $1").bind(name);
        let fact: String = fact.fetch_one(&mut store).await.unwrap();
        let mut fact = serde_json::from_str(&fact).unwrap();
        alter(&mut fact);
        let update =
            sqlx::query("UPDATE fact SET value = $1 WHERE name = $2").bind(fact.to_string()).bind(name);
        update.execute(&mut store).await.unwrap();
    }

    /// The logins with a password that the store has, encrypted.
    pub async fn saved_logins(&self) -> Vec<Vec<u8>> {
        sqlx::query_scalar("SELECT sealed FROM login").fetch_all(&mut self.open_store().await).await.unwrap()
    }

    async fn open_store(&self) -> AnyConnection {
        sqlx::any::install_default_drivers();
        let file = format!("sqlite://{}", self.dir.path().join("signl4-rocketchat.db").display());
        let set = self.environment.iter().find(|(name, _)| name == STORE_VARIABLE);
        AnyConnection::connect(set.map_or(&file, |(_, url)| url)).await.unwrap()
    }

    /// Puts other lines at the end of `[listener]`.
    pub fn reconfigure_listener(&mut self, toml: &str) {
        toml.clone_into(&mut self.more_listener);
        self.write_config(&self.bot_toml());
    }

    /// Sets a variable for every bot that is started from now on.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Every bot that is started from now on has its own disk for its store, of this many KiB. It lasts as long as the
    /// bot.
    pub fn with_small_disk(mut self, kib: u32) -> Self {
        let place = self.path("disk");
        fs::create_dir(&place).unwrap();
        let mount = format!("mount -t tmpfs -o size={kib}k tmpfs {} && exec \"$0\" \"$@\"", place.display());
        let unshare = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", &mount];
        self.through = unshare.map(str::to_owned).to_vec();
        self.set_variable(STORE_VARIABLE, &format!("sqlite://{}/bot.db", place.display()));
        self
    }

    /// Every bot that is started from now on is started by this command.
    pub fn through<const N: usize>(mut self, command: [&str; N]) -> Self {
        self.through = command.map(str::to_owned).to_vec();
        self
    }

    /// Every bot that is started from now on believes that its log goes to systemd's journal.
    pub fn with_journal(mut self) -> Self {
        let reported =
            "JOURNAL_STREAM=$(stat --dereference --format %d:%i /proc/self/fd/2) exec \"$0\" \"$@\"";
        self.through = ["sh", "-c", reported].map(str::to_owned).to_vec();
        self
    }

    /// A path that no other harness has.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Replaces the lines at the end of `bot.toml`, which a running bot reads again on SIGHUP.
    pub fn reconfigure(&mut self, toml: &str) {
        toml.clone_into(&mut self.more_config);
        self.write_config(&self.bot_toml());
    }

    /// Disconnects the bot, runs something, and waits until the bot has caught up.
    pub async fn reconnect(&self, bot: &Bot, meanwhile: impl FnOnce()) {
        let so_far = bot.count_in_log(&["caught up"]);
        self.chat.faults().set(|switches| switches.refuse_connections = true);
        self.chat.faults().cut_connections();
        self.chat.wait_for(SOON, |chat| (chat.sessions_of(&self.bot) == 0).then_some(())).await.unwrap();
        meanwhile();
        self.chat.faults().set(|switches| switches.refuse_connections = false);
        bot.wait_for_logs(so_far + 1, &["caught up"]).await;
    }

    /// The URL of the bot's public listener, without a secret.
    pub fn listener_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.listener_port)
    }

    /// The URL of the bot's private listener.
    pub fn admin_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.admin_port)
    }

    /// Starts the bot and waits until it listens to the room.
    pub async fn start_bot(&self) -> Bot {
        let mut bot = self.spawn_bot();
        bot.wait_until_ready().await;
        bot
    }

    /// Runs the bot inside this process, where its times can be shortened. Dropped, it stops.
    pub async fn start_in_process(&self, tempo: Tempo) -> AbortOnDropHandle<Result<(), RunError>> {
        self.start_in_process_with(tempo, |_| {}).await
    }

    /// The same with a configuration that a file cannot express.
    pub async fn start_in_process_with(
        &self,
        tempo: Tempo,
        change: impl FnOnce(&mut Config),
    ) -> AbortOnDropHandle<Result<(), RunError>> {
        let store =
            format!("\n[store]\nurl = \"sqlite://{}\"\n", self.dir.path().join("inside.db").display());
        let config = self.write_config(&format!("{}{store}", self.bot_toml()));
        let mut config = Config::load(&Sources { path: Some(config), env: vec![] }).unwrap();
        change(&mut config);
        let bot = signl4_rocketchat::bot::Bot::start(config, tempo, Default::default()).await.unwrap();
        let bot = AbortOnDropHandle::new(tokio::spawn(bot.run()));
        let deadline = Instant::now() + SOON;
        while !self.is_ready().await {
            assert!(Instant::now() < deadline, "not ready");
            sleep(ASK).await;
        }
        bot
    }

    /// Waits until `/readyz` answers with this status and these words.
    pub async fn wait_for_readiness(&self, status: u16, words: &str) {
        let deadline = Instant::now() + SOON;
        loop {
            let reported = match http().get(format!("{}/readyz", self.admin_url())).send().await {
                Ok(answer) => (answer.status().as_u16(), answer.text().await.unwrap()),
                Err(error) => (0, error.to_string()),
            };
            if reported.0 == status && reported.1.contains(words) {
                return;
            }
            assert!(Instant::now() < deadline, "{reported:?} instead of {status} {words}");
            sleep(ASK).await;
        }
    }

    async fn is_ready(&self) -> bool {
        let answer = http().get(format!("{}/readyz", self.admin_url())).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    fn write_config(&self, text: &str) -> PathBuf {
        let config = self.dir.path().join("bot.toml");
        fs::write(&config, text).unwrap();
        config
    }

    /// Starts the bot's process.
    pub fn spawn_bot(&self) -> Bot {
        let config = self.write_config(&self.bot_toml());
        let started = self.started.fetch_add(1, Ordering::Relaxed);
        let log = self.dir.path().join(format!("{started:04}.log"));
        let this_program = std::env::current_exe().unwrap();
        let run: &[&str] = match self.fast {
            true => &[
                this_program.to_str().unwrap(),
                "--exact",
                "harness::bot_process",
                "--ignored",
                "--nocapture",
            ],
            false => &[env!("CARGO_BIN_EXE_signl4-rocketchat"), "run", "--log-format", "json"],
        };
        let mut command = self.through.iter().map(String::as_str).chain(run.iter().copied());
        let child = Command::new(command.next().unwrap())
            .args(command)
            .current_dir(self.dir.path())
            .env(CONFIG_VARIABLE, &config)
            .env("RUST_LOG", "trace")
            .env("NO_PROXY", "127.0.0.1")
            // Nothing here needs the certificates of this machine, and it takes a tenth of a start to read them.
            .env("SSL_CERT_FILE", "/dev/null")
            .env_remove("SSL_CERT_DIR")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Bot { child, log, admin: self.admin_url() }
    }

    /// Runs another command of the program with the bot's configuration.
    #[allow(dead_code, reason = "not every file that shares the harness needs it")]
    pub async fn command(&self, arguments: &[&str]) -> std::process::Output {
        let config = self.write_config(&self.bot_toml());
        let mut command = Command::new(env!("CARGO_BIN_EXE_signl4-rocketchat"));
        command.args(arguments).current_dir(self.dir.path()).env(CONFIG_VARIABLE, &config);
        command.env("NO_PROXY", "127.0.0.1").stdin(Stdio::null()).kill_on_drop(true);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        timeout(SOON, command.output()).await.unwrap().unwrap()
    }

    fn bot_toml(&self) -> String {
        let account = match self.has_password {
            true => format!("username = \"signl4.bot\"\npassword = {PASSWORD:?}"),
            false => format!("user_id = {:?}\nauth_token = {:?}", self.bot.id, self.token),
        };
        let tables = format!(
            "[rocketchat]\nurl = {:?}\n{account}\n{}\n[signl4]\nwebhook_url = {:?}\n\n\
             [listener]\nbind = \"127.0.0.1:{}\"\nsecret = {LISTENER_SECRET:?}\n{}\n\n[admin]\nbind = \"127.0.0.1:{}\"\n",
            self.chat.url(),
            self.chat_config,
            self.signl4.webhook_url(TEAM),
            self.listener_port,
            self.more_listener,
            self.admin_port,
        );
        format!("{tables}\n{}", self.more_config)
    }

    /// The log of every bot so far, the first one first.
    pub fn logs(&self) -> Vec<String> {
        let started = self.started.load(Ordering::Relaxed);
        (0..started)
            .map(|at| fs::read_to_string(self.dir.path().join(format!("{at:04}.log"))).unwrap())
            .collect()
    }

    /// Alice writes a message into the room.
    pub fn say(&self, text: &str) -> Message {
        self.chat.post(&self.room, &self.alice, text).unwrap()
    }

    /// Alice writes a message that SIGNL4 raises an alert for, and its answer is lost. Returns once the alert is there.
    pub async fn say_with_lost_answer(&self, text: &str) -> Message {
        self.signl4.faults().webhook(WebhookFault::LoseAnswer, Times::Next(1));
        let message = self.say(text);
        self.alert(text).await;
        message
    }

    /// Waits for the alert that a text raised.
    pub async fn alert(&self, text: &str) -> Alert {
        self.wait_for_texts(&[text]).await;
        self.signl4.alerts().into_iter().find(|alert| alert.text == text).unwrap()
    }

    /// Waits until there is an alert of each of these texts.
    pub async fn wait_for_texts(&self, texts: &[&str]) {
        self.wait_for_texts_within(texts, SOON).await;
    }

    pub async fn wait_for_texts_within(&self, texts: &[&str], deadline: Duration) {
        let all = |alerts: &[Alert]| texts.iter().all(|text| alerts.iter().any(|alert| alert.text == *text));
        let waited = self.signl4.wait_until(deadline, |alerts, _| all(alerts)).await;
        waited.unwrap_or_else(|error| panic!("{texts:?}: {error}; there are {:?}", self.texts()));
    }

    /// The texts of all alerts so far, in order of arrival.
    pub fn texts(&self) -> Vec<String> {
        self.signl4.alerts().into_iter().map(|alert| alert.text).collect()
    }

    /// Writes another message that matches, and waits for its alert. Messages are processed in order, so everything
    /// that the earlier ones requested has been done by then.
    pub async fn flush(&self) {
        self.flush_within(SOON).await;
    }

    /// The same after so many messages that it may take longer.
    pub async fn flush_within(&self, deadline: Duration) {
        let text = format!("SIGNL4 flush {}", unique());
        self.say(&text);
        self.wait_for_texts_within(&[&text], deadline).await;
    }

    /// Waits until the message is this old, by the server's clock.
    pub async fn wait_until_past(&self, message: &Message, age: Duration) {
        let age = i64::try_from(age.as_millis()).unwrap();
        while self.chat.now() < message.ts + age {
            sleep(LOOK).await;
        }
    }

    /// Alerts other than those of [`Harness::flush`].
    pub fn pages(&self) -> Vec<String> {
        self.texts().into_iter().filter(|text| !text.starts_with("SIGNL4 flush ")).collect()
    }

    /// Waits for a reply with this text in the thread of a message.
    pub async fn wait_for_reply(&self, message: &Message, text: &str) -> Message {
        self.chat.wait_for_reply(message, SOON, |reply| reply.text == text).await.unwrap()
    }

    /// The texts of the replies in the thread of a message.
    pub fn replies(&self, message: &Message) -> Vec<String> {
        self.chat.thread_replies(message).into_iter().map(|reply| reply.text).collect()
    }

    /// Posts a body to the listener as SIGNL4 does; the answer's status and text.
    pub async fn post_event(&self, body: &Value) -> (u16, String) {
        self.post(&format!("/signl4/{LISTENER_SECRET}"), body.to_string()).await
    }

    /// Posts anything to any path of the listener.
    pub async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> (u16, String) {
        let answer = http()
            .post(format!("{}{path}", self.listener_url()))
            .header("Content-Type", "application/json")
            .body(body)
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

/// The body of a notification about an alert: status changed.
pub fn status_event(id: &str, alert: &Value, status: u16) -> Value {
    let mut alert = alert.clone();
    alert["statusCode"] = json!(status);
    json!({"eventType": 201, "id": id, "user": {"username": "Rene"}, "alert": alert})
}

/// Waits about a tenth as long as the product's.
pub fn fast() -> Tempo {
    Tempo {
        look_again: Duration::from_millis(500),
        poll_every: Duration::from_millis(500),
        poll_after: Duration::from_secs(1),
        search_again: Duration::from_millis(500),
        stalled_after: Duration::from_secs(2),
        realtime: Timing {
            ping_after: Duration::from_secs(1),
            dead_after: Duration::from_secs(3),
            first_retry: Duration::from_millis(100),
            last_retry: Duration::from_secs(1),
            ..Timing::default()
        },
        store_busy: Duration::from_secs(1),
        store_late: Duration::from_secs(3),
        retry_unit: Duration::from_millis(100),
        confirmation_wait: Duration::from_secs(3),
        ..Tempo::default()
    }
}

/// The bot of [`Harness::with_fast_tempo`]: the command `run` with other waits, in its own process.
#[test]
#[ignore = "not a test; the harness starts it"]
fn bot_process() {
    let Some(config) = std::env::var_os(CONFIG_VARIABLE) else { return };
    logging::start(LogFormat::Json, "info").unwrap();
    let run = command::run(Some(config.into()), fast());
    let code = match tokio::runtime::Runtime::new().unwrap().block_on(run) {
        Ok(()) => 0,
        Err(failure) => {
            eprintln!("{failure}");
            failure.exit_code()
        }
    };
    std::process::exit(code.into());
}

/// Looks for dropped messages all the time.
pub fn fast_rounds() -> Tempo {
    Tempo {
        look_again: Duration::from_millis(200),
        search_again: Duration::from_millis(200),
        ..Tempo::default()
    }
}

/// The clock of the bot's machine, which may be set while it runs. The monotonic clock is not affected.
pub struct FakeClock(PathBuf);

impl FakeClock {
    /// For every bot that is started from now on. `None` if `LIBFAKETIME` does not name `libfaketimeMT.so.1`.
    pub fn of(harness: &mut Harness) -> Option<Self> {
        let library = std::env::var("LIBFAKETIME").ok()?;
        let file = harness.path("clock");
        harness.set_variable("LD_PRELOAD", &library);
        harness.set_variable("FAKETIME_TIMESTAMP_FILE", file.to_str().unwrap());
        harness.set_variable("FAKETIME_NO_CACHE", "1");
        harness.set_variable("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        let clock = Self(file);
        clock.set(0);
        Some(clock)
    }

    /// Sets it to this many seconds ahead.
    pub fn set(&self, ahead: i64) {
        let new = self.0.with_extension("new");
        fs::write(&new, format!("{ahead:+}\n")).unwrap();
        fs::rename(new, &self.0).unwrap();
    }
}

/// The store of the bot's process, locked.
pub struct StoreLock(AnyConnection);

impl StoreLock {
    /// Waits until the bot has been refused once more.
    pub async fn hold_for_another_failure(&self, bot: &Bot) {
        const REFUSED: &[&str] = &["cannot store the alerts of messages"];
        bot.wait_for_logs(bot.count_in_log(REFUSED) + 1, REFUSED).await;
    }

    pub async fn release(mut self) {
        sqlx::query("ROLLBACK").execute(&mut self.0).await.unwrap();
    }
}

/// The bot as a process. Dropped, it is killed.
pub struct Bot {
    child: Child,
    log: PathBuf,
    admin: String,
}

impl Bot {
    /// Waits until `/readyz` answers 200.
    pub async fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + SOON;
        loop {
            let answer = http().get(format!("{}/readyz", self.admin)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "not ready ({ended:?}):\n{}", self.log());
            sleep(ASK).await;
        }
    }

    /// Waits until a line of the log has all of these in it.
    pub async fn wait_for_log(&self, parts: &[&str]) {
        self.wait_for_logs(1, parts).await;
    }

    /// Waits until this many lines of the log contain all of these.
    pub async fn wait_for_logs(&self, count: usize, parts: &[&str]) {
        let deadline = Instant::now() + SOON;
        while self.count_in_log(parts) < count {
            assert!(Instant::now() < deadline, "fewer than {count} lines have {parts:?}:\n{}", self.log());
            sleep(LOOK).await;
        }
    }

    /// How many lines of the log have all of these in them.
    pub fn count_in_log(&self, parts: &[&str]) -> usize {
        self.log().lines().filter(|line| parts.iter().all(|part| line.contains(part))).count()
    }

    /// Waits until the log meets a condition.
    pub async fn wait_until(&self, what: &str, holds: impl Fn() -> bool) {
        let deadline = Instant::now() + SOON;
        while !holds() {
            assert!(Instant::now() < deadline, "did not happen: {what}\n{}", self.log());
            sleep(LOOK).await;
        }
    }

    /// Everything it logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Its memory in KiB (`VmRSS` of proc(5)).
    pub fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// How many files it may have open (the soft limit).
    pub fn descriptor_limit(&self) -> String {
        let limits = fs::read_to_string(format!("/proc/{}/limits", self.child.id().unwrap())).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        line.split_whitespace().nth(3).unwrap().to_owned()
    }

    /// Fills the disk of its store to the last byte. Removing the file frees it.
    pub fn fill_disk(&self, harness: &Harness) -> PathBuf {
        fill_disk(&self.child, &harness.path("disk"))
    }

    /// Panics if it has ended on its own.
    pub fn assert_runs(&mut self) {
        let ended = self.child.try_wait().unwrap();
        assert!(ended.is_none(), "{ended:?}:\n{}", self.log());
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// SIGKILL: like a machine failure.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGTERM; the exit status.
    pub async fn stop(mut self) -> ExitStatus {
        self.signal("-TERM").await;
        self.wait().await
    }

    /// SIGHUP; returns what the bot has logged since then, as soon as it reports the outcome.
    pub async fn reload(&self) -> String {
        let before = self.log().len();
        self.signal("-HUP").await;
        let deadline = Instant::now() + SOON;
        loop {
            let log = self.log().split_off(before);
            if ["configuration reloaded", "nothing changed"].iter().any(|reported| log.contains(reported)) {
                return log;
            }
            assert!(Instant::now() < deadline, "nothing came of it:\n{log}");
            sleep(LOOK).await;
        }
    }

    /// Sends it a signal, such as `-STOP`.
    pub async fn signal(&self, signal: &str) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().await.unwrap().success());
    }

    /// Waits until it ends on its own.
    pub async fn wait(&mut self) -> ExitStatus {
        timeout(SOON, self.child.wait())
            .await
            .unwrap_or_else(|_| panic!("still runs:\n{}", self.log()))
            .unwrap()
    }
}

/// An HTTP client for the loopback. It keeps no connections, so that the runtimes of all tests can share it.
pub fn http() -> reqwest::Client {
    static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
        // The sandbox may have chosen the provider already; it is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0);
        client.tls_certs_only([]).timeout(Duration::from_secs(20)).build().unwrap()
    });
    CLIENT.clone()
}

/// Fills a disk that a process has mounted to the last byte. Removing the file frees it.
pub fn fill_disk(process: &Child, mounted: &Path) -> PathBuf {
    let root = PathBuf::from(format!("/proc/{}/root", process.id().unwrap()));
    let filler = root.join(mounted.join("filler").strip_prefix("/").unwrap());
    let mut file = File::create(&filler).unwrap();
    let full = loop {
        if let Err(error) = file.write_all(&[0; 512]) {
            break error;
        }
    };
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    filler
}

/// A number that no other call gets.
fn unique() -> u64 {
    rand::rng().random()
}
