//! The bot's account: how it proves itself, and the live token that REST and realtime share.
//!
//! A personal access token is used as it is. A password is spent once, over REST and as a SHA-256 digest, on a token
//! that is then kept in memory: a server keeps at most 50 tokens a user, so logging in at each reconnect would push
//! out others. When that token dies, one renewal gets the next, however many callers noticed.
//!
//! A server that refuses a token may be mistaken or mean something else (a missing right is 401 too, from 8.0 on). So a
//! refused token is doubted, and `me` decides, before a password is spent or the account is given up.

mod error;
#[cfg(test)]
mod tests;

pub use error::{Fatal, LoginError};
pub(super) use error::{is_blocked, is_deactivated, is_second_factor};

use std::sync::{Arc, RwLock};

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use crate::http::{Connector, Http, MAX_BODY, RestError};
use crate::{ServerUrl, UserId, wire};

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

/// What is known of the live token.
#[derive(Clone, Debug)]
enum Standing {
    /// There is none.
    None,
    /// It was accepted, and nobody has said otherwise since.
    Good(Arc<Login>),
    /// It was refused somewhere.
    Doubted(Arc<Login>),
    /// It was refused, and REST stood by it.
    Vouched(Arc<Login>),
}

impl Standing {
    fn login(&self) -> Option<&Arc<Login>> {
        match self {
            Self::None => None,
            Self::Good(login) | Self::Doubted(login) | Self::Vouched(login) => Some(login),
        }
    }
}

/// An account on a server. Shared (`Arc`) by the REST client and the realtime session.
#[derive(Debug)]
pub struct Account {
    http: Http,
    credentials: Credentials,
    standing: RwLock<Standing>,
    /// Held while logging in, so that many callers make one login.
    logging_in: Mutex<()>,
}

impl Account {
    /// An account that is not logged in yet.
    pub fn new(server: ServerUrl, credentials: Credentials, connector: Connector) -> Self {
        Self {
            http: Http::new(server, connector),
            credentials,
            standing: RwLock::new(Standing::None),
            logging_in: Mutex::new(()),
        }
    }

    /// The server.
    pub fn server(&self) -> &ServerUrl {
        self.http.server()
    }

    /// Who the bot is; unknown before the first login.
    pub fn identity(&self) -> Option<Identity> {
        self.known().map(|login| login.identity.clone())
    }

    /// Logs in over REST unless that is done already, and tells who the bot is. Tries once.
    pub async fn log_in(&self) -> Result<Identity, LoginError> {
        Ok(self.login().await?.identity.clone())
    }

    /// What time it is at the server, exact to about a second; unknown before the first REST answer. Ours being set does not
    /// move it.
    pub fn server_now(&self) -> Option<Timestamp> {
        self.http.server_now()
    }

    /// Server's clock minus ours.
    pub fn clock_offset(&self) -> Option<SignedDuration> {
        self.server_now().map(|server| server.duration_since(Timestamp::now()))
    }

    pub(super) fn http(&self) -> &Http {
        &self.http
    }

    /// The live login, made if there is none. Many callers at once make one login.
    pub(super) async fn login(&self) -> Result<Arc<Login>, LoginError> {
        if let Standing::Good(login) | Standing::Vouched(login) = self.standing() {
            return Ok(login);
        }
        let _single_flight = self.logging_in.lock().await;
        let doubted = match self.standing() {
            Standing::Good(login) | Standing::Vouched(login) => return Ok(login),
            Standing::Doubted(login) => Some(login),
            Standing::None => None,
        };
        if let Some(login) = self.still_good(doubted).await? {
            self.set(Standing::Vouched(Arc::clone(&login)));
            return Ok(login);
        }
        let login = match &self.credentials {
            Credentials::Token { user_id, token } => self.check_token(user_id, token).await?,
            Credentials::Password { username, password } => self.spend_password(username, password).await?,
        };
        let login = Arc::new(login);
        self.set(Standing::Good(Arc::clone(&login)));
        Ok(login)
    }

    /// A login in place of one that was refused; the same one where the server, asked for it, stands by it. Whoever
    /// comes second gets what the first has got.
    pub(super) async fn renew(&self, refused: &Arc<Login>) -> Result<Arc<Login>, LoginError> {
        self.doubt(|login| Arc::ptr_eq(login, refused));
        self.login().await
    }

