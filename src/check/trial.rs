//! The clients of both services, and single probes for `init`, which has no configuration yet.

use std::collections::HashSet;
use std::mem::take;
use std::sync::Arc;

use super::report::{Finding, Grade};
use super::room_inventory::{RoomInventory, SeenRoom};
use super::server::{self, Session};
use super::teams;
use crate::alerting::{RoomPattern, room_label};
use rocketchat::{Account, Connector, Credentials, RoomKind, ServerUrl, UserId};
use signl4::{WebhookClient, WebhookUrl};

/// The clients of both services.
pub(crate) struct Clients {
    pub(super) connector: Connector,
    pub(crate) webhooks: WebhookClient,
}

impl Clients {
    /// # Errors
    /// The reason why outgoing connections cannot be prepared, and after a semicolon what to do.
    pub(crate) fn new() -> Result<Self, String> {
        let failed = |why: &dyn std::fmt::Display| format!("cannot prepare outgoing connections: {why}");
        let connector = Connector::new(crate::USER_AGENT).map_err(|error| failed(&error))?;
        let webhooks = WebhookClient::new(connector.client_builder()).map_err(|error| {
            failed(&format_args!("{}; check the system's certificates", error.without_url()))
        });
        Ok(Self { webhooks: webhooks?, connector })
    }

    /// An account that is not logged in yet.
    pub(super) fn account_at(&self, url: &ServerUrl, credentials: Credentials) -> Arc<Account> {
        Arc::new(Account::new(url.clone(), credentials, self.connector.clone()))
    }

    /// Whether a Rocket.Chat server answers there. Needs no account.
    pub(crate) async fn server(&self, url: &ServerUrl) -> Vec<Finding> {
        // Never sent.
        let credentials = Credentials::Token { user_id: UserId::new(""), token: "".into() };
        server::probe_version(&self.account_at(url, credentials)).await
    }

    /// Whether the account can log in and receive messages, and its session if it can.
    pub(crate) async fn account(
        &self,
        url: &ServerUrl,
        credentials: &Credentials,
    ) -> (Vec<Finding>, Option<Session>) {
        let account = self.account_at(url, credentials.clone());
        let (mut findings, session) = server::log_in(account, credentials).await;
        let Some(mut session) = session else { return (findings, None) };
        match RoomInventory::joined(&session.rest).await {
            Ok(joined) => {
                session.rooms = joined;
                session.rooms.list_channels(&session.rest).await;
            }
            // The account works, and the rooms are requested again.
            Err(error) => findings.push(Finding::new("rooms", server::call_failed(&error).at_most_warning())),
        }
        (findings, Some(session))
    }

    /// Whether SIGNL4 can be reached. The secret is not tried: that would page.
    pub(crate) async fn webhook(&self, url: &WebhookUrl) -> Vec<Finding> {
        teams::probe_team(&self.webhooks, "SIGNL4".to_owned(), url).await
    }
}

/// The rooms of an account during `init`.
impl Session {
    /// The labels of the rooms that the bot is in, without direct messages, and of the public channels that it can join, in
    /// alphabetical order.
    pub(crate) fn rooms_in_sight(&self) -> (Vec<String>, Vec<String>) {
        (labels(&self.rooms.joined), labels(&self.rooms.channels))
    }

    /// Whether one of the visible rooms matches.
    pub(crate) fn sees(&self, pattern: &RoomPattern) -> bool {
        let mut seen = self.rooms.joined.iter().chain(&self.rooms.channels);
        seen.any(|room| pattern.matches(&room.info.room, room.roles.is_some()))
    }

    /// What these entries of a trigger's rooms match now, as `check` reports it, and whether each matches a room that can be
    /// watched.
    pub(crate) async fn try_rooms(&mut self, patterns: &[RoomPattern]) -> (Vec<Finding>, bool) {
        let rooms = &mut self.rooms;
        // Somebody may have invited the bot meanwhile.
        match RoomInventory::joined(&self.rest).await {
            Ok(joined) => {
                let (channels, channels_missing) = (take(&mut rooms.channels), rooms.channels_missing.take());
                *rooms = RoomInventory { channels, channels_missing, ..joined };
            }
            Err(error) if rooms.joined.is_empty() => {
                return (vec![Finding::new("rooms", server::call_failed(&error))], false);
            }
            Err(_) => {}
        }
        rooms.look_up(&self.rest, patterns.iter()).await;
        let found = self.room_check(true).entries(patterns, &mut HashSet::new());
        let matched = found.iter().all(|finding| finding.is_part || finding.remark.grade == Grade::Fine);
        (found, matched)
    }
}

fn labels(rooms: &[SeenRoom]) -> Vec<String> {
    let rooms = rooms.iter().map(|room| &room.info);
    let named = rooms.filter(|info| !info.archived && info.room.kind != RoomKind::Direct);
    let mut labels: Vec<String> = named.map(|info| room_label(&info.room)).collect();
    labels.sort_by_cached_key(|label| label.to_lowercase());
    labels
}
