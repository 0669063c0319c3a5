//! The account: its credentials, and the login token that REST and realtime share.
//!
//! A personal access token is used as it is. A password is used once, over REST and as a SHA-256 digest, to get a token
//! that is kept in memory: a server keeps at most 50 tokens per user, so a login at each reconnect would invalidate
//! others. When the token expires, one login replaces it, however many callers noticed. Who keeps that token elsewhere
//! too ([`Account::login_other_than`]) can give it to the next process ([`Account::resume`]).
//!
//! A refused token is not necessarily invalid: since 8.0 a missing permission is a 401 too. So it is first checked with
//! `me`, before a password is used.
//!
//! A rejected login is not final, because a person may fix the account. It is retried at growing intervals, because
//! servers lock an account after about ten wrong passwords in five minutes. In between, every call fails at once with
//! the same refusal.

mod error;
#[cfg(test)]
mod tests;

pub(super) use error::refused_alike;
pub use error::{Fatal, LoginError};

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use jiff::{SignedDuration, Timestamp};
use reqwest::header::HeaderValue;
use reqwest::{Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use crate::http::{Connector, Http, RestError};
use crate::{ServerUrl, UserId, wire};

/// The first and the longest wait before a refused token is tried again, in units of [`Account::with_login_wait`].
const TOKEN_WAIT: (u32, u32) = (10, 180);
/// The same for a password: four logins in five minutes, each over REST and over DDP.
const PASSWORD_WAIT: (u32, u32) = (30, 900);

/// What to log in with.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// A personal access token.
    Token {
        /// The `_id` of the token's user; Rocket.Chat shows it beside a new token.
        user_id: UserId,
        /// The token.
        token: SecretString,
    },
    /// A password. Only its SHA-256 digest is sent.
    Password {
        /// The username, or an e-mail address.
        username: String,
        /// The password.
        password: SecretString,
    },
}

/// The user that an account belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `_id`: the author of the account's own messages.
    pub user_id: UserId,
    /// `username`.
    pub username: String,
}

/// A user and a token for it.
#[derive(Clone, Debug)]
pub struct Login {
    /// The user.
    pub identity: Identity,
    /// The token.
    pub token: SecretString,
}

impl Login {
    /// Adds the two headers of an authenticated call.
    pub(super) fn authorize(&self, request: RequestBuilder) -> RequestBuilder {
        let request = request.header("X-User-Id", self.identity.user_id.as_str());
        match HeaderValue::from_str(self.token.expose_secret()) {
            Ok(mut value) => {
                value.set_sensitive(true);
                request.header("X-Auth-Token", value)
            }
            // No server issues such a token. The call is made without it, and answered 401.
            Err(_) => request,
        }
    }
}

/// What the realtime session logs in with.
#[derive(Clone, Debug)]
pub(super) enum LoginRequest {
    /// A token.
    Resume(Arc<Login>),
    /// The DDP password login, if REST has none.
    Password { username: String, digest: SecretString },
}

/// What is known about a token.
#[derive(Clone, Copy, Debug)]
enum Trust {
    /// It was accepted, and not refused since.
    Valid,
    /// It was refused, and has to be checked.
    Suspect,
    /// It was refused, and then accepted by REST.
    Confirmed,
}

/// Why the account is not used until a later time.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// What the server said.
    pub error: LoginError,
    /// When it is tried again.
    pub(super) until: Instant,
    /// How often it was refused in a row.
    pub times: usize,
}

/// An account on a server, with its login.
#[derive(Debug)]
pub struct Account {
    pub(super) http: Http,
    credentials: Credentials,
    token: watch::Sender<Option<(Arc<Login>, Trust)>>,
    /// Held during a login, so that concurrent callers share one.
    logging_in: Mutex<()>,
    refusal: watch::Sender<Option<Refusal>>,
    login_wait: Duration,
}

