//! Saves the login with a password, so that a restart or a take-over reuses it: Rocket.Chat keeps only 50 logins of an account,
//! and a killed process cannot log out.
//!
//! It is stored encrypted (ChaCha20-Poly1305) with a key derived from the password (PBKDF2), bound to this account on this server.
//! A login that cannot be decrypted or is no longer accepted is replaced with a new one.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::pbkdf2;
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};
use tokio::{task::spawn_blocking, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::context::Context;
use crate::config;
use crate::store::{Store, StoreError};
use rocketchat::{Credentials, Identity, Login, UserId};

/// Makes guessing the password from the store expensive: OWASP's number for PBKDF2 with HMAC-SHA-256.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(if cfg!(test) { 1000 } else { 600_000 }).unwrap();
/// Part of the salt, so that the key is used for nothing else.
const PURPOSE: &[u8] = b"signl4-rocketchat: login at Rocket.Chat";
const SALT_LENGTH: usize = 16;
/// How long to wait before saving a login is tried again.
const RETRY: Duration = Duration::from_secs(60);

/// Keeps the saved login up to date.
pub(super) struct SavedLogin {
    context: Context,
    seal: Seal,
    saved: Option<SecretString>,
}

impl SavedLogin {
    /// Lets the account use the saved login. Returns `None` for a personal access token, which needs no login.
    pub(super) async fn resume(context: Context) -> Option<Self> {
        let seal = Seal::new(&context.current.now().config.rocketchat)?;
        let login = open_saved(&context.store, &seal).await.unwrap_or_else(|error| {
            warn!(%error, "the saved login at Rocket.Chat cannot be read, logging in with the password");
            None
        });
        let saved = login.as_ref().map(|login| login.token.clone());
        if let Some(login) = login {
            context.rest.account().resume(login);
        }
        Some(Self { context, seal, saved })
    }

    /// Saves each new login. A login that already exists when this is cancelled is still saved.
    pub(super) async fn run(mut self, cancel: CancellationToken) {
        loop {
            let login = tokio::select! {
                biased;
                login = self.context.rest.account().login_other_than(self.saved.as_ref()) => login,
                () = cancel.cancelled() => return,
            };
            match self.save(login.clone()).await {
                Ok(()) => {
                    debug!("login at Rocket.Chat saved");
                    self.saved = Some(login.token.clone());
                }
                Err(error) => {
                    warn!(%error, "the login at Rocket.Chat cannot be saved; if the bot is killed now, it has to log in again");
                    if cancel.run_until_cancelled(sleep(RETRY)).await.is_none() {
                        return;
                    }
                }
            }
        }
    }

    async fn save(&self, login: Arc<Login>) -> Result<(), String> {
        let seal = self.seal.clone();
        let sealed = spawn_blocking(move || seal.close(&login)).await.ok().flatten();
        let sealed = sealed.ok_or("it cannot be encrypted")?;
        self.context.store.save_login(&sealed).await.map_err(|error| error.to_string())
    }
}

async fn open_saved(store: &Store, seal: &Seal) -> Result<Option<Login>, StoreError> {
    let Some(sealed) = store.login().await? else { return Ok(None) };
    let seal = seal.clone();
    let login = spawn_blocking(move || seal.open(&sealed)).await.ok().flatten();
    if login.is_none() {
        info!(
            "the saved login at Rocket.Chat belongs to another account or password, logging in with the password"
        );
    }
    Ok(login)
}

/// Encrypts a login, and decrypts it for the same account.
#[derive(Clone)]
struct Seal {
    /// The server and the username.
    account: String,
    password: SecretString,
}

impl Seal {
    fn new(settings: &config::RocketChat) -> Option<Self> {
        let Credentials::Password { username, password } = &settings.account else { return None };
        Some(Self { account: format!("{}\n{username}", settings.url), password: password.clone() })
    }

    /// The salt, then the encrypted login.
    fn close(&self, login: &Login) -> Option<Vec<u8>> {
        let salt: [u8; SALT_LENGTH] = rand::random();
        let Identity { user_id, username } = &login.identity;
        let login = (user_id.as_str(), username, login.token.expose_secret());
        let mut sealed = serde_json::to_vec(&login).ok()?;
        self.key(&salt)?.seal_in_place_append_tag(nonce(), self.context(), &mut sealed).ok()?;
        Some([&salt[..], &sealed].concat())
    }

    fn open(&self, sealed: &[u8]) -> Option<Login> {
        let (salt, sealed) = sealed.split_at_checked(SALT_LENGTH)?;
        let mut login = Zeroizing::new(sealed.to_vec());
        let login = self.key(salt)?.open_in_place(nonce(), self.context(), &mut login).ok()?;
        let (user_id, username, token): (String, String, String) = serde_json::from_slice(login).ok()?;
        let identity = Identity { user_id: UserId::new(user_id), username };
        Some(Login { identity, token: token.into() })
    }

    fn key(&self, salt: &[u8]) -> Option<LessSafeKey> {
        let mut key = Zeroizing::new([0; 32]);
        let password = self.password.expose_secret().as_bytes();
        let salt = [PURPOSE, salt].concat();
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ITERATIONS, &salt, password, &mut *key);
        UnboundKey::new(&CHACHA20_POLY1305, &*key).ok().map(LessSafeKey::new)
    }

    fn context(&self) -> Aad<&str> {
        Aad::from(self.account.as_str())
    }
}

/// Always the same, because each salt results in a different key, which encrypts only once.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "t0k3n-0f-th3-b0t";

    fn seal(server: &str, username: &str, password: &str) -> Seal {
        Seal { account: format!("{server}\n{username}"), password: password.into() }
    }

    #[test]
    fn a_login_opens_only_for_its_account_and_password_and_only_whole() {
        let ours = seal("https://chat.example.com", "signl4.bot", "secret");
        let identity = Identity { user_id: UserId::new("b0t"), username: "signl4.bot".into() };
        let login = Login { identity: identity.clone(), token: TOKEN.into() };
        let sealed = ours.close(&login).unwrap();
        assert!(!sealed.windows(TOKEN.len()).any(|part| part == TOKEN.as_bytes()));
        assert_ne!(ours.close(&login).unwrap(), sealed, "each has a salt of its own");
        let opened = ours.open(&sealed).unwrap();
        assert_eq!((opened.identity, opened.token.expose_secret()), (identity, TOKEN));
        for other in [
            seal("https://chat.example.org", "signl4.bot", "secret"),
            seal("https://chat.example.com", "other.bot", "secret"),
            seal("https://chat.example.com", "signl4.bot", "Secret"),
        ] {
            assert!(other.open(&sealed).is_none(), "{}", other.account);
        }
        for at in [0, SALT_LENGTH, sealed.len() - 1] {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(ours.open(&damaged).is_none(), "byte {at}");
        }
        for length in [0, SALT_LENGTH - 1, SALT_LENGTH, sealed.len() - 1] {
            assert!(ours.open(&sealed[..length]).is_none(), "{length} bytes");
        }
    }
}
