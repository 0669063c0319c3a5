//! The status page: a [`Status`] rendered as HTML, with its style sheet and script.
//!
//! The page is complete without its script, loads nothing from other hosts and has no inline script or style. The
//! script fetches the page again every few seconds and shows the differences.
//! `maud` escapes everything that is interpolated.

#[cfg(test)]
mod tests;

use axum::{Router, http::header, response::IntoResponse, routing::get};
use jiff::Timestamp;
use maud::{DOCTYPE, Markup, html};

use super::{
    status::{Status, Stored},
    timeline::{AlertTimeline, Step, Tone, attempts},
};
use crate::{
    alerting::room_label,
    count,
    health::{State, Warning, WatchedBy, WatchedRoom},
    logging::Line,
    store::{Callbacks, QueueDepth},
};
use rocketchat::realtime::ConnectionState;

/// How many rooms of one trigger are listed. A bot may be in thousands.
const LISTED_ROOMS: usize = 60;

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// Path, media type and content.
const ASSETS: [(&str, &str, &str); 4] = [
    ("/theme.css", STYLE, include_str!("page/assets/theme.css")),
    ("/status.css", STYLE, include_str!("page/assets/status.css")),
    ("/status.js", SCRIPT, include_str!("page/assets/status.js")),
    ("/favicon.svg", "image/svg+xml", include_str!("page/assets/favicon.svg")),
];

/// A route for each static file.
pub(super) fn assets<S: Clone + Send + Sync + 'static>() -> Router<S> {
    ASSETS.into_iter().fold(Router::new(), |router, (path, media_type, content)| {
        let serve = move || async move { ([(header::CONTENT_TYPE, media_type)], content).into_response() };
        router.route(path, get(serve))
    })
}

/// The complete page.
pub(super) fn page(status: &Status) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (words(status.readiness.state).0) " – signl4-rocketchat" }
                link rel="icon" href="favicon.svg" type="image/svg+xml";
                link rel="stylesheet" href="theme.css";
                link rel="stylesheet" href="status.css";
                script type="module" src="status.js" {}
                noscript { meta http-equiv="refresh" content="10"; }
            }
            body {
                a.skip href="#main" { "Skip to the status" }
                header.top {
                    h1 {
                        svg.mark aria-hidden="true" viewBox="0 0 32 32" { use href="favicon.svg#mark" {} }
                        "signl4-rocketchat " small { "status" }
                    }
                    p #live.live data-state="still" {
                        span.dot aria-hidden="true" {}
                        span.live-text { "As of " time datetime=(rfc3339(status.taken_at)) { (utc(status.taken_at)) } }
                    }
                }
                main #main tabindex="-1" {
                    @for (name, section) in sections(status) {
                        section id=(name) aria-label=[(name == "readiness").then_some("Readiness")]
                            aria-live=[(name == "readiness").then_some("polite")] { (section) }
                    }
                }
                footer.bottom {
                    p { "Version " (env!("CARGO_PKG_VERSION")) ", started " (time_ago(status.started_at)) }
                    nav aria-label="For machines" {
                        a href="metrics" { "Metrics" } " "
                        a href="readyz" { "Readiness" } " "
                        a href="healthz" { "Health" }
                    }
                }
            }
        }
    }
}

