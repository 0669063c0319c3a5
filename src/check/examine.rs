//! All probes together.

use super::report::{Finding, Remark, Report, Section};
use super::{PublicUrl, machine, outside, server, teams};
use crate::config::Config;
use rocketchat::Connector;

/// Looks at everything that `run` needs. Pages nobody, posts nothing, joins nothing, leaves no file behind, and does
/// not disturb a bot that runs; with a public address, this one's log tells of a call that was refused. Takes as long as
/// the slowest server, at most a few minutes.
pub async fn examine(config: &Config, public: Option<&PublicUrl>) -> Report {
    let connector = match Connector::with_user_agent(crate::USER_AGENT) {
        Ok(connector) => connector,
        Err(error) => return without_network(config, public, &error.to_string()).await,
    };
    let (server, teams, mut machine, outside) = tokio::join!(
        server::probe(config, &connector),
        teams::probe(config, &connector),
        machine::probe(config),
        from_outside(config, &connector, public)
    );
    machine.extend(outside);
    Report {
        sections: vec![
            Section { title: "Rocket.Chat", findings: server.findings },
            Section { title: "SIGNL4", findings: teams },
            Section { title: "This machine", findings: machine },
        ],
        rooms: server.rooms,
        webhook: machine::webhook(config, public),
    }
}

async fn from_outside(config: &Config, connector: &Connector, public: Option<&PublicUrl>) -> Vec<Finding> {
    let Some(public) = public else { return Vec::new() };
    let remarks = outside::probe(connector, public, &config.listener.secret).await;
    remarks.into_iter().map(|remark| Finding::new("public URL", remark)).collect()
}

async fn without_network(config: &Config, public: Option<&PublicUrl>, reason: &str) -> Report {
    let text = format!("outgoing connections cannot be prepared: {reason}");
    let mut findings =
        vec![Finding::new("network", Remark::problem(text, "check the system's certificates"))];
    findings.extend(machine::probe(config).await);
    let sections = vec![Section { title: "This machine", findings }];
    Report { sections, rooms: None, webhook: machine::webhook(config, public) }
}