impl Account {
    /// An account, not logged in yet. Share it (`Arc`) between the REST client and the realtime session.
    pub fn new(server: ServerUrl, credentials: Credentials, connector: Connector) -> Self {
        Self {
            http: Http::new(server, connector),
            credentials,
            token: watch::Sender::new(None),
            logging_in: Mutex::new(()),
            refusal: watch::Sender::new(None),
            login_wait: Duration::from_secs(1),
        }
    }

    /// Replaces the unit of the waits after a refusal, which is a second.
    #[must_use]
    pub fn with_login_wait(self, unit: Duration) -> Self {
        Self { login_wait: unit, ..self }
    }

    /// Why the server refuses the account, now and at each change; `None` while it does not.
    pub fn refusal(&self) -> watch::Receiver<Option<Refusal>> {
        self.refusal.subscribe()
    }

    /// The server.
    pub fn server(&self) -> &ServerUrl {
        &self.http.server
    }

    /// The account's user; `None` before the first login.
    pub fn identity(&self) -> Option<Identity> {
        self.known().map(|login| login.identity.clone())
    }

    /// Whether a user's ID is the account's own, as far as that is known.
    pub fn is_own_id(&self, user_id: &str) -> bool {
        self.known().is_some_and(|login| login.identity.user_id.as_str() == user_id)
    }

    /// Logs in over REST, unless logged in already, and returns the user. Tries once.
    ///
    /// # Errors
    /// See [`LoginError`]: a person has to fix the account, or the login failed for now.
    pub async fn log_in(&self) -> Result<Identity, LoginError> {
        Ok(self.login().await?.identity.clone())
    }

    /// Gives a new account the token of an earlier login with its password, perhaps of another process. Like a refused token, it is
    /// checked before it is used, and a login with the password replaces it if it is no longer valid.
    pub fn resume(&self, login: Login) {
        self.set(Arc::new(login), Trust::Suspect);
    }

    /// Waits until there is a valid login with another token than this one.
    pub async fn login_other_than(&self, known: Option<&SecretString>) -> Arc<Login> {
        let known = known.map(ExposeSecret::expose_secret);
        let other = |login: &Login| known != Some(login.token.expose_secret());
        let mut states = self.token.subscribe();
        let found =
            states.wait_for(|state| matches!(state, Some((login, Trust::Valid)) if other(login))).await;
        match found.ok().and_then(|state| state.clone()) {
            Some((login, _)) => login,
            // Not reached: the account, which sends the states, is borrowed.
            None => std::future::pending().await,
        }
    }

    /// The server's time, exact to about a second; `None` before the first REST answer. Setting this machine's clock does
    /// not change it.
    pub fn server_now(&self) -> Option<Timestamp> {
        self.http.clock.now()
    }

    /// The server's clock minus this machine's.
    pub fn clock_offset(&self) -> Option<SignedDuration> {
        self.server_now().map(|server| server.duration_since(Timestamp::now()))
    }

    /// The current login; logs in if there is none. Concurrent callers share one login.
    pub(super) async fn login(&self) -> Result<Arc<Login>, LoginError> {
        if let Some((login, Trust::Valid | Trust::Confirmed)) = self.token() {
            return Ok(login);
        }
        let _single_flight = self.logging_in.lock().await;
        let suspect = match self.token() {
            Some((login, Trust::Valid | Trust::Confirmed)) => return Ok(login),
            suspect => suspect.map(|(login, _)| login),
        };
        if let Some(refusal) = &*self.refusal.borrow()
            && refusal.until > Instant::now()
        {
            return Err(refusal.error.clone());
        }
        let outcome = self.log_in_anew(suspect).await;
        match &outcome {
            Ok(_) => drop(self.refusal.send_replace(None)),
            Err(LoginError::NotNow(_)) => {}
            Err(refused) => self.refuse(refused.clone()),
        }
        outcome
    }

