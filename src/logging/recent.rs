//! The last warnings and errors, kept in memory for the status page.
//!
//! They are lines of the log, so nothing has to be reported twice, and they follow the same rules: IDs, counts and reasons,
//! never the text of a message, never a secret.

use std::{
    collections::VecDeque,
    fmt::{self, Write},
    sync::{Arc, LazyLock},
};

use jiff::Timestamp;
use parking_lot::Mutex;
use tracing::{Event, Level, Subscriber, field::Field, field::Visit};
use tracing_subscriber::{Layer, layer::Context};

/// Number of lines kept.
const MAX_LINES: usize = 50;
/// Number of lines kept with the same message, so that a frequent one does not displace all others.
const MAX_OF_ONE_MESSAGE: usize = 5;
/// Maximum length of the message and of the fields, in characters.
const MAX_LENGTH: usize = 500;

/// The lines of this process.
static RECENT: LazyLock<Recent> = LazyLock::new(Recent::default);

/// The last warnings and errors of this process since its log was started.
pub fn recent() -> Recent {
    RECENT.clone()
}

/// A bounded list of warnings and errors. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Recent(Arc<Mutex<VecDeque<Line>>>);

/// A warning or an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When it was last written.
    pub at: Timestamp,
    /// Whether it is an error.
    pub is_error: bool,
    /// The text.
    pub message: String,
    /// The fields, as `name=value`.
    pub fields: String,
    /// How often the same line was written.
    pub times: u64,
}

impl Recent {
    /// The lines, newest first.
    pub fn lines(&self) -> Vec<Line> {
        self.0.lock().iter().cloned().collect()
    }

    fn add(&self, mut line: Line) {
        let mut lines = self.0.lock();
        let same = |kept: &Line| kept.message == line.message && kept.fields == line.fields;
        if let Some(before) = lines.iter().position(same).and_then(|at| lines.remove(at)) {
            line.times = line.times.saturating_add(before.times);
        }
        let alike = |(_, kept): &(usize, &Line)| kept.message == line.message;
        if let Some((at, _)) = lines.iter().enumerate().filter(alike).nth(MAX_OF_ONE_MESSAGE - 1) {
            lines.remove(at);
        }
        lines.push_front(line);
        lines.truncate(MAX_LINES);
    }
}

/// Keeps this crate's warnings and errors.
impl<S: Subscriber> Layer<S> for Recent {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if *metadata.level() > Level::WARN || !super::is_ours(metadata.target()) {
            return;
        }
        let mut words = Words::default();
        event.record(&mut words);
        self.add(Line {
            at: Timestamp::now(),
            is_error: *metadata.level() == Level::ERROR,
            message: bounded(&words.message),
            fields: bounded(&words.fields),
            times: 1,
        });
    }
}

/// Collects message and fields of one line.
#[derive(Default)]
struct Words {
    message: String,
    fields: String,
}

impl Visit for Words {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string never fails.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name if self.fields.is_empty() => write!(self.fields, "{name}={value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

fn bounded(text: &str) -> String {
    text.chars().take(MAX_LENGTH).map(|c| if super::escape::is_unsafe(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use tracing::subscriber::with_default;
    use tracing_subscriber::{layer::SubscriberExt, registry};

    use super::*;

    fn listening(write: impl FnOnce()) -> Recent {
        let recent = Recent::default();
        with_default(registry().with(recent.clone()), write);
        recent
    }

    fn warn(room: usize) {
        tracing::warn!(room, "a watched room cannot be found");
    }

    #[test]
    fn only_our_own_warnings_and_errors_are_kept() {
        let recent = listening(|| {
            tracing::info!("fine");
            tracing::warn!(target: "hyper", "not ours");
            tracing::warn!(room = %"GENERAL", text = "a \"b\"", "a watched room cannot be found");
            tracing::error!(code = 7, "given up");
        });
        let lines = recent.lines();
        let kept: Vec<(bool, &str, &str)> =
            lines.iter().map(|line| (line.is_error, line.message.as_str(), line.fields.as_str())).collect();
        assert_eq!(
            kept,
            [
                (true, "given up", "code=7"),
                (false, "a watched room cannot be found", "room=GENERAL text=a \"b\""),
            ]
        );
    }

    #[test]
    fn a_repeated_line_is_counted_and_moves_to_the_front() {
        let recent = listening(|| [1, 2, 1].into_iter().for_each(warn));
        let lines = recent.lines();
        let kept: Vec<(&str, u64)> = lines.iter().map(|line| (line.fields.as_str(), line.times)).collect();
        assert_eq!(kept, [("room=1", 2), ("room=2", 1)]);
    }

    #[test]
    fn one_message_does_not_displace_the_others() {
        let recent = listening(|| {
            tracing::error!("rare");
            (0..1000).for_each(warn);
        });
        let lines = recent.lines();
        assert_eq!(lines.len(), MAX_OF_ONE_MESSAGE + 1);
        assert_eq!(lines[0].fields, "room=999");
        assert_eq!(lines[MAX_OF_ONE_MESSAGE].message, "rare");
    }

    #[test]
    fn control_characters_are_replaced() {
        let recent = listening(|| tracing::warn!(reason = %"a\n\u{202e}b", "x"));
        assert_eq!(recent.lines()[0].fields, "reason=a\u{fffd}\u{fffd}b");
    }

    #[test]
    fn a_long_line_is_truncated() {
        let recent = listening(|| tracing::warn!(reason = %"ä".repeat(10_000), "long"));
        assert_eq!(recent.lines()[0].fields.chars().count(), MAX_LENGTH);
    }
}
