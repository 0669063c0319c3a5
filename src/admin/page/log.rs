//! The last warnings and errors of the log.

use maud::{Markup, html};

use super::words::{badge, time_ago};
use crate::{
    admin::{status::Status, timeline::Tone},
    logging::Line,
};

pub(super) fn log(status: &Status) -> Markup {
    html! {
        h2 { "Last warnings and errors" }
        @if status.log.is_empty() {
            p.nothing { "None since the start." }
        } @else {
            table {
                caption { "The newest first; the log has the rest." }
                thead { tr {
                    th scope="col" { "When" }
                    th scope="col" { "Level" }
                    th scope="col" { "What" }
                } }
                tbody { @for line in &status.log { (row(line)) } }
            }
        }
    }
}

fn row(line: &Line) -> Markup {
    let (tone, level) = if line.is_error { (Tone::Bad, "error") } else { (Tone::Waiting, "warning") };
    html! {
        tr data-key={ "line-" (line.message) " " (line.fields) } {
            td { (time_ago(line.at)) }
            td { (badge(tone, level)) }
            td {
                (line.message)
                @if line.times > 1 { " " b { "×" (line.times) } }
                @if !line.fields.is_empty() { span.sub { code { (line.fields) } } }
            }
        }
    }
}
