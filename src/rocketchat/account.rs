//! The bot's account: how it proves itself, and the live token that REST and realtime share.
//!
//! A personal access token is used as it is. A password is spent once, over REST and as a SHA-256 digest, on a token
//! that is then kept in memory: a server keeps at most 50 tokens a user, so logging in at each reconnect would push
//! out others. When that token dies, one renewal gets the next, however many callers noticed.

use std::sync::{Arc, RwLock};

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use super::clock::ServerClock;
use super::realtime::LostReason;
use super::rest::exchange::{MAX_BODY, exchange};
use super::rest::{Effect, RestError};
use super::{Connector, ServerUrl, UserId, wire};

/// How the bot proves who it is.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// A personal access token.
    Token {
        /// The `_id` of the user the token belongs to; shown beside the token when it is made.
        user_id: UserId,
        /// The token.
        token: SecretString,
    },
    /// A password. Only its SHA-256 digest ever leaves.
    Password {
        /// The user name, or an e-mail address.
        username: String,
        /// The password.
        password: SecretString,
    },
}

/// Who the bot is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `_id`: what tells the bot's own messages.
    pub user_id: UserId,
    /// `username`.
    pub username: String,
}

/// Why the account cannot be used until somebody mends it. Nothing else ends [`run`](super::realtime::Realtime::run).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fatal {
    /// The personal access token is not, or no longer, accepted.
    #[error(
        "Rocket.Chat does not accept the personal access token: {0}; make a new one (My Account > Personal Access Tokens) and check that the user ID belongs to it"
    )]
    TokenDead(String),
    /// User name or password are not accepted.
    #[error(
        "Rocket.Chat refuses the login: {0}; check user name and password, and that the account is active"
    )]
    Refused(String),
    /// The account demands a second factor.
    #[error(
        "Rocket.Chat demands a second factor (TOTP or e-mail code) for this account; use a personal access token that ignores it"
    )]
    SecondFactor,
    /// The token is somebody else's.
    #[error("the token belongs to user \"{actual}\", not to \"{configured}\"")]
    WrongUser {
        /// The user ID that was given with the token.
        configured: UserId,
        /// Whose token it is.
        actual: UserId,
    },
}

/// Why there is no login.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// Somebody must mend the account.
    #[error(transparent)]
    Fatal(#[from] Fatal),
    /// Login over REST is switched off here; the realtime session logs in over DDP instead.
    #[error("Rocket.Chat does not log in over REST: {0}")]
    RestDisabled(String),
    /// Not now.
    #[error(transparent)]
    NotNow(RestError),
}

/// A login that holds.
#[derive(Debug)]
pub(super) struct Login {
    pub(super) identity: Identity,
    pub(super) token: SecretString,
}

/// What the realtime session logs in with.
#[derive(Clone, Debug)]
pub(super) enum LoginRequest {
    /// A token.
    Resume(Arc<Login>),
    /// The DDP password login, where there is none over REST.
    Password { username: String, digest: SecretString },
}

/// An account on a server. Shared (`Arc`) by the REST client and the realtime session.
#[derive(Debug)]
pub struct Account {
    server: ServerUrl,
    credentials: Credentials,
    connector: Connector,
    live: RwLock<Option<Arc<Login>>>,
    /// Held while logging in, so that many callers make one login.
    logging_in: Mutex<()>,
    clock: ServerClock,
}

impl Account {
    /// An account that is not logged in yet.
    pub fn new(server: ServerUrl, credentials: Credentials, connector: Connector) -> Self {
        Self {
            server,
            credentials,
            connector,
            live: RwLock::new(None),
            logging_in: Mutex::new(()),
            clock: ServerClock::default(),
        }
    }

    /// The server.
    pub fn server(&self) -> &ServerUrl {
        &self.server
    }

    /// Who the bot is; unknown before the first login.
    pub fn identity(&self) -> Option<Identity> {
        self.live().map(|login| login.identity.clone())
    }

