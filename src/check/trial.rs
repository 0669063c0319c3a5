//! Single probes, for whoever is setting up and has no configuration yet.

use std::sync::Arc;

use super::census::obliging;
use super::report::Finding;
use super::{server, teams};
use crate::alerting::TeamName;
use crate::config::Account;
use rocketchat::rest::RestClient;
use rocketchat::{self, Connector, Credentials, ServerUrl, UserId};
use signl4::{WebhookClient, WebhookUrl};

/// Tries answers one by one, by the same probes as the whole check.
pub(crate) struct Trial {
    connector: Connector,
    signl4: WebhookClient,
}

impl Trial {
    /// # Errors
    /// A sentence for a person where outgoing connections cannot be prepared.
    pub(crate) fn new() -> Result<Self, String> {
        let connector = Connector::with_user_agent(crate::USER_AGENT).map_err(|error| error.to_string())?;
        let signl4 = WebhookClient::new(connector.client_builder());
        let signl4 = signl4.map_err(|error| error.without_url().to_string())?;
        Ok(Self { connector, signl4 })
    }

    /// Whether a Rocket.Chat answers there. Needs no account.
    pub(crate) async fn server(&self, url: &ServerUrl) -> Vec<Finding> {
        // No call is made with these.
        let nobody = Credentials::Token { user_id: UserId::new(""), token: "".into() };
        let account = Arc::new(rocketchat::Account::new(url.clone(), nobody, self.connector.clone()));
        let rest = RestClient::new(Arc::clone(&account));
        server::greet(&account, &rest).await.unwrap_or_else(|silence| vec![silence])
    }

    /// Whether the account can log in and hear messages; it is logged out again where a password logged it in.
    pub(crate) async fn account(&self, url: &ServerUrl, settings: &Account) -> Vec<Finding> {
        let account = rocketchat::Account::new(url.clone(), settings.credentials(), self.connector.clone());
        let account = Arc::new(account);
        if let Some(refused) = server::login_refused(account.log_in().await.err()) {
            return vec![Finding::new("account", refused)];
        }
        let rest = RestClient::new(Arc::clone(&account));
        // First, for where REST logs nobody in, the session does.
        let realtime = server::realtime(account).await;
        let me = match obliging(|| rest.me()).await {
            Ok(me) => server::of_account(&me),
            Err(error) => server::cannot_be_asked(&error),
        };
        server::end_login(settings, &rest).await;
        vec![Finding::new("account", me), Finding::new("realtime", realtime)]
    }

    /// Whether SIGNL4 can be reached. The secret is not tried.
    pub(crate) async fn webhook(&self, url: &WebhookUrl) -> Vec<Finding> {
        teams::look(&self.signl4, TeamName::Default, url).await
    }
}