    async fn log_in_anew(&self, suspect: Option<Arc<Login>>) -> Result<Arc<Login>, LoginError> {
        if let Some(suspect) = suspect {
            match (self.checked(suspect).await, &self.credentials) {
                (Err(LoginError::Fatal(_)), Credentials::Password { .. }) => {
                    tracing::info!("the Rocket.Chat token has expired or was revoked, logging in again");
                }
                (checked, _) => {
                    let login = checked?;
                    self.set(Arc::clone(&login), Trust::Confirmed);
                    return Ok(login);
                }
            }
        }
        let login = match &self.credentials {
            Credentials::Token { user_id, token } => {
                self.checked(Arc::new(personal_login(user_id, token))).await?
            }
            Credentials::Password { username, password } => {
                Arc::new(self.log_in_with_password(username, password).await?)
            }
        };
        self.set(Arc::clone(&login), Trust::Valid);
        Ok(login)
    }

    /// The server rejects the account: it is not used for a while. If the realtime session reports why REST has
    /// rejected it, that is the same refusal.
    pub(super) fn refuse(&self, error: LoginError) {
        tracing::warn!("{error}");
        let (first, longest) = match self.credentials {
            Credentials::Token { .. } => TOKEN_WAIT,
            Credentials::Password { .. } => PASSWORD_WAIT,
        };
        let waits = ExponentialBuilder::new()
            .with_min_delay(self.login_wait * first)
            .with_max_delay(self.login_wait * longest)
            .without_max_times();
        let now = Instant::now();
        self.refusal.send_modify(|refusal| {
            let (mut times, mut until) =
                refusal.as_ref().map_or((0, now), |before| (before.times, before.until));
            if until <= now {
                let wait = waits.build().nth(times).unwrap_or_default();
                (times, until) = (times + 1, now + wait);
            }
            *refusal = Some(Refusal { error, until, times });
        });
    }

    /// How long the account is not used.
    pub(super) fn refused_for(&self) -> Option<Duration> {
        let refusal = self.refusal.borrow();
        refusal.as_ref().map(|refusal| refusal.until.saturating_duration_since(Instant::now()))
    }

    /// A login in place of a refused one, or the same one if `me` accepts it. Concurrent callers share the result.
    pub(super) async fn renew(&self, refused: &Arc<Login>) -> Result<Arc<Login>, LoginError> {
        self.suspect(|login| Arc::ptr_eq(login, refused));
        self.login().await
    }

    /// Handles a token refused over DDP; returns whether a password can replace it. The next login checks the token over
    /// REST before it is given up.
    ///
    /// REST accepts an expired token until the server deletes it, maybe minutes later. So with a password, the token is
    /// replaced if DDP says "expired", refuses it twice, or refuses one that REST could not check.
    pub(super) fn token_refused(&self, reason: &str) -> bool {
        if let Credentials::Token { .. } = self.credentials {
            self.suspect(|_| true);
            return false;
        }
        match self.token() {
            Some((_, Trust::Valid)) if !reason.contains("expired") => self.suspect(|_| true),
            _ => drop(self.token.send_replace(None)),
        }
        true
    }

    /// What the realtime session logs in with. If REST answers but does not decide, DDP does: it accepts a token that could not be
    /// checked or refuses it for good, and it takes a password.
    pub(super) async fn login_request(&self) -> Result<LoginRequest, LoginError> {
        let error = match self.login().await {
            Ok(login) => return Ok(LoginRequest::Resume(login)),
            Err(error) => error,
        };
        let is_undecided = matches!(
            error,
            LoginError::NotNow(RestError::Unavailable { failure: None, .. } | RestError::Rejected { .. })
        );
        match (self.known(), &self.credentials) {
            (Some(suspect), _) if is_undecided => Ok(LoginRequest::Resume(suspect)),
            (None, Credentials::Token { user_id, token }) if is_undecided => {
                Ok(LoginRequest::Resume(Arc::new(personal_login(user_id, token))))
            }
            (_, Credentials::Password { username, password })
                if is_undecided || matches!(error, LoginError::RestDisabled(_)) =>
            {
                Ok(LoginRequest::Password { username: username.clone(), digest: digest(password) })
            }
            _ => Err(error),
        }
    }