/// The sections that change, with the `id` of the element that each fills.
fn sections(status: &Status) -> [(&'static str, Markup); 6] {
    [
        ("readiness", readiness(status)),
        ("overview", overview(status)),
        ("outbox", outbox(status)),
        ("log", log(status)),
        ("alerts", alerts(status)),
        ("rooms", rooms(status)),
    ]
}

/// The title of the page, and the tone and the heading of its banner.
fn words(state: State) -> (&'static str, &'static str, &'static str) {
    match state {
        State::Ready => ("Ready", "good", "Ready"),
        State::Standby => ("Standby", "good", "Standby"),
        State::Degraded => ("DEGRADED", "waiting", "Degraded: people may not be paged"),
        State::Down => ("NOT READY", "bad", "Not ready"),
    }
}

fn readiness(status: &Status) -> Markup {
    let readiness = &status.readiness;
    let (_, tone, heading) = words(readiness.state);
    html! {
        div.banner data-tone=(tone) {
            h2 { (heading) }
            @if readiness.state == State::Ready && status.stored.as_ref().is_ok_and(is_failing) {
                p { "The bot sees the messages of its rooms, and the store accepts writes. Some deliveries are delayed at the moment: see the outbox." }
            } @else if readiness.state == State::Ready {
                p { "The bot sees the messages of its rooms, alerts get out, and the store accepts writes." }
            } @else if readiness.state == State::Standby {
                p {
                    "Another replica is active" @if let Some(active) = &readiness.active { ": " b { (active) } }
                    ". This one stores SIGNL4's events, and takes over if that one fails."
                }
            } @else {
                ul {
                    @for reason in &readiness.missing { li { (reason) } }
                    @for Warning { what, since } in &readiness.warnings {
                        li { (what) @if let Some(since) = since { ", since " (time_ago(*since)) } }
                    }
                }
            }
            @if readiness.state == State::Down {
                p { "Once connected again, the bot reads the messages it missed, as far back as rocketchat.catch_up allows." }
            }
        }
    }
}

/// Whether a failed delivery is waiting. The state reports it a little later.
fn is_failing(stored: &Stored) -> bool {
    stored.waiting.iter().any(|(_, depth)| depth.last_error.is_some())
}

/// The tiles: connection, deliveries waiting, recent alerts and SIGNL4's events, or the store if it fails.
fn overview(status: &Status) -> Markup {
    html! {
        h2.hidden { "Overview" }
        div.tiles {
            (connection_tile(status))
            @match &status.stored {
                Ok(stored) => { (waiting_tile(stored)) (alerts_tile(stored)) (events_tile(stored.callbacks)) }
                Err(reason) => (tile("Store", html! { p.big { (badge(Tone::Bad, "no answer")) } p { (reason) } })),
            }
        }
    }
}

fn tile(title: &str, content: Markup) -> Markup {
    html! { div.tile { h3 { (title) } (content) } }
}

fn connection_tile(status: &Status) -> Markup {
    let (tone, word) = match &status.connection {
        _ if status.readiness.state == State::Standby => (Tone::Good, "standby"),
        ConnectionState::Online { .. } => (Tone::Good, "online"),
        ConnectionState::Connecting { .. } => (Tone::Waiting, "connecting"),
        ConnectionState::Waiting { .. } => (Tone::Bad, "not connected"),
        ConnectionState::Stopped => (Tone::Bad, "stopped"),
    };
    let content = html! {
        p.big { (badge(tone, word)) }
        p {
            a href=(status.server) rel="noreferrer" { (status.server) }
            @if let Some(user) = &status.user { " as " b { (user) } }
        }
        dl {
            @if let Some(since) = status.offline_since { (fact("Offline since", &time_ago(since))) }
            @match &status.connection {
                ConnectionState::Online { since } => {
                    (fact("Since", &time_ago(*since)))
                    (fact("Receives", &html! { "every room the bot is in or can see" }))
                }
                ConnectionState::Connecting { attempt } => (fact("Attempt", &html! { (attempt) })),
                ConnectionState::Waiting { reason, retry_at } => {
                    (fact("Reason", &html! { (reason) }))
                    (fact("Next attempt", &time_ago(*retry_at)))
                }
                ConnectionState::Stopped => {}
            }
        }
    };
    tile("Connection", content)
}

fn fact(name: &str, value: &Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn waiting_tile(stored: &Stored) -> Markup {
    let all: u64 = stored.waiting.iter().map(|(_, depth)| depth.waiting).sum::<u64>() + stored.inbox.waiting;
    let queues = stored.waiting.iter().map(|(_, depth)| depth.oldest);
    let oldest = queues.chain(stored.inbox.oldest).min();
    let tone = match all {
        0 => "quiet",
        _ if is_failing(stored) => "bad",
        _ => "waiting",
    };
    let content = html! {
        p.number data-tone=(tone) { (all) }
        @match oldest {
            Some(oldest) => p { "the oldest since " (time_ago(oldest)) },
            None => p { "Everything is delivered." },
        }
    };
    tile("Waiting", content)
}

fn alerts_tile(stored: &Stored) -> Markup {
    let failed = stored.alerts.iter().filter(|alert_timeline| alert_timeline.tone == Tone::Bad).count();
    let content = html! {
        p.number data-tone=(if failed > 0 { "bad" } else { "quiet" }) { (stored.alerts.len()) }
        @match stored.alerts.first() {
            Some(newest) => {
                p { "the newest " (time_ago(newest.queued_at)) }
                @if failed > 0 { p { (failed) " failed" } }
            }
            None => p { "None in seven days." },
        }
    };
    tile("Recent alerts", content)
}

fn events_tile(callbacks: Callbacks) -> Markup {
    let content = match callbacks {
        Callbacks { last_event: Some(at), .. } => html! {
            p.big { (badge(Tone::Good, "received")) }
            p { "the last " (time_ago(at)) }
        },
        Callbacks { sent: 0, .. } => html! { p { "None yet." } },
        Callbacks { sent, .. } => html! {
            p.big { (badge(Tone::Waiting, "none yet")) }
            p { "although SIGNL4 accepted " (count(sent, "alert")) }
        },
    };
    tile("Events from SIGNL4", content)
}

fn alerts(status: &Status) -> Markup {
    html! {
        h2 { "Alerts" }
        @match &status.stored {
            Ok(stored) => div.stories {
                @let caption = "The most recent alerts, newest first. To read a message, open it in Rocket.Chat: this page shows no message text.";
                @let nothing = "No alerts in seven days. Write a message that a trigger matches, and it appears here.";
                (table(caption, &["Message", "State", "What happened"], &stored.alerts, alert, nothing))
            },
            Err(_) => p.nothing { "The store does not answer, so the alerts cannot be shown." },
        }
    }
}

fn alert(alert_timeline: &AlertTimeline) -> Markup {
    html! {
        tr data-key={ "alert-" (alert_timeline.id) } {
            th scope="row" {
                a href=(alert_timeline.link) rel="noreferrer" { "Message in " (alert_timeline.room) }
                span.sub { (time_ago(alert_timeline.queued_at)) }
                span.sub { "alert " (alert_timeline.id) ", trigger " (alert_timeline.trigger) }
            }
            td { (badge(alert_timeline.tone, alert_timeline.state)) }
            td {
                details {
                    summary { (count(alert_timeline.steps.len() as u64, "step")) @if let Some(last) = alert_timeline.steps.last() { ", the last: " (last.what) } }
                    ol.steps { @for step in &alert_timeline.steps { (timeline_step(step)) } }
                }
            }
        }
    }
}

fn timeline_step(step: &Step) -> Markup {
    html! {
        li data-tone=(step.tone) {
            time datetime=(rfc3339(step.at)) { (utc(step.at)) }
            span.what {
                (step.what)
                @if let Some(detail) = &step.detail { span.detail { (detail) } }
            }
        }
    }
}

fn outbox(status: &Status) -> Markup {
    html! {
        h2 { "Outbox" }
        @match &status.stored {
            Ok(stored) => {
                @let caption = "Deliveries waiting, by destination. A destination never waits for another one.";
                @let nothing = "Nothing is waiting: every alert and every reply has been delivered.";
                (table(caption, &["To", "Waiting", "Oldest", "Why"], &stored.waiting, queue, nothing))
                @if let Some(oldest) = stored.inbox.oldest {
                    p.nothing {
                        (count(stored.inbox.waiting, "event")) " from SIGNL4 not processed yet, the oldest received " (time_ago(oldest)) "."
                    }
                }
            }
            Err(_) => p.nothing { "The store does not answer, so the outbox cannot be shown." },
        }
    }
}

fn queue((name, depth): &(String, QueueDepth)) -> Markup {
    html! {
        tr data-key={ "queue-" (depth.queue) } {
            th scope="row" { (name) span.sub { code { (depth.queue) } } }
            td data-label="Waiting" { (depth.waiting) }
            td data-label="Oldest" { (time_ago(depth.oldest)) }
            td data-label="Why" {
                @if depth.last_error.is_none() && depth.attempts == 0 {
                    "not tried yet"
                } @else {
                    // A delivery that has to wait for the rate limit has no error.
                    (depth.last_error.as_deref().unwrap_or("being sent, or its rate limit is reached"))
                    span.sub { (attempts(depth.attempts)) }
                }
            }
        }
    }
}

fn rooms(status: &Status) -> Markup {
    html! {
        h2 { "Watched rooms" }
        @let caption = "The rooms that each trigger watches, and the team it pages.";
        (table(caption, &["Trigger", "Pages", "Rooms"], &status.watched, trigger_rooms, "There is no trigger."))
    }
}

fn trigger_rooms(watched: &WatchedBy) -> Markup {
    let more = watched.rooms.len().saturating_sub(LISTED_ROOMS);
    html! {
        tr data-key={ "trigger-" (watched.trigger) } {
            th scope="row" { (watched.trigger) }
            td data-label="Pages" { (watched.team) }
            td data-label="Rooms" {
                ul.rooms {
                    @for watched in watched.rooms.iter().take(LISTED_ROOMS) { (watched_room(watched)) }
                    @if more > 0 { li { "and " (more) " more" } }
                    @for entry in &watched.unfound { li data-tone="bad" { code { (entry) } " no such room known" } }
                    @if watched.rooms.is_empty() && watched.unfound.is_empty() { li data-tone="waiting" { "none yet" } }
                }
            }
        }
    }
}

fn watched_room(WatchedRoom { room, joined }: &WatchedRoom) -> Markup {
    html! {
        li data-tone=[(!joined || !room.former_names.is_empty()).then_some("waiting")] title={ "id " (room.id) } {
            (room_label(room))
            @if !joined { " not a member, cannot reply" }
            @if let [former, ..] = &*room.former_names { " was named " (former) "; use the new name in the configuration" }
        }
    }
}

fn log(status: &Status) -> Markup {
    html! {
        h2 { "Last warnings and errors" }
        @let caption = "Newest first. The log has the rest.";
        (table(caption, &["When", "Level", "What"], &status.log, log_line, "None since the start."))
    }
}

fn log_line(line: &Line) -> Markup {
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

/// A table with a row for each item, or the text `nothing`.
fn table<T>(
    caption: &str,
    columns: &[&str],
    items: &[T],
    row: impl Fn(&T) -> Markup,
    nothing: &str,
) -> Markup {
    html! {
        @if items.is_empty() {
            p.nothing { (nothing) }
        } @else {
            table {
                caption { (caption) }
                thead { tr { @for column in columns { th scope="col" { (column) } } } }
                tbody { @for item in items { (row(item)) } }
            }
        }
    }
}

/// A time in UTC. The script shows it in the reader's time zone, with the distance from now.
fn time_ago(at: Timestamp) -> Markup {
    html! { time.ago datetime=(rfc3339(at)) { (utc(at)) } }
}

fn utc(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn rfc3339(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A word in a box. The colour shows its tone.
fn badge(tone: Tone, word: &str) -> Markup {
    html! { span.badge data-tone=(tone) { (word) } }
}
