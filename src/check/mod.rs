//! Tries everything that `run` needs, without paging anybody, and says how to fix what does not work.
//!
//! Probes do the I/O and return plain [`Finding`]s. What a room means for the triggers is decided in `rooms`, from what the
//! probes brought and by the same [`RoomPattern`](crate::alerting::RoomPattern)s as when the bot runs.
//!
//! | file | subject |
//! | --- | --- |
//! | `server`, `room_inventory`, `teams`, `machine`, `public_url` | probes: Rocket.Chat, its rooms, SIGNL4, this machine, the listener from outside |
//! | `rooms` | what is wrong with the rooms that triggers name |
//! | `tls_problem` | the remedy for a failed TLS handshake |
//! | `report` | the findings, and their JSON |
//! | `print` | their text |

mod machine;
mod print;
mod public_url;
mod report;
mod room_inventory;
mod rooms;
mod server;
mod teams;
mod tls_problem;

use std::sync::Arc;

use crate::alerting::TeamName;
use crate::config::{Account, Config};
use rocketchat::rest::RestClient;
use rocketchat::{Connector, Credentials, ServerUrl, UserId};
use signl4::{WebhookClient, WebhookUrl};

pub(crate) use machine::webhook_base;
pub use print::{Look, print};
pub use public_url::PublicUrl;
pub use report::{Finding, Grade, Remark, Report, RoomFinding, Section, json};
use room_inventory::wait_for_rate_limit;

/// Probes everything that `run` needs. Pages nobody, posts nothing, joins nothing, leaves no file behind, and does not
/// disturb a running bot; with a public address, that bot logs one rejected call. Takes as long as the slowest server, a few
/// minutes at most.
pub async fn examine(config: &Config, public: Option<&PublicUrl>) -> Report {
    let webhook = machine::webhook(config, public);
    let machine_section = |findings| Section { title: "This machine", findings };
    let connector = match Connector::with_user_agent(crate::USER_AGENT) {
        Ok(connector) => connector,
        Err(error) => {
            let mut findings = vec![no_network(&error.to_string())];
            findings.extend(machine::probe(config).await);
            return Report { sections: vec![machine_section(findings)], rooms: None, webhook };
        }
    };
    let ((server, rooms), teams, mut machine, public_url) = tokio::join!(
        server::probe(config, &connector),
        teams::probe(config, &connector),
        machine::probe(config),
        public_url::probe(config, &connector, public)
    );
    machine.extend(public_url);
    let sections = vec![
        Section { title: "Rocket.Chat", findings: server },
        Section { title: "SIGNL4", findings: teams },
        machine_section(machine),
    ];
    Report { sections, rooms, webhook }
}

fn no_network(reason: &str) -> Finding {
    let text = format!("cannot prepare outgoing connections: {reason}");
    Finding::new("network", Remark::problem(text, "check the system's certificates"))
}

/// Single probes, for setting up while there is no configuration yet.
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
        let account = Arc::new(rocketchat::Account::new(url.clone(), credentials, self.connector.clone()));
        let rest = RestClient::new(Arc::clone(&account));
        server::greet(&account, &rest).await.unwrap_or_else(|unreachable| vec![unreachable])
    }

    /// Whether the account can log in and receive messages. A login by password is logged out again.
    pub(crate) async fn account(&self, url: &ServerUrl, settings: &Account) -> Vec<Finding> {
        let account = rocketchat::Account::new(url.clone(), settings.credentials(), self.connector.clone());
        let account = Arc::new(account);
        if let Some(refused) = server::login_refused(account.log_in().await.err()) {
            return vec![Finding::new("account", refused)];
        }
        let rest = RestClient::new(Arc::clone(&account));
        // Before the REST call: where the server's REST API allows no login, this session logs in.
        let realtime = server::realtime(account).await;
        let me = match wait_for_rate_limit(|| rest.me()).await {
            Ok(me) => server::account_state(&me),
            Err(error) => server::call_failed(&error),
        };
        server::end_login(settings, &rest).await;
        vec![Finding::new("account", me), Finding::new("realtime", realtime)]
    }

    /// Whether SIGNL4 can be reached. The secret is not tried: that would page.
    pub(crate) async fn webhook(&self, url: &WebhookUrl) -> Vec<Finding> {
        teams::probe_team(&self.signl4, TeamName::Default, url).await
    }
}