    /// Takes the answer to a DDP login. Its token is kept for REST, unless there is a valid one.
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
        if let Credentials::Password { .. } = self.credentials {
            self.refusal.send_replace(None);
        }
        if let Some(token) = token
            && !matches!(self.token(), Some((_, Trust::Valid)))
        {
            self.set(Arc::new(Login { identity: identity.clone(), token }), Trust::Valid);
        }
        Ok(identity)
    }

    /// The login, if `me` accepts its token, with the username that the user has now. Every account may call `me`, so a 401
    /// from Rocket.Chat itself means that the token is invalid.
    async fn checked(&self, mut login: Arc<Login>) -> Result<Arc<Login>, LoginError> {
        let request = login.authorize(self.http.request(Method::GET, "me"));
        let answer = self.http.exchange("me", request).await.map_err(|error| match error {
            RestError::Unauthorized { reason, .. } => Fatal::TokenDead(reason).into(),
            error => LoginError::NotNow(error),
        })?;
        // Otherwise the answer is a gateway's.
        if answer.get("_id").or(answer.get("username")).is_none() {
            return Err(LoginError::NotNow(RestError::unavailable("an answer without a user")));
        }
        let username = wire::filled(&answer, "username");
        if let Some(username) = username.filter(|username| *username != login.identity.username) {
            Arc::make_mut(&mut login).identity.username = username.to_owned();
        }
        Ok(login)
    }

    async fn log_in_with_password(
        &self,
        username: &str,
        password: &SecretString,
    ) -> Result<Login, LoginError> {
        let body = json!({
            login_field(username): username,
            "password": {"digest": digest(password).expose_secret(), "algorithm": "sha-256"},
        });
        let request = self.http.request(Method::POST, "login").json(&body);
        let outcome = self.http.exchange("login", request).await.map_err(error::login_refused);
        if let Err(LoginError::NotNow(RestError::RateLimited { wait })) = &outcome {
            self.http.limits.close("login", *wait);
        }
        read_login(&outcome?, username)
            .ok_or_else(|| LoginError::NotNow(RestError::unavailable("the answer to the login has no token")))
    }

    fn token(&self) -> Option<(Arc<Login>, Trust)> {
        self.token.borrow().clone()
    }

    /// The login, whether it is trusted or not.
    fn known(&self) -> Option<Arc<Login>> {
        self.token().map(|(login, _)| login)
    }

    fn set(&self, login: Arc<Login>, trust: Trust) {
        self.token.send_replace(Some((login, trust)));
    }

    fn suspect(&self, which: impl Fn(&Arc<Login>) -> bool) {
        self.token.send_if_modified(|token| {
            let doubted = token.as_mut().filter(|(login, _)| which(login));
            doubted.map(|(_, trust)| *trust = Trust::Suspect).is_some()
        });
    }
}

/// The login with a personal access token. Only the server knows the username.
fn personal_login(user_id: &UserId, token: &SecretString) -> Login {
    let identity = Identity { user_id: user_id.clone(), username: user_id.to_string() };
    Login { identity, token: token.clone() }
}

/// The field of a login that takes this name. Newer servers refuse the field `user`, which took both.
pub(super) fn login_field(name: &str) -> &'static str {
    // Names of federated users begin with an @.
    if name.find('@').is_some_and(|at| at > 0) { "email" } else { "username" }
}

/// `{status, data: {userId, authToken, me: {username}}}`
fn read_login(body: &Value, username: &str) -> Option<Login> {
    let data = body.get("data")?;
    let user_id = UserId::new(wire::filled(data, "userId")?);
    let token = SecretString::from(wire::filled(data, "authToken")?.to_owned());
    let username = data.get("me").and_then(|me| wire::filled(me, "username")).unwrap_or(username).to_owned();
    Some(Login { identity: Identity { user_id, username }, token })
}

/// The SHA-256 digest of a password in lower-case hex, the form that the server expects.
fn digest(password: &SecretString) -> SecretString {
    let hash = Sha256::digest(password.expose_secret().as_bytes());
    SecretString::from(hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}
