//! Whether SIGNL4 can be reached, team by team. Secrets are never tried: that would page.

use futures_util::future::join_all;

use super::no_network;
use super::report::{Finding, Remark};
use super::server::is_loopback;
use super::tls_problem::TlsProblem;
use crate::alerting::TeamName;
use crate::config::Config;
use rocketchat::Connector;
use signl4::{WebhookClient, WebhookUrl};

/// Tries to reach the host of every team's webhook.
pub(super) async fn probe(config: &Config, connector: &Connector) -> Vec<Finding> {
    let client = match WebhookClient::new(connector.client_builder()) {
        Ok(client) => client,
        Err(error) => return vec![no_network(&error.without_url().to_string())],
    };
    let probes = config.signl4.webhooks().map(|(team, url)| probe_team(&client, team, url));
    let mut findings = join_all(probes).await.concat();
    let unused = config.signl4.teams.keys().filter(|name| {
        !config.triggers.iter().any(|trigger| trigger.team == TeamName::Named((*name).clone()))
    });
    findings.extend(unused.map(|name| {
        Finding::new(
            name,
            Remark::warning("no trigger pages this team", "give a trigger this team, or remove it"),
        )
    }));
    findings
}

/// What can be found out about a team's webhook without calling it.
pub(super) async fn probe_team(client: &WebhookClient, team: TeamName, url: &WebhookUrl) -> Vec<Finding> {
    let host = url.host();
    let mut remarks = vec![match client.reach(url).await {
        Ok(()) => {
            Remark::fine(format!("{host} answers; the team's secret is not tried, because that would page"))
        }
        Err(reason) => {
            let unreachable = "allow this machine to reach it, directly or through the proxy in HTTPS_PROXY";
            let fix = TlsProblem::of(&reason).map_or(unreachable, TlsProblem::fix);
            Remark::problem(format!("{host}: {reason}"), fix)
        }
    }];
    if !url.is_tls() && !is_loopback(host) {
        let text = "is called over http: the team's secret crosses the network unencrypted";
        remarks.push(Remark::warning(text, "write https:// in the webhook URL"));
    }
    if !url.has_plausible_secret() {
        let text = "the end of the webhook URL does not look like a team's secret";
        let fix = "copy the whole URL from the SIGNL4 portal; if it is correct, ignore this";
        remarks.push(Remark::warning(text, fix));
    }
    remarks.into_iter().map(|remark| Finding::new(team.to_string(), remark)).collect()
}
