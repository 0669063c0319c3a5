//! The REST API: messages to send and to read, rooms, and the server itself.
//!
//! This file has the code that makes a call with the account's current token, which is renewed once if it has expired,
//! and the calls about server and account. `messages`, `sync` and `rooms` have the others.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod listing;
mod messages;
mod rooms;
mod settings;
mod sync;
#[cfg(test)]
mod tests;

pub use crate::http::{Failure, RestError};
pub use messages::OutgoingMessage;
pub use rooms::{RoomInfo, RoomList, Subscription};
pub use settings::PublicSettings;
pub use sync::{SyncPage, Unreadable};

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::account::Login;
use crate::http::decoded;
use crate::{Account, Identity, UserId, wire};

/// The REST API of one server, as one account. Cheap to clone; clones share the account and its limits.
///
/// Every call takes at most 30 s, reads a bounded answer, follows no redirect, and is made once. The caller decides from
/// [`RestError`] whether and when to retry.
#[derive(Clone, Debug)]
pub struct RestClient {
    account: Arc<Account>,
    /// Set once the server has refused to page `chat.syncMessages`.
    sync_is_unpaged: Arc<AtomicBool>,
}

/// The server's description of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Me {
    /// ID and username.
    pub identity: Identity,
    /// Roles on the server (`bot`, `user`, …).
    pub roles: Vec<String>,
    /// Whether it may log in.
    pub active: bool,
}

impl RestClient {
    /// A client that calls as `account` and logs in at the first call.
    pub fn new(account: Arc<Account>) -> Self {
        Self { account, sync_is_unpaged: Arc::default() }
    }

    /// The account it calls as.
    pub fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// The server's version, often only major and minor (`/api/info`, no login needed). Some servers hide it.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn server_version(&self) -> Result<Option<String>, RestError> {
        let http = &self.account.http;
        // The only endpoint outside `/api/v1`.
        let answer = http.exchange("info", http.connector.http.get(http.server.join("api/info"))).await?;
        let version =
            wire::filled(&answer, "version").or_else(|| wire::filled(answer.get("info")?, "version"));
        Ok(version.map(str::to_owned))
    }

    /// The account's own data (`me`).
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn me(&self) -> Result<Me, RestError> {
        let answer = self.get("me", &[]).await?;
        let id =
            wire::filled(&answer, "_id").ok_or_else(|| RestError::unavailable("an answer without _id"))?;
        let username = wire::filled(&answer, "username").unwrap_or(id);
        Ok(Me {
            identity: Identity { user_id: UserId::new(id), username: username.to_owned() },
            roles: wire::texts(&answer, "roles"),
            active: answer.get("active").and_then(Value::as_bool).unwrap_or(true),
        })
    }

    /// Logs out (`logout`), which deletes the token on the server. A personal access token is deleted too.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn log_out(&self) -> Result<(), RestError> {
        self.post("logout", &json!({})).await.map(drop)
    }

    /// The roles that have each permission, such as `message-impersonate` (`permissions.listAll`). Not every account may list
    /// them.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn permissions(&self) -> Result<HashMap<String, Vec<String>>, RestError> {
        let answer = self.get("permissions.listAll", &[]).await?;
        let permissions = wire::items(&answer, "update").iter().filter_map(|permission| {
            Some((wire::filled(permission, "_id")?.to_owned(), wire::texts(permission, "roles")))
        });
        Ok(permissions.collect())
    }

    /// Calls `GET <route>`, and returns the JSON of the answer.
    async fn get(&self, route: &'static str, query: &[(&str, String)]) -> Result<Value, RestError> {
        decoded(&self.get_raw(route, query).await?)
    }

    /// The same call, with the JSON of its answer not decoded.
    async fn get_raw(&self, route: &'static str, query: &[(&str, String)]) -> Result<Vec<u8>, RestError> {
        self.call(route, || self.account.http.request(Method::GET, route).query(query)).await
    }

    /// Calls `POST <route>`, and returns the JSON of the answer.
    async fn post(&self, route: &'static str, body: &Value) -> Result<Value, RestError> {
        let request = || self.account.http.request(Method::POST, route).json(body);
        decoded(&self.call(route, request).await?)
    }

    /// Makes a call. If the token is refused and there is a password, the token is renewed and the call made again, once:
    /// a call refused for its token had no effect.
    async fn call(
        &self,
        route: &'static str,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Vec<u8>, RestError> {
        let attempt = |login: &Login| self.account.http.exchange_raw(route, login.authorize(request()));
        let login = self.account.login().await?;
        match attempt(&login).await {
            Err(RestError::Unauthorized { code, reason }) => {
                let renewed = self.account.renew(&login).await?;
                if Arc::ptr_eq(&renewed, &login) {
                    // The server accepts the token for other calls, so it refuses this call.
                    return Err(RestError::Rejected { status: 401, code, reason });
                }
                attempt(&renewed).await
            }
            outcome => outcome,
        }
    }
}
