//! Single probes, for `init`, which has no configuration yet.

use std::mem::take;
use std::sync::Arc;

use super::report::{Finding, RoomFinding};
use super::room_inventory::RoomInventory;
use super::server::{self, Login};
use super::teams;
use crate::alerting::{RoomPattern, TeamName, room_label};
use rocketchat::rest::RoomInfo;
use rocketchat::{Account, Connector, Credentials, RoomKind, ServerUrl, UserId};
use signl4::{WebhookClient, WebhookUrl};

/// What probes without a login need.
pub(crate) struct Trial {
    connector: Connector,
    signl4: WebhookClient,
}

impl Trial {
    /// # Errors
    /// The reason why outgoing connections cannot be prepared.
    pub(crate) fn new() -> Result<Self, String> {
        let connector = Connector::with_user_agent(crate::USER_AGENT).map_err(|error| error.to_string())?;
        let signl4 = WebhookClient::new(connector.client_builder());
        let signl4 = signl4.map_err(|error| error.without_url().to_string())?;
        Ok(Self { connector, signl4 })
    }

    /// Whether a Rocket.Chat server answers there. Needs no account.
    pub(crate) async fn server(&self, url: &ServerUrl) -> Vec<Finding> {
        // Never sent.
        let credentials = Credentials::Token { user_id: UserId::new(""), token: "".into() };
        server::greet(&self.rocketchat(url, credentials)).await
    }

    /// Whether the account can log in and receive messages, and its session if it can.
    pub(crate) async fn account(
        &self,
        url: &ServerUrl,
        credentials: &Credentials,
    ) -> (Vec<Finding>, Option<Session>) {
        let (findings, login) = server::log_in(self.rocketchat(url, credentials.clone()), credentials).await;
        let session = match login {
            Some(login) => Some(Session::new(login).await),
            None => None,
        };
        (findings, session)
    }

    fn rocketchat(&self, url: &ServerUrl, credentials: Credentials) -> Arc<Account> {
        Arc::new(Account::new(url.clone(), credentials, self.connector.clone()))
    }

    /// Whether SIGNL4 can be reached. The secret is not tried: that would page.
    pub(crate) async fn webhook(&self, url: &WebhookUrl) -> Vec<Finding> {
        let findings = teams::probe_team(&self.signl4, TeamName::Default, url).await;
        findings.into_iter().map(|finding| Finding { subject: "SIGNL4".to_owned(), ..finding }).collect()
    }
}

/// A login during `init`. It has to be ended, because a login with a password would stay on the server.
pub(crate) struct Session {
    login: Login,
    /// Without a list of the rooms, none can be searched.
    rooms: Result<RoomInventory, Finding>,
}

impl Session {
    async fn new(login: Login) -> Self {
        let rooms = RoomInventory::joined(&login.rest).await;
        let mut rooms = rooms.map_err(|error| Finding::new("rooms", server::call_failed(&error)));
        if let Ok(rooms) = &mut rooms {
            rooms.list_channels(&login.rest).await;
        }
        Self { login, rooms }
    }

    /// The labels of the rooms that the bot is in, without direct messages, and of the public channels that it can join, in
    /// alphabetical order.
    pub(crate) fn rooms_in_sight(&self) -> (Vec<String>, Vec<String>) {
        let Ok(rooms) = &self.rooms else { return Default::default() };
        (labels(rooms.joined.iter().map(|joined| &joined.info)), labels(rooms.channels.iter()))
    }

    /// Whether one of the visible rooms matches.
    pub(crate) fn sees(&self, pattern: &RoomPattern) -> bool {
        self.rooms.as_ref().is_ok_and(|rooms| {
            rooms.joined.iter().any(|joined| pattern.matches(&joined.info.room, true))
                || rooms.channels.iter().any(|info| pattern.matches(&info.room, false))
        })
    }

    /// What these entries of a trigger's rooms match now, as `check` reports it.
    pub(crate) async fn try_rooms(&mut self, patterns: &[RoomPattern]) -> Result<Vec<RoomFinding>, Finding> {
        let rooms = self.rooms.as_mut().map_err(|finding| finding.clone())?;
        // Somebody may have invited the bot meanwhile.
        if let Ok(joined) = RoomInventory::joined(&self.login.rest).await {
            let (channels, channels_missing) = (take(&mut rooms.channels), rooms.channels_missing.take());
            *rooms = RoomInventory { channels, channels_missing, ..joined };
        }
        rooms.look_up(&self.login.rest, patterns.iter()).await;
        Ok(self.login.room_check(rooms, true).check_entries(patterns))
    }

    /// Logs out if a password was used.
    pub(crate) async fn end(self) {
        self.login.end().await;
    }
}

fn labels<'a>(rooms: impl Iterator<Item = &'a RoomInfo>) -> Vec<String> {
    let named = rooms.filter(|info| !info.archived && info.room.kind != RoomKind::Direct);
    let mut labels: Vec<String> = named.map(|info| room_label(&info.room)).collect();
    labels.sort_by_cached_key(|label| label.to_lowercase());
    labels
}
