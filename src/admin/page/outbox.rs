//! What waits, and why.

use maud::{Markup, html};

use super::words::{count, time_ago};
use crate::{
    admin::{
        status::{Status, Stored},
        timeline::tried,
    },
    store::QueueDepth,
};

pub(super) fn outbox(status: &Status) -> Markup {
    html! {
        h2 { "Outbox" }
        @match &status.stored {
            Ok(stored) => {
                @if stored.waiting.is_empty() {
                    p.nothing { "Nothing waits: every alert and every reply has left." }
                } @else { (table(stored)) }
                (inbox(stored))
            }
            Err(_) => p.nothing { "The store does not answer, so nothing can be said of it." },
        }
    }
}

fn table(stored: &Stored) -> Markup {
    html! {
        table {
            caption { "What waits to leave, by destination. Destinations do not wait for each other." }
            thead { tr {
                th scope="col" { "To" }
                th scope="col" { "Waiting" }
                th scope="col" { "Oldest" }
                th scope="col" { "Why" }
                th scope="col" { "Next attempt" }
            } }
            tbody { @for (name, depth) in &stored.waiting { (row(name, depth)) } }
        }
    }
}

fn row(name: &str, depth: &QueueDepth) -> Markup {
    html! {
        tr data-key={ "queue-" (depth.queue) } {
            th scope="row" { (name) span.sub { code { (depth.queue) } } }
            td data-label="Waiting" { (depth.waiting) }
            td data-label="Oldest" { (time_ago(depth.oldest)) }
            td data-label="Why" {
                @match &depth.last_error {
                    Some(reason) => { (reason) span.sub { (tried(depth.attempts)) } }
                    None => "its turn has not come yet",
                }
            }
            td data-label="Next attempt" { (time_ago(depth.not_before)) }
        }
    }
}

fn inbox(stored: &Stored) -> Markup {
    html! {
        @if let Some(oldest) = stored.inbox.oldest {
            p.nothing {
                (count(stored.inbox.waiting, "event")) " from SIGNL4 not handled yet, the oldest came " (time_ago(oldest)) "."
            }
        }
    }
}
