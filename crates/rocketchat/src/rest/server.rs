//! The server and the account's standing on it.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::client::Call;
use super::exchange::MAX_BODY;
use super::{RestClient, RestError};
use crate::{Identity, UserId, wire};

/// What a server says of itself without a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerInfo {
    /// Its version, often only major and minor; some servers hide it.
    pub version: Option<String>,
    /// Its clock, by the answer's `Date`, exact to about a second.
    pub time: Option<Timestamp>,
}

/// The account, as the server sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Me {
    /// Who it is.
    pub identity: Identity,
    /// Its roles on the server (`bot`, `user`, …).
    pub roles: Vec<String>,
    /// Whether it may log in.
    pub active: bool,
}

/// Who has a right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// Its name, such as `message-impersonate`.
    pub id: String,
    /// The roles that have it.
    pub roles: Vec<String>,
}

impl RestClient {
    /// Asks the server for its version and its time (`/api/info`, no login needed).
    pub async fn server_info(&self) -> Result<ServerInfo, RestError> {
        let account = self.account();
        let request = account.connector().http().get(account.server().info());
        let answer = account.exchange("info", request, MAX_BODY).await?.body;
        let version =
            wire::filled(&answer, "version").or_else(|| wire::filled(answer.get("info")?, "version"));
        Ok(ServerInfo { version: version.map(str::to_owned), time: account.server_now() })
    }

    /// Asks who the account is (`me`).
    pub async fn me(&self) -> Result<Me, RestError> {
        let answer = self.call(Call::get("me", &[])).await?;
        let id = wire::filled(&answer, "_id").ok_or_else(|| RestError::unclear("an answer without _id"))?;
        let username = wire::filled(&answer, "username").unwrap_or(id);
        Ok(Me {
            identity: Identity { user_id: UserId::new(id), username: username.to_owned() },
            roles: wire::texts(&answer, "roles"),
            active: answer.get("active").and_then(Value::as_bool).unwrap_or(true),
        })
    }

    /// Ends the login (`logout`), so that no token is left behind. A personal access token would be gone as well.
    pub async fn log_out(&self) -> Result<(), RestError> {
        self.call(Call::post("logout", &json!({}))).await.map(drop)
    }

    /// Asks which roles have which rights (`permissions.listAll`). Not every account may ask.
    pub async fn permissions(&self) -> Result<Vec<Permission>, RestError> {
        let answer = self.call(Call::get("permissions.listAll", &[]).listing()).await?;
        let list = answer.get("update").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let read = |document: &Value| {
            let id = wire::filled(document, "_id")?.to_owned();
            Some(Permission { id, roles: wire::texts(document, "roles") })
        };
        Ok(list.iter().filter_map(read).collect())
    }
}