    /// Logs in over REST unless that is done already, and tells who the bot is. Tries once.
    pub async fn log_in(&self) -> Result<Identity, LoginError> {
        Ok(self.login().await?.identity.clone())
    }

    /// Server's clock minus ours, exact to about a second; unknown before the first REST answer.
    pub fn clock_offset(&self) -> Option<SignedDuration> {
        self.clock.offset()
    }

    pub(super) fn connector(&self) -> &Connector {
        &self.connector
    }

    pub(super) fn clock(&self) -> &ServerClock {
        &self.clock
    }

    pub(super) fn has_password(&self) -> bool {
        matches!(self.credentials, Credentials::Password { .. })
    }

    /// The live login, made if there is none. Many callers at once make one login.
    pub(super) async fn login(&self) -> Result<Arc<Login>, LoginError> {
        if let Some(login) = self.live() {
            return Ok(login);
        }
        let _single_flight = self.logging_in.lock().await;
        if let Some(login) = self.live() {
            return Ok(login);
        }
        let login = match &self.credentials {
            Credentials::Token { user_id, token } => self.check_token(user_id, token).await?,
            Credentials::Password { username, password } => self.spend_password(username, password).await?,
        };
        Ok(self.keep(login))
    }

    /// A login in place of one that the server no longer accepts. Whoever comes second gets what the first has got.
    pub(super) async fn renew(&self, dead: &Arc<Login>) -> Result<Arc<Login>, LoginError> {
        if let Credentials::Token { .. } = self.credentials {
            return Err(Fatal::TokenDead("it has expired or was revoked".to_owned()).into());
        }
        self.forget(dead);
        self.login().await
    }

    /// The server did not accept the token over DDP. It is forgotten, so that the next login decides over REST whether
    /// it is dead: one more witness before a night's pages depend on it, since a streamer says the same of a good
    /// token while the rest of it is starting up.
    pub(super) fn token_refused(&self, reason: String) -> LostReason {
        if let Ok(mut live) = self.live.write() {
            *live = None;
        }
        if self.has_password() { LostReason::TokenExpired } else { LostReason::Login(reason) }
    }

