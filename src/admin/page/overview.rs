//! The first look: is the bot well, and if not, what is missing.

use maud::{Markup, html};

use super::words::{badge, count, time_ago};
use crate::admin::{
    status::{Status, Stored},
    timeline::Tone,
};
use rocketchat::realtime::{ConnectionState, Scope};

/// The window's title.
pub(super) fn title(status: &Status) -> &'static str {
    if status.readiness.ready { "Ready – signl4-rocketchat" } else { "NOT READY – signl4-rocketchat" }
}

/// Whether the bot can do its work, and what is missing.
pub(super) fn readiness(status: &Status) -> Markup {
    let missing = &status.readiness.missing;
    html! {
        div.banner data-tone=(if status.readiness.ready { "good" } else { "bad" }) data-title=(title(status)) {
            @if status.readiness.ready {
                h2 { "Ready" }
                p { "Rocket.Chat is heard, and the store takes what has to be kept." }
            } @else {
                h2 { "Not ready" }
                ul { @for reason in missing { li { (reason) } } }
                p { "What is written meanwhile is read once the bot is back, as far as rocketchat.catch_up reaches." }
            }
        }
    }
}

/// Four tiles: connection, what waits, the last alerts, the bot itself.
pub(super) fn overview(status: &Status) -> Markup {
    html! {
        h2.hidden { "Overview" }
        div.tiles {
            (connection(status))
            @match &status.stored {
                Ok(stored) => { (waiting(stored)) (alerts(stored)) }
                Err(reason) => div.tile {
                    h3 { "Store" }
                    p.big { (badge(Tone::Bad, "no answer")) }
                    p { (reason) }
                },
            }
        }
    }
}

fn connection(status: &Status) -> Markup {
    let (tone, word) = match &status.connection {
        ConnectionState::Online { .. } => (Tone::Good, "online"),
        ConnectionState::Connecting { .. } => (Tone::Waiting, "connecting"),
        ConnectionState::Waiting { .. } => (Tone::Bad, "not connected"),
        ConnectionState::Stopped(_) => (Tone::Bad, "stopped"),
    };
    html! {
        div.tile {
            h3 { "Connection" }
            p.big { (badge(tone, word)) }
            p {
                a href=(status.server) rel="noreferrer" { (status.server) }
                @if let Some(user) = &status.user { " as " b { (user) } }
            }
            dl { (facts(status)) }
        }
    }
}

fn facts(status: &Status) -> Markup {
    html! {
        @match &status.connection {
            ConnectionState::Online { since, scope } => {
                (fact("Since", &time_ago(*since)))
                (fact("Hears", &heard(scope)))
            }
            ConnectionState::Connecting { attempt } => {
                (offline(status))
                (fact("Attempt", &html! { (attempt) }))
            }
            ConnectionState::Waiting { reason, retry_at } => {
                (offline(status))
                (fact("Reason", &html! { (reason) }))
                (fact("Next attempt", &time_ago(*retry_at)))
            }
            ConnectionState::Stopped(fatal) => {
                (offline(status))
                @if let Some(fatal) = fatal { (fact("Reason", &html! { (fatal) })) }
            }
        }
    }
}

fn offline(status: &Status) -> Markup {
    html! { @if let Some(since) = status.offline_since { (fact("Offline since", &time_ago(since))) } }
}

fn heard(scope: &Scope) -> Markup {
    html! {
        @match scope {
            Scope::AllRooms => "every room the bot is in or can see",
            Scope::EachRoom { heard, refused } => {
                (count(*heard as u64, "room")) ", each by itself"
                @if !refused.is_empty() {
                    "; refused: "
                    @for room in refused { code { (room) } " " }
                }
            }
        }
    }
}

fn fact(name: &str, value: &Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn waiting(stored: &Stored) -> Markup {
    let all: u64 = stored.waiting.iter().map(|(_, depth)| depth.waiting).sum::<u64>() + stored.inbox.waiting;
    let queues = stored.waiting.iter().map(|(_, depth)| depth.oldest);
    let oldest = queues.chain(stored.inbox.oldest).min();
    let failing = stored.waiting.iter().any(|(_, depth)| depth.last_error.is_some());
    let tone = match all {
        0 => "quiet",
        _ if failing => "bad",
        _ => "waiting",
    };
    html! {
        div.tile {
            h3 { "Waiting" }
            p.number data-tone=(tone) { (all) }
            @match oldest {
                Some(oldest) => p { "the oldest since " (time_ago(oldest)) },
                None => p { "Everything is delivered." },
            }
        }
    }
}

fn alerts(stored: &Stored) -> Markup {
    let of = |tone| stored.alerts.iter().filter(|story| story.tone == tone).count();
    html! {
        div.tile {
            h3 { "Last alerts" }
            p.number data-tone=(if of(Tone::Bad) > 0 { "bad" } else { "quiet" }) { (stored.alerts.len()) }
            @match stored.alerts.first() {
                Some(newest) => {
                    p { "the newest " (time_ago(newest.queued_at)) }
                    @if of(Tone::Bad) > 0 { p { (of(Tone::Bad)) " went wrong" } }
                }
                None => p { "None in seven days." },
            }
        }
    }
}
