//! Tries everything that `run` needs, without paging anybody, and says how to fix what does not work.
//!
//! Probes do the I/O and return plain [`Finding`]s. `rooms` evaluates the rooms of the triggers from the results of
//! the probes, with the same [`RoomPattern`](crate::alerting::RoomPattern)s as the running bot.
//!
//! | file | subject |
//! | --- | --- |
//! | `server`, `room_inventory`, `teams`, `machine`, `public_url` | probes: Rocket.Chat, its rooms, SIGNL4, this machine, the listener from outside |
//! | `rooms` | what is wrong with the rooms that triggers name |
//! | `trial` | the clients, and single probes for setting up |
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
mod trial;

use crate::config::Config;

pub(crate) use machine::webhook_base;
pub use print::{Look, print};
pub use public_url::PublicUrl;
pub use report::{Finding, Grade, Remark, Report, Section, TriggerRooms, json};
pub(crate) use server::{Session, unencrypted};
pub(crate) use trial::Clients;

/// Probes everything that `run` needs. Pages nobody, posts nothing, joins nothing, leaves no file behind, and does not
/// disturb a running bot; with a public address, that bot logs one rejected call. Takes as long as the slowest server, a few
/// minutes at most.
pub async fn examine(config: &Config, public: Option<&PublicUrl>) -> Report {
    let webhook = format!("{}/signl4/<listener.secret>", webhook_base(config, public));
    let of_machine = |findings| Section { title: "This machine", findings };
    let clients = match Clients::new() {
        Ok(clients) => clients,
        Err(why) => {
            let mut findings = vec![Finding::new("network", Remark::of_error(&why))];
            findings.extend(machine::probe(config).await);
            return Report { sections: vec![of_machine(findings)], rooms: None, webhook };
        }
    };
    let ((server, rooms), teams, mut machine, public_url) = tokio::join!(
        server::probe(config, &clients),
        teams::probe(config, &clients.webhooks),
        machine::probe(config),
        public_url::probe(config, &clients.connector, public)
    );
    machine.extend(public_url);
    let sections = vec![
        Section { title: "Rocket.Chat", findings: server },
        Section { title: "SIGNL4", findings: teams },
        of_machine(machine),
    ];
    Report { sections, rooms, webhook }
}
