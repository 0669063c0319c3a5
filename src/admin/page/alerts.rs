//! The last alerts, each with its story.

use maud::{Markup, html};

use super::words::{badge, count, time, time_ago, tone_name};
use crate::admin::{
    status::Status,
    timeline::{Step, Story},
};

/// Stories that are unfolded from the start; the newest are.
const UNFOLDED: usize = 3;

pub(super) fn alerts(status: &Status) -> Markup {
    html! {
        h2 { "Alerts" }
        @match &status.stored {
            Ok(stored) if !stored.alerts.is_empty() => (table(&stored.alerts)),
            Ok(_) => p.nothing { "No alerts in seven days. Write a message that a trigger matches, and it appears here." },
            Err(_) => p.nothing { "The store does not answer, so nothing can be said of them." },
        }
    }
}

fn table(stories: &[Story]) -> Markup {
    html! {
        table.stories {
            caption { "The last alerts, the newest first. Texts are not shown here; they stand in Rocket.Chat." }
            thead { tr { th scope="col" { "Message" } th scope="col" { "State" } th scope="col" { "What happened" } } }
            tbody { @for (at, story) in stories.iter().enumerate() { (row(story, at < UNFOLDED)) } }
        }
    }
}

fn row(story: &Story, unfolded: bool) -> Markup {
    html! {
        tr data-key={ "alert-" (story.id) } {
            th scope="row" {
                a href=(story.link) rel="noreferrer" { "Message in " (story.room) }
                span.sub { (time_ago(story.queued_at)) }
                span.sub { "alert " (story.id) ", trigger " (story.trigger) }
            }
            td { (badge(story.tone, story.state)) }
            td {
                details open[unfolded] {
                    summary { (count(story.steps.len() as u64, "step")) @if let Some(last) = story.steps.last() { ", the last: " (last.what) } }
                    ol.steps { @for step in &story.steps { (item(step)) } }
                }
            }
        }
    }
}

fn item(step: &Step) -> Markup {
    html! {
        li data-tone=(tone_name(step.tone)) {
            (time(step.at))
            span.what {
                (step.what)
                @if let Some(detail) = &step.detail { span.detail { (detail) } }
                @if let Some(next) = step.next { span.detail { "next attempt " (time_ago(next)) } }
            }
        }
    }
}