    /// What the realtime session logs in with.
    pub(super) async fn login_request(&self) -> Result<LoginRequest, LoginError> {
        match (self.login().await, &self.credentials) {
            (Ok(login), _) => Ok(LoginRequest::Resume(login)),
            (Err(LoginError::RestDisabled(_)), Credentials::Password { username, password }) => {
                Ok(LoginRequest::Password { username: username.clone(), digest: digest(password) })
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Takes in what the server answered to a login over DDP. A token got with a password is kept for REST too.
    pub(super) fn accept(&self, user_id: UserId, token: Option<SecretString>) -> Result<Identity, Fatal> {
        match (&self.credentials, self.live()) {
            (Credentials::Token { user_id: configured, .. }, _) if *configured != user_id => {
                Err(Fatal::WrongUser { configured: configured.clone(), actual: user_id })
            }
            (_, Some(live)) => Ok(live.identity.clone()),
            (Credentials::Password { username, .. }, None) => {
                let identity = Identity { user_id, username: username.clone() };
                if let Some(token) = token {
                    self.keep(Login { identity: identity.clone(), token });
                }
                Ok(identity)
            }
            (Credentials::Token { .. }, None) => Ok(Identity { username: user_id.to_string(), user_id }),
        }
    }

    /// Asks `me` whether the token is good, and for the user's name.
    async fn check_token(&self, user_id: &UserId, token: &SecretString) -> Result<Login, LoginError> {
        let request = authorized(self.connector.http().get(self.server.api("me")), user_id, token);
        let answer = exchange(request, MAX_BODY, &self.clock).await.map_err(|error| match error {
            RestError::Unauthorized { reason } => Fatal::TokenDead(reason).into(),
            error => LoginError::NotNow(error),
        })?;
        let username = wire::filled(&answer.body, "username").unwrap_or(user_id.as_str()).to_owned();
        Ok(Login { identity: Identity { user_id: user_id.clone(), username }, token: token.clone() })
    }

    async fn spend_password(&self, username: &str, password: &SecretString) -> Result<Login, LoginError> {
        let body = json!({
            "user": username,
            "password": {"digest": digest(password).expose_secret(), "algorithm": "sha-256"},
        });
        let request = self.connector.http().post(self.server.api("login")).json(&body);
        let answer = exchange(request, MAX_BODY, &self.clock).await.map_err(login_refused)?;
        read_login(&answer.body, username)
            .ok_or_else(|| LoginError::NotNow(RestError::unclear("the answer to the login has no token")))
    }

    fn live(&self) -> Option<Arc<Login>> {
        self.live.read().ok().and_then(|live| live.clone())
    }

    fn forget(&self, dead: &Arc<Login>) {
        if let Ok(mut live) = self.live.write() {
            live.take_if(|live| Arc::ptr_eq(live, dead));
        }
    }

    fn keep(&self, login: Login) -> Arc<Login> {
        let login = Arc::new(login);
        if let Ok(mut live) = self.live.write() {
            *live = Some(Arc::clone(&login));
        }
        login
    }
}

/// Adds the two headers that prove who calls.
pub(super) fn authorized(
    request: reqwest::RequestBuilder,
    user_id: &UserId,
    token: &SecretString,
) -> reqwest::RequestBuilder {
    let request = request.header("X-User-Id", user_id.as_str());
    match reqwest::header::HeaderValue::from_str(token.expose_secret()) {
        Ok(mut value) => {
            value.set_sensitive(true);
            request.header("X-Auth-Token", value)
        }
        // Not a token that a server could have made: the call goes out without and is answered 401.
        Err(_) => request,
    }
}

/// `{status, data: {userId, authToken, me: {username}}}`
fn read_login(body: &Value, username: &str) -> Option<Login> {
    let data = body.get("data")?;
    let user_id = UserId::new(wire::filled(data, "userId")?);
    let token = SecretString::from(wire::filled(data, "authToken")?.to_owned());
    let username = data.get("me").and_then(|me| wire::filled(me, "username")).unwrap_or(username).to_owned();
    Some(Login { identity: Identity { user_id, username }, token })
}

/// Sorts a refused REST login. Only what is surely about the credentials is fatal.
fn login_refused(error: RestError) -> LoginError {
    match error {
        RestError::Unauthorized { reason } | RestError::Rejected { status: 403, reason, .. }
            if is_second_factor(&reason) =>
        {
            Fatal::SecondFactor.into()
        }
        RestError::Rejected { code, .. } if is_second_factor(&code) => Fatal::SecondFactor.into(),
        RestError::Unauthorized { reason } if reason.contains("blocked") => {
            // Too many failed logins; the server forgets them after a few minutes.
            let until = Timestamp::now() + SignedDuration::from_mins(1);
            LoginError::NotNow(RestError::RateLimited { until })
        }
        RestError::Unauthorized { reason } => Fatal::Refused(reason).into(),
        RestError::Rejected { status, reason, .. } => {
            LoginError::RestDisabled(format!("{reason} (HTTP {status})"))
        }
        error => LoginError::NotNow(error),
    }
}

fn is_second_factor(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("totp") || text.contains("2fa")
}

/// The SHA-256 digest of a password in lower-case hex, which is all the server ever sees of it.
fn digest(password: &SecretString) -> SecretString {
    let hash = Sha256::digest(password.expose_secret().as_bytes());
    SecretString::from(hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

impl From<LoginError> for RestError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Fatal(fatal) => Self::Unauthorized { reason: fatal.to_string() },
            LoginError::RestDisabled(_) => Self::unreachable("not logged in yet"),
            LoginError::NotNow(Self::Unavailable { reason, .. }) => {
                Self::Unavailable { reason, effect: Effect::None }
            }
            LoginError::NotNow(error) => error,
        }
    }
}
