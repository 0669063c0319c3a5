//! How a call is made: with the account's live token, within the server's limits, renewed once where it has expired.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use reqwest::Method;
use serde_json::Value;

use super::RestError;
use super::exchange::MAX_BODY;
use crate::Account;
use crate::account::{Login, authorized};

/// Largest answer of a call that lists messages or rooms, in bytes.
const MAX_LISTING: usize = 64 * 1024 * 1024;

/// The REST API of one server, as one account. Cheap to clone; clones share the account and its limits.
///
/// Every call takes at most 30 s, reads a bounded answer, follows no redirect, and is made once: whether and when to
/// try again is the caller's to decide, from [`RestError`].
#[derive(Clone, Debug)]
pub struct RestClient {
    account: Arc<Account>,
    /// Set once the server has shown that it does not page `chat.syncMessages`.
    pub(super) sync_is_unpaged: Arc<AtomicBool>,
}

/// One call, before it is made.
pub(super) struct Call<'a> {
    method: Method,
    route: &'static str,
    query: &'a [(&'a str, String)],
    body: Option<&'a Value>,
    limit: usize,
}

impl<'a> Call<'a> {
    pub(super) fn get(route: &'static str, query: &'a [(&'a str, String)]) -> Self {
        Self { method: Method::GET, route, query, body: None, limit: MAX_BODY }
    }

    pub(super) fn post(route: &'static str, body: &'a Value) -> Self {
        Self { method: Method::POST, route, query: &[], body: Some(body), limit: MAX_BODY }
    }

    /// A call whose answer may be long.
    pub(super) fn listing(self) -> Self {
        Self { limit: MAX_LISTING, ..self }
    }
}

impl RestClient {
    /// A client that calls as `account`, and logs it in at the first call.
    pub fn new(account: Arc<Account>) -> Self {
        Self { account, sync_is_unpaged: Arc::default() }
    }

    /// The account it calls as.
    pub fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Makes a call. A refused token is renewed once where there is a password; the call is then made again, since a
    /// call that was not let in took no effect.
    pub(super) async fn call(&self, call: Call<'_>) -> Result<Value, RestError> {
        let login = self.account.login().await?;
        match self.attempt(&call, &login).await {
            Err(RestError::Unauthorized { code, reason }) => {
                let renewed = self.account.renew(&login).await?;
                if Arc::ptr_eq(&renewed, &login) {
                    // The token is good, so this is about the call.
                    return Err(RestError::Rejected { status: 401, code, reason });
                }
                self.attempt(&call, &renewed).await
            }
            outcome => outcome,
        }
    }

    async fn attempt(&self, call: &Call<'_>, login: &Login) -> Result<Value, RestError> {
        let url = self.account.server().api(call.route);
        let request = self.account.connector().http().request(call.method.clone(), url).query(call.query);
        let request = match call.body {
            Some(body) => request.json(body),
            None => request,
        };
        let request = authorized(request, &login.identity.user_id, &login.token);
        self.account.exchange(call.route, request, call.limit).await.map(|answer| answer.body)
    }
}