    /// The server did not accept the token over DDP. It is doubted, so that the next login decides over REST whether it
    /// is dead: one more witness before a night's pages depend on it.
    ///
    /// REST takes an expired token until the server clears it away, which may be minutes later. So where there is a
    /// password, it is spent once DDP says "expired", or insists.
    /// Whether a new login follows, which a password allows.
    pub(super) fn token_refused(&self, reason: &str) -> bool {
        if let Credentials::Token { .. } = self.credentials {
            self.doubt(|_| true);
            return false;
        }
        match self.standing() {
            Standing::Good(_) if !reason.contains("expired") => self.doubt(|_| true),
            _ => self.set(Standing::None),
        }
        true
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

    /// Takes in what the server answered to a login over DDP. A token that was got or proved good so is kept for REST.
    pub(super) fn accept(&self, user_id: UserId, token: Option<SecretString>) -> Result<Identity, Fatal> {
        let name = match &self.credentials {
            Credentials::Token { user_id: configured, .. } if *configured != user_id => {
                return Err(Fatal::WrongUser { configured: configured.clone(), actual: user_id });
            }
            Credentials::Token { user_id, .. } => user_id.as_str(),
            Credentials::Password { username, .. } => username,
        };
        let known = self.known().filter(|login| login.identity.user_id == user_id);
        let identity = match known {
            Some(login) => login.identity.clone(),
            None => Identity { username: name.to_owned(), user_id },
        };
        if let Some(token) = token
            && !matches!(self.standing(), Standing::Good(_))
        {
            self.set(Standing::Good(Arc::new(Login { identity: identity.clone(), token })));
        }
        Ok(identity)
    }

    /// The doubted login, if the server stands by it; `None` where it is dead and a password gets another.
    async fn still_good(&self, doubted: Option<Arc<Login>>) -> Result<Option<Arc<Login>>, LoginError> {
        let Some(login) = doubted else { return Ok(None) };
        match (self.me(&login.identity.user_id, &login.token).await, &self.credentials) {
            (Ok(_), _) => Ok(Some(login)),
            (Err(LoginError::Fatal(_)), Credentials::Password { .. }) => {
                tracing::info!("the Rocket.Chat token has expired or was revoked, logging in anew");
                Ok(None)
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Asks `me` whether the token is good, and for the user's name.
    async fn check_token(&self, user_id: &UserId, token: &SecretString) -> Result<Login, LoginError> {
        let username = self.me(user_id, token).await?.unwrap_or_else(|| user_id.to_string());
        Ok(Login { identity: Identity { user_id: user_id.clone(), username }, token: token.clone() })
    }

    /// The user's name. The token is dead only where Rocket.Chat itself says so: every account may ask this.
    async fn me(&self, user_id: &UserId, token: &SecretString) -> Result<Option<String>, LoginError> {
        let request = authorized(self.http.request(Method::GET, "me"), user_id, token);
        let answer = self.http.exchange("me", request, MAX_BODY).await.map_err(|error| match error {
            RestError::Unauthorized { reason, .. } => Fatal::TokenDead(reason).into(),
            error => LoginError::NotNow(error),
        })?;
        Ok(wire::filled(&answer, "username").map(str::to_owned))
    }

    async fn spend_password(&self, username: &str, password: &SecretString) -> Result<Login, LoginError> {
        let body = json!({
            "user": username,
            "password": {"digest": digest(password).expose_secret(), "algorithm": "sha-256"},
        });
        let request = self.http.request(Method::POST, "login").json(&body);
        let outcome = self.http.exchange("login", request, MAX_BODY).await.map_err(error::login_refused);
        if let Err(LoginError::NotNow(RestError::RateLimited { until })) = &outcome {
            self.http.close("login", *until);
        }
        read_login(&outcome?, username)
            .ok_or_else(|| LoginError::NotNow(RestError::unclear("the answer to the login has no token")))
    }

    fn standing(&self) -> Standing {
        self.standing.read().map_or(Standing::None, |standing| standing.clone())
    }

    /// The login there is, whatever is thought of it.
    fn known(&self) -> Option<Arc<Login>> {
        self.standing().login().cloned()
    }

    fn set(&self, standing: Standing) {
        if let Ok(mut current) = self.standing.write() {
            *current = standing;
        }
    }

    fn doubt(&self, which: impl Fn(&Arc<Login>) -> bool) {
        let Ok(mut current) = self.standing.write() else { return };
        if let Some(login) = current.login().filter(|login| which(login)).cloned() {
            *current = Standing::Doubted(login);
        }
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

/// The SHA-256 digest of a password in lower-case hex, which is all the server ever sees of it.
fn digest(password: &SecretString) -> SecretString {
    let hash = Sha256::digest(password.expose_secret().as_bytes());
    SecretString::from(hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}
