//! The page around its parts.

use maud::{DOCTYPE, Markup, html};

use super::{
    alerts, log, outbox, overview, rooms,
    words::{time, time_ago},
};
use crate::admin::status::Status;

/// The parts that change, by the `id` of the section they fill.
pub(in crate::admin) fn parts(status: &Status) -> [(&'static str, Markup); 6] {
    [
        ("readiness", overview::readiness(status)),
        ("overview", overview::overview(status)),
        ("alerts", alerts::alerts(status)),
        ("outbox", outbox::outbox(status)),
        ("rooms", rooms::rooms(status)),
        ("log", log::log(status)),
    ]
}

/// The whole page.
pub(in crate::admin) fn whole(status: &Status) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (overview::title(status)) }
                link rel="icon" href="favicon.svg" type="image/svg+xml";
                link rel="stylesheet" href="theme.css";
                link rel="stylesheet" href="status.css";
                script type="module" src="status.js" {}
                noscript { meta http-equiv="refresh" content="10"; }
            }
            body {
                a.skip href="#main" { "Skip to the status" }
                (header(status))
                main #main tabindex="-1" {
                    @for (name, part) in parts(status) {
                        section id=(name) aria-label=[(name == "readiness").then_some("Readiness")]
                            aria-live=[(name == "readiness").then_some("polite")] { (part) }
                    }
                }
                (footer(status))
            }
        }
    }
}

fn header(status: &Status) -> Markup {
    html! {
        header.top {
            h1 {
                svg.mark aria-hidden="true" viewBox="0 0 32 32" { use href="favicon.svg#mark" {} }
                "signl4-rocketchat " small { "status" }
            }
            p #live.live data-state="still" {
                span.dot aria-hidden="true" {}
                span.live-text { "As of " (time(status.taken_at)) }
            }
        }
    }
}

fn footer(status: &Status) -> Markup {
    html! {
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
