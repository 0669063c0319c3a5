//! A server with a room, a user and the bot's account, and a realtime session that listens there.

use std::sync::Arc;
use std::time::Duration;

use rocketchat::realtime::{ConnectionState, FrameCounts, LostReason, Realtime, RealtimeEvent, Timing};
use rocketchat::{Account, Connector, Credentials, Fatal, Message, UserId};
use sandbox::rocketchat::{NewMessage, NewRoom, NewUser, Options, RocketChat, Room, User};
use secrecy::SecretString;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long a test waits for what must come, also on a busy machine.
pub const SOON: Duration = Duration::from_secs(30);
/// The bot's password.
pub const PASSWORD: &str = "pa55word-of-the-bot";

/// The server's side.
pub struct Harness {
    pub chat: RocketChat,
    pub room: Room,
    pub alice: User,
    pub bot: User,
}

impl Harness {
    pub async fn new() -> Self {
        Self::with(Options::default()).await
    }

    pub async fn with(options: Options) -> Self {
        let chat = RocketChat::start_with(options).await.unwrap();
        let alice = chat.create_user("alice").unwrap();
        let bot = chat.create_user(NewUser::bot("signl4.bot").password(PASSWORD)).unwrap();
        let room = chat.create_room(NewRoom::channel("ops").members([&alice, &bot])).unwrap();
        Self { chat, room, alice, bot }
    }

    /// Alice says something in the room.
    pub fn say(&self, text: impl Into<NewMessage>) {
        self.chat.post(&self.room, &self.alice, text).unwrap();
    }

    pub fn token(&self) -> Credentials {
        let token = SecretString::from(self.chat.create_token(&self.bot).unwrap());
        Credentials::Token { user_id: UserId::new(&self.bot.id), token }
    }

    pub fn password(&self) -> Credentials {
        Credentials::Password { username: "signl4.bot".into(), password: SecretString::from(PASSWORD) }
    }

    pub fn account(&self, credentials: Credentials) -> Arc<Account> {
        let server = self.chat.url().parse().unwrap();
        let account = Account::new(server, credentials, Connector::new("test").unwrap());
        Arc::new(account.with_login_wait(Duration::from_millis(10)))
    }

    /// Listens with a personal access token.
    pub fn listen(&self) -> Listener {
        Listener::start(self, self.token(), timing(), 1_024)
    }

    /// Listens with a personal access token, and is online.
    pub async fn online(&self) -> Listener {
        let mut listener = self.listen();
        listener.ready().await;
        listener
    }
}

/// Waits until something holds.
pub async fn until(mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, wait).await.expect("it did not come to hold in time");
}

/// The default timing with short waits between attempts.
pub fn timing() -> Timing {
    Timing {
        first_retry: Duration::from_millis(20),
        last_retry: Duration::from_millis(500),
        ..Timing::default()
    }
}

/// The bot's side. Stops when dropped.
pub struct Listener {
    events: mpsc::Receiver<RealtimeEvent>,
    pub state: watch::Receiver<ConnectionState>,
    pub counts: Arc<FrameCounts>,
    run: JoinHandle<()>,
    cancel: CancellationToken,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl Listener {
    pub fn start(harness: &Harness, credentials: Credentials, timing: Timing, capacity: usize) -> Self {
        Self::run(Realtime::new(harness.account(credentials)).with_timing(timing), capacity)
    }

    pub fn run(realtime: Realtime, capacity: usize) -> Self {
        let (sender, events) = mpsc::channel(capacity);
        let cancel = CancellationToken::new();
        let (state, counts) = (realtime.state(), realtime.counts());
        let stop = cancel.clone();
        let run = tokio::spawn(async move { realtime.run(sender, stop).await });
        Self { events, state, counts, run, cancel }
    }

    pub async fn next(&mut self) -> RealtimeEvent {
        timeout(SOON, self.events.recv())
            .await
            .expect("no event came in time")
            .expect("the session has stopped")
    }

    /// The next event that `pick` accepts; others are skipped.
    pub async fn until<T>(&mut self, mut pick: impl FnMut(RealtimeEvent) -> Option<T>) -> T {
        loop {
            if let Some(picked) = pick(self.next().await) {
                return picked;
            }
        }
    }

    /// Waits until a session is online; returns its number.
    pub async fn ready(&mut self) -> u64 {
        self.until(|event| match event {
            RealtimeEvent::Ready { session, .. } => Some(session),
            _ => None,
        })
        .await
    }

    /// Waits until a session is lost; returns the reason and the wait before the next attempt.
    pub async fn lost(&mut self) -> (LostReason, Duration) {
        self.until(|event| match event {
            RealtimeEvent::Lost { reason, retry_in } => Some((reason, retry_in)),
            _ => None,
        })
        .await
    }

    /// Waits until a session is lost for the reason with this name.
    pub async fn lost_for(&mut self, name: &str) -> (LostReason, Duration) {
        loop {
            let (reason, retry_in) = self.lost().await;
            if reason.name() == name {
                return (reason, retry_in);
            }
        }
    }

    /// The next message. Panics if the session is lost before it.
    pub async fn message(&mut self) -> Message {
        self.until(|event| match event {
            RealtimeEvent::Message(streamed) => Some(*streamed.message),
            RealtimeEvent::Lost { reason, .. } => panic!("lost: {reason}"),
            _ => None,
        })
        .await
    }

    /// Waits until it has ended.
    pub async fn end(&mut self) {
        timeout(SOON, &mut self.run).await.expect("it did not end in time").unwrap();
    }

    /// Waits until the account is refused; returns why.
    pub async fn refused(&mut self) -> Fatal {
        match self.lost_for("account").await {
            (LostReason::Account(fatal), _) => fatal,
            (reason, _) => panic!("{reason}"),
        }
    }

    pub fn cancel(&self) {
        self.cancel.cancel();
    }
}
