//! Times, numbers and badges.

use jiff::Timestamp;
use maud::{Markup, html};

use crate::admin::timeline::Tone;

/// A time, in UTC; the page's script shows it in the reader's own.
pub(super) fn time(at: Timestamp) -> Markup {
    html! { time datetime=(machine(at)) { (at.strftime("%Y-%m-%d %H:%M:%S UTC")) } }
}

/// A time of which the page's script also tells how long ago it is, or how soon.
pub(super) fn time_ago(at: Timestamp) -> Markup {
    html! { time.ago datetime=(machine(at)) { (at.strftime("%Y-%m-%d %H:%M:%S UTC")) } }
}

fn machine(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A word in a box whose colour says the same.
pub(super) fn badge(tone: Tone, word: &str) -> Markup {
    html! { span.badge data-tone=(tone_name(tone)) { (word) } }
}

/// What the style sheet calls a tone.
pub(super) fn tone_name(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "good",
        Tone::Plain => "plain",
        Tone::Waiting => "waiting",
        Tone::Bad => "bad",
        Tone::Quiet => "quiet",
    }
}

/// A number and what it counts: `1 alert`, `2 alerts`.
pub(super) fn count(number: u64, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {}", plural(what)),
    }
}

fn plural(what: &str) -> String {
    match what.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_agree_with_their_words() {
        assert_eq!(count(0, "alert"), "0 alerts");
        assert_eq!(count(1, "delivery"), "1 delivery");
        assert_eq!(count(2, "delivery"), "2 deliveries");
    }

    #[test]
    fn a_time_is_the_same_for_people_and_machines() {
        let at = Timestamp::from_millisecond(1_700_000_000_123).unwrap();
        assert_eq!(
            time(at).into_string(),
            "<time datetime=\"2023-11-14T22:13:20Z\">2023-11-14 22:13:20 UTC</time>"
        );
    }
}
