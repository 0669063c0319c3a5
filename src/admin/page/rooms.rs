//! Which rooms are watched, by trigger.

use maud::{Markup, html};

use crate::admin::{Seat, WatchedBy, status::Status, timeline::shown};

/// Rooms of one trigger that are named; a bot may be in thousands.
const NAMED: usize = 60;

pub(super) fn rooms(status: &Status) -> Markup {
    html! {
        h2 { "Watched rooms" }
        table {
            caption { "What each trigger watches, and whom it pages." }
            thead { tr { th scope="col" { "Trigger" } th scope="col" { "Pages" } th scope="col" { "Rooms" } } }
            tbody { @for watched in &status.watched { (row(watched)) } }
        }
    }
}

fn row(watched: &WatchedBy) -> Markup {
    let more = watched.rooms.len().saturating_sub(NAMED);
    html! {
        tr data-key={ "trigger-" (watched.trigger) } {
            th scope="row" { (watched.trigger) }
            td data-label="Pages" { (watched.team) }
            td data-label="Rooms" {
                ul.rooms {
                    @for seat in watched.rooms.iter().take(NAMED) { (room(seat)) }
                    @if more > 0 { li { "and " (more) " more" } }
                    @for entry in &watched.unfound { li data-tone="bad" { code { (entry) } " no such room known" } }
                    @if watched.rooms.is_empty() && watched.unfound.is_empty() { li data-tone="waiting" { "none yet" } }
                }
            }
        }
    }
}

fn room(seat: &Seat) -> Markup {
    html! {
        li data-tone=[(!seat.joined).then_some("waiting")] title={ "id " (seat.room.id) } {
            (shown(&seat.room))
            @if !seat.joined { " not a member, cannot reply" }
        }
    }
}
