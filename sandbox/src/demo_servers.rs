//! The content of the demo: people, rooms, a bot account and a person on duty, on both simulators.

use crate::rocketchat::{NewMessage, NewRoom, NewUser, Options as ChatOptions, Refusal, RocketChat, User};
use crate::signl4::{Options as Signl4Options, Person, Signl4, StartError, Team};

/// The team whose webhook the bot pages.
const TEAM: &str = "operations";
/// Age of the first message at the start, and the time between two messages, in ms.
const FIRST_MESSAGE_AGO: i64 = 34 * 60_000;
const BETWEEN_MESSAGES: i64 = 3 * 60_000;

/// A simulated Rocket.Chat and a simulated SIGNL4 with everything in them that a bot needs, both on free loopback ports.
///
/// They run until the last handle to them is dropped.
#[derive(Clone)]
pub struct DemoServers {
    chat: RocketChat,
    signl4: Signl4,
    bot: User,
    bot_token: String,
}

/// Why the servers could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The simulated Rocket.Chat could not listen.
    #[error("the simulated Rocket.Chat cannot listen on the loopback address")]
    Chat(#[from] std::io::Error),
    /// The simulated SIGNL4 did not start.
    #[error("the simulated SIGNL4 does not start")]
    Signl4(#[from] StartError),
    /// A person or a room could not be created.
    #[error("the people and rooms cannot be created")]
    Seed(#[from] Refusal),
}

impl DemoServers {
    /// Starts both simulators and fills them.
    ///
    /// # Errors
    /// [`DemoError`] if no loopback port is free.
    pub async fn start() -> Result<Self, DemoError> {
        let chat =
            RocketChat::start_with(ChatOptions { seed: rand::random(), ..ChatOptions::default() }).await?;
        let signl4 = Signl4::start(Signl4Options {
            teams: vec![Team::new(TEAM)],
            people: ["Rene", "Mia", "Jonas"].map(Person::new).to_vec(),
            ..Signl4Options::default()
        })
        .await?;
        let bot = chat.create_user(NewUser::bot("signl4.bot").name("SIGNL4 Bot"))?;
        let bot_token = chat.create_token(&bot)?;
        seed(&chat, &bot)?;
        Ok(Self { chat, signl4, bot, bot_token })
    }

    /// The simulated Rocket.Chat.
    pub fn chat(&self) -> &RocketChat {
        &self.chat
    }

    /// The simulated SIGNL4.
    pub fn signl4(&self) -> &Signl4 {
        &self.signl4
    }

    /// The bot's `rocketchat.url`.
    pub fn chat_url(&self) -> String {
        self.chat.url()
    }

    /// The bot's `rocketchat.user_id`.
    pub fn bot_user_id(&self) -> &str {
        &self.bot.id
    }

    /// The bot's `rocketchat.auth_token`, valid on this simulator only.
    pub fn bot_token(&self) -> &str {
        &self.bot_token
    }

    /// The bot's `signl4.webhook_url`.
    pub fn webhook_url(&self) -> String {
        self.signl4.webhook_url(TEAM)
    }

    /// Sends SIGNL4's notifications to the bot's listener, `http://host:port/signl4/{secret}`.
    pub fn set_outbound_url(&self, url: &str) {
        self.signl4.set_outbound_url(url);
    }
}

/// Rooms, people, and the messages of the last half hour. No text matches the default trigger.
fn seed(chat: &RocketChat, bot: &User) -> Result<(), Refusal> {
    let alice = chat.create_user(NewUser::named("alice").name("Alice Meyer"))?;
    let bob = chat.create_user(NewUser::named("bob").name("Bob Tanaka"))?;
    let carol = chat.create_user(NewUser::named("carol").name("Carol Diaz"))?;
    let everybody = [&alice, &bob, &carol, bot];
    let general = chat.create_room(NewRoom::channel("general").members(everybody))?;
    let operations = chat.create_room(NewRoom::channel("operations").members(everybody))?;
    let control_room = chat.create_room(NewRoom::group("control-room").members([&alice, &bob, bot]))?;
    let messages = [
        (&general, &alice, "Morning everybody. The new seals for the pumps have arrived."),
        (&general, &bob, "Great, I'll take them down to the plant after lunch."),
        (&operations, &carol, "Night shift was quiet. Pressure on line 2 a bit low, nothing to worry about."),
        (&operations, &alice, "Thanks Carol. I'll keep an eye on it."),
        (&control_room, &bob, "The spare key for cabinet 4 is with me today."),
    ];
    let mut at = chat.now() - FIRST_MESSAGE_AGO;
    for (room, author, text) in messages {
        chat.post(room, author, NewMessage::text(text).at(at))?;
        at += BETWEEN_MESSAGES;
    }
    Ok(())
}
