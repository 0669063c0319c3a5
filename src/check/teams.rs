//! Whether SIGNL4 can be reached, team by team. A secret is never tried: that would page.

use futures_util::future::join_all;

use super::encryption::Flaw;
use super::report::{Finding, Remark};
use super::server::is_loopback;
use crate::alerting::TeamName;
use crate::config::Config;
use rocketchat::Connector;
use signl4::{WebhookClient, WebhookUrl};

/// Asks the host of every team's webhook for a sign of life.
pub(super) async fn probe(config: &Config, connector: &Connector) -> Vec<Finding> {
    let client = match WebhookClient::new(connector.client_builder()) {
        Ok(client) => client,
        Err(error) => {
            let text = format!("outgoing connections cannot be prepared: {}", error.without_url());
            return vec![Finding::new("network", Remark::problem(text, "check the system's certificates"))];
        }
    };
    let looks = config.signl4.webhooks().map(|(team, url)| look(&client, team, url));
    let mut findings = join_all(looks).await.concat();
    let idle = config.signl4.teams.keys().filter(|name| {
        !config.triggers.iter().any(|trigger| trigger.team == TeamName::Named((*name).clone()))
    });
    findings.extend(idle.map(|name| {
        Finding::new(
            name,
            Remark::warning("no trigger pages this team", "give a trigger this team, or remove it"),
        )
    }));
    findings
}

/// What can be said of one team's webhook without calling it.
pub(super) async fn look(client: &WebhookClient, team: TeamName, url: &WebhookUrl) -> Vec<Finding> {
    let host = url.host();
    let reached = match client.reach(url).await {
        Ok(()) => {
            Remark::fine(format!("{host} answers; the team's secret is not tried, for that would page"))
        }
        Err(reason) => {
            let unreached = "let this machine reach it, directly or by the proxy that HTTPS_PROXY names";
            let mend = Flaw::of(&reason).map_or(unreached, Flaw::mend);
            Remark::problem(format!("{host}: {reason}"), mend)
        }
    };
    let mut findings = vec![Finding::new(team.to_string(), reached)];
    if !url.is_tls() && !is_loopback(host) {
        let text = "is called by http: the team's secret passes the network unencrypted";
        findings
            .push(Finding::new(team.to_string(), Remark::warning(text, "write https:// in the webhook URL")));
    }
    if !url.has_plausible_secret() {
        let text = "the end of the webhook URL does not look like a team's secret";
        let mend = "copy the whole URL from the SIGNL4 portal; if it is right as it is, leave it";
        findings.push(Finding::new(team.to_string(), Remark::warning(text, mend)));
    }
    findings
}
