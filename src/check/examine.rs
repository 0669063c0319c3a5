//! All probes together.

use super::report::{Finding, Remark, Report, Section};
use super::{machine, server, teams};
use crate::config::Config;
use crate::rocketchat::Connector;

/// Looks at everything that `run` needs. Pages nobody, posts nothing, joins nothing, leaves no file behind, and does
/// not disturb a bot that runs. Takes as long as the slowest server, at most a few minutes.
pub async fn examine(config: &Config) -> Report {
    let connector = match Connector::new() {
        Ok(connector) => connector,
        Err(error) => return without_network(config, &error.to_string()).await,
    };
    let (server, teams, machine) = tokio::join!(
        server::probe(config, &connector),
        teams::probe(config, &connector),
        machine::probe(config)
    );
    Report {
        sections: vec![
            Section { title: "Rocket.Chat", findings: server.findings },
            Section { title: "SIGNL4", findings: teams },
            Section { title: "This machine", findings: machine },
        ],
        rooms: server.rooms,
        webhook: machine::webhook(config),
    }
}

async fn without_network(config: &Config, reason: &str) -> Report {
    let text = format!("outgoing connections cannot be prepared: {reason}");
    let mut findings =
        vec![Finding::new("network", Remark::problem(text, "check the system's certificates"))];
    findings.extend(machine::probe(config).await);
    let sections = vec![Section { title: "This machine", findings }];
    Report { sections, rooms: None, webhook: machine::webhook(config) }
}
