//! The queues of the outbox: one for each SIGNL4 team, three for Rocket.Chat.

use crate::admin::QueueLabel;
use crate::alerting::{ReplyKind, TeamName};
use crate::config::Signl4;
use crate::store::{DeliveryKind, Queue};

/// Important replies: what people do with an alert, and that an alert was not sent.
const REPLIES: &str = "rocketchat:reply";
/// Informational replies. In a storm there are thousands, and an acknowledgement must not wait for them.
pub(super) const CONFIRMATIONS: &str = "rocketchat:confirmation";
/// Rocket.Chat limits each route of its REST API separately, so reactions have their own queue.
pub(super) const REACTIONS: &str = "rocketchat:reaction";

/// The queue of a team's alerts.
pub(in crate::bot) fn of_team(team: &TeamName) -> Queue {
    match team {
        TeamName::Default => Queue::new("signl4"),
        TeamName::Named(name) => Queue::new(format!("signl4:{name}")),
    }
}

/// A team's display name.
pub(in crate::bot) fn team_label(team: &TeamName) -> String {
    match team {
        TeamName::Default => "SIGNL4".to_owned(),
        TeamName::Named(name) => format!("SIGNL4 team {name}"),
    }
}

pub(super) fn of_reply(kind: ReplyKind) -> Queue {
    Queue::new(match kind {
        // A delay is in the same queue as its end, or the end might be posted first.
        ReplyKind::Sent | ReplyKind::Queued | ReplyKind::Delayed | ReplyKind::Suppressed => CONFIRMATIONS,
        _ => REPLIES,
    })
}

/// The queues for Rocket.Chat.
pub(super) fn of_chat() -> [QueueLabel; 3] {
    let label =
        |queue, name: &str, carries| QueueLabel { queue: Queue::new(queue), name: name.to_owned(), carries };
    [
        label(REPLIES, "Rocket.Chat: replies", DeliveryKind::Reply),
        label(CONFIRMATIONS, "Rocket.Chat: confirmations", DeliveryKind::Reply),
        label(REACTIONS, "Rocket.Chat: reactions", DeliveryKind::Reaction),
    ]
}

/// Every queue, with its display name.
pub(crate) fn labels(signl4: &Signl4) -> Vec<QueueLabel> {
    let teams = signl4.webhooks().map(|(team, _)| QueueLabel {
        queue: of_team(&team),
        name: team_label(&team),
        carries: DeliveryKind::Alert,
    });
    teams.chain(of_chat()).collect()
}

/// The queue that takes over the rows of a removed queue.
pub(super) fn adopting(kind: DeliveryKind) -> Queue {
    match kind {
        DeliveryKind::Alert => of_team(&TeamName::Default),
        DeliveryKind::Reply => Queue::new(REPLIES),
        DeliveryKind::Reaction => Queue::new(REACTIONS),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_team_has_a_queue_of_its_own() {
        let queues: BTreeSet<Queue> =
            [TeamName::Default, TeamName::Named("a".into()), TeamName::Named("b".into())]
                .iter()
                .map(of_team)
                .collect();
        assert_eq!(queues.len(), 3);
    }

    #[test]
    fn rows_of_a_removed_queue_are_adopted_by_their_kind() {
        let adopted = |kind| adopting(kind).to_string();
        assert_eq!(adopted(DeliveryKind::Alert), "signl4");
        assert_eq!(adopted(DeliveryKind::Reply), "rocketchat:reply");
        assert_eq!(adopted(DeliveryKind::Reaction), "rocketchat:reaction");
    }
}
