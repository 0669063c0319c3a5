//! Users, their accounts and their tokens.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::time::{Millis, date};

/// A user, as a snapshot of the server's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// `_id`.
    pub id: String,
    /// The login name, shown with an `@`.
    pub username: String,
    /// The display name.
    pub name: String,
    /// `user`, `bot`, `admin`, or any other name.
    pub roles: BTreeSet<String>,
    /// False for a deactivated account.
    pub active: bool,
}

impl AsRef<str> for User {
    /// The user's `_id`, so that a `&User` is accepted as an id.
    fn as_ref(&self) -> &str {
        &self.id
    }
}

impl User {
    /// The `u` of a message.
    pub(super) fn reference(&self) -> Value {
        json!({ "_id": self.id, "username": self.username, "name": self.name })
    }

    /// The fields that a realtime session gets about its own user.
    pub(super) fn public_fields(&self) -> Value {
        json!({ "username": self.username, "name": self.name, "roles": self.roles, "status": "online" })
    }
}

/// A user to create. `"alice".into()` gets a display name made of the username.
#[derive(Clone, Debug)]
pub struct NewUser {
    pub(super) username: String,
    pub(super) name: Option<String>,
    pub(super) password: Option<String>,
    pub(super) roles: BTreeSet<String>,
    pub(super) id: Option<String>,
}

impl NewUser {
    /// A user with the role `user` and no password.
    pub fn named(username: impl Into<String>) -> Self {
        Self {
            username: username.into(),
            name: None,
            password: None,
            roles: BTreeSet::from(["user".to_owned()]),
            id: None,
        }
    }

    /// A user with the role `bot` alone, as Rocket.Chat's documentation recommends for bot accounts.
    pub fn bot(username: impl Into<String>) -> Self {
        Self { roles: BTreeSet::from(["bot".to_owned()]), ..Self::named(username) }
    }

    /// The display name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The password; only its SHA-256 is kept, as on the wire.
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password_digest(password));
        self
    }

    /// One more role.
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.roles.insert(role.into());
        self
    }

    /// This `_id` instead of a random one.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }
}

impl From<&str> for NewUser {
    fn from(username: &str) -> Self {
        Self::named(username)
    }
}

/// An account: the user and its credentials.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) user: User,
    pub(super) created_at: Millis,
    /// Hex SHA-256 of the password; an account without one can only use tokens.
    pub(super) password: Option<String>,
    pub(super) tokens: Vec<Token>,
    /// Permissions denied to this user, even if its roles grant them.
    pub(super) denied: BTreeSet<String>,
    /// Permissions granted to this user beyond its roles.
    pub(super) granted: BTreeSet<String>,
}

/// The most login tokens of a user; the oldest is dropped first
/// (`Accounts` in `apps/meteor/server/configuration/accounts_meld`, setting `Accounts_LoginExpiration` aside).
pub(super) const MAX_LOGIN_TOKENS: usize = 50;

/// How long a login lasts: the default of `Accounts_LoginExpiration`, 90 days.
pub(super) const LOGIN_LIFETIME: Millis = 90 * 24 * 60 * 60 * 1000;

/// A token that logs in by `resume` and by the REST headers.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) value: String,
    /// When the login happened.
    pub(super) when: Millis,
    /// Personal access tokens do not expire.
    pub(super) personal: bool,
    /// Set by a test to expire the token.
    pub(super) expired: bool,
}

impl Token {
    /// When it stops working; `None` for a personal access token.
    pub(super) fn expires(&self) -> Option<Millis> {
        (!self.personal).then_some(self.when + LOGIN_LIFETIME)
    }

    pub(super) fn is_expired(&self, now: Millis) -> bool {
        self.expired || self.expires().is_some_and(|at| at <= now)
    }
}

impl Account {
    pub(super) fn token(&self, value: &str) -> Option<&Token> {
        self.tokens.iter().find(|token| token.value == value)
    }

    /// Adds a login token and drops the oldest one if there are too many.
    pub(super) fn keep_login(&mut self, value: String, now: Millis) {
        let logins = self.tokens.iter().filter(|token| !token.personal).count();
        if logins >= MAX_LOGIN_TOKENS
            && let Some(oldest) = self.tokens.iter().position(|token| !token.personal)
        {
            self.tokens.remove(oldest);
        }
        self.tokens.push(Token { value, when: now, personal: false, expired: false });
    }

    /// The user's own document, as `me` and `users.info` show it.
    pub(super) fn document(&self) -> Value {
        json!({
            "_id": self.user.id,
            "username": self.user.username,
            "name": self.user.name,
            "type": if self.user.roles.contains("bot") { "bot" } else { "user" },
            "status": "online",
            "active": self.user.active,
            "roles": self.user.roles,
            "utcOffset": 0,
            "createdAt": date(self.created_at),
            "_updatedAt": date(self.created_at),
        })
    }
}

/// Hex SHA-256, the form in which Meteor sends and keeps passwords.
pub(super) fn password_digest(password: &str) -> String {
    Sha256::digest(password.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
