//! Changes of accounts.

use std::collections::BTreeSet;

use super::change::Change;
use super::refusal::Refusal;
use super::time::Millis;
use super::user::{Account, NewUser, Token, User, password_digest};
use super::world::World;

/// Why a token does not log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenRefused {
    /// No user has it.
    Unknown,
    /// It has expired.
    Expired,
}

/// A login that succeeded.
#[derive(Clone, Debug)]
pub(super) struct LoggedIn {
    pub(super) user_id: String,
    pub(super) token: String,
    pub(super) expires: Option<Millis>,
}

impl World {
    pub(super) fn create_user(&mut self, new: NewUser) -> Result<User, Refusal> {
        if self.account_named(&new.username).is_some() {
            let reason = format!("{} is already in use :(", new.username);
            return Err(Refusal::meteor("error-field-unavailable", reason));
        }
        let user = User {
            id: new.id.unwrap_or_else(|| self.ids.document()),
            name: new.name.unwrap_or_else(|| capitalized(&new.username)),
            username: new.username,
            roles: new.roles,
            active: true,
        };
        let account = Account {
            user: user.clone(),
            created_at: self.now(),
            password: new.password,
            tokens: Vec::new(),
            denied: BTreeSet::new(),
            granted: BTreeSet::new(),
        };
        self.accounts.insert(user.id.clone(), account);
        self.note(Change::User(user.clone()));
        Ok(user)
    }

    pub(super) fn change_user(
        &mut self,
        user_id: &str,
        change: impl FnOnce(&mut Account),
    ) -> Result<User, Refusal> {
        let account = self.account_mut(user_id)?;
        change(account);
        let user = account.user.clone();
        self.note(Change::User(user.clone()));
        Ok(user)
    }

    pub(super) fn set_password(&mut self, user_id: &str, password: &str) -> Result<User, Refusal> {
        self.change_user(user_id, |account| account.password = Some(password_digest(password)))
    }

    pub(super) fn create_token(&mut self, user_id: &str) -> Result<String, Refusal> {
        let value = self.ids.token();
        let when = self.now();
        let token = Token { value: value.clone(), when, personal: true, expired: false };
        self.account_mut(user_id)?.tokens.push(token);
        Ok(value)
    }

    /// A login by password, which creates a token.
    pub(super) fn log_in(&mut self, user_id: &str) -> Result<LoggedIn, Refusal> {
        let token = self.ids.token();
        let now = self.now();
        let account = self.account_mut(user_id)?;
        account.keep_login(token.clone(), now);
        let expires = account.token(&token).and_then(Token::expires);
        Ok(LoggedIn { user_id: user_id.to_owned(), token, expires })
    }

    /// A login by `resume`.
    pub(super) fn resume(&self, value: &str) -> Result<LoggedIn, TokenRefused> {
        let (account, token) = self
            .accounts
            .values()
            .find_map(|account| account.token(value).map(|token| (account, token)))
            .ok_or(TokenRefused::Unknown)?;
        if token.is_expired(self.now()) {
            return Err(TokenRefused::Expired);
        }
        Ok(LoggedIn { user_id: account.user.id.clone(), token: value.to_owned(), expires: token.expires() })
    }

    /// Whether the REST headers belong together.
    pub(super) fn authenticates(&self, user_id: &str, value: &str) -> bool {
        self.accounts.get(user_id).is_some_and(|account| {
            account.user.active && account.token(value).is_some_and(|token| !token.is_expired(self.now()))
        })
    }

    /// Whether the user still has this token, expired or not.
    pub(super) fn knows_token(&self, user_id: &str, value: &str) -> bool {
        self.accounts.get(user_id).is_some_and(|account| account.token(value).is_some())
    }

    /// Revokes all tokens of a user, or one.
    pub(super) fn revoke(&mut self, user_id: &str, value: Option<&str>) -> Result<(), Refusal> {
        let account = self.account_mut(user_id)?;
        account.tokens.retain(|token| value.is_some_and(|value| value != token.value));
        self.note(Change::TokenRevoked { user_id: user_id.to_owned() });
        Ok(())
    }

    /// Expires all tokens of a user, or one.
    pub(super) fn expire(&mut self, user_id: &str, value: Option<&str>) -> Result<(), Refusal> {
        for token in &mut self.account_mut(user_id)?.tokens {
            if value.is_none_or(|value| value == token.value) {
                token.expired = true;
            }
        }
        Ok(())
    }

    pub(super) fn force_logout(&mut self, user_id: &str) -> Result<(), Refusal> {
        self.account_mut(user_id)?.tokens.retain(|token| token.personal);
        self.note(Change::LoggedOut { user_id: user_id.to_owned() });
        Ok(())
    }
}

/// `alice` becomes `Alice`.
fn capitalized(username: &str) -> String {
    let mut letters = username.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
