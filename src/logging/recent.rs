//! The last warnings and errors, kept in memory for the status page.
//!
//! They are the very lines of the log, so that no part has to report its trouble twice, and what holds for the log holds
//! for them: ids, counts and reasons, never a message's text, never a secret.

use std::{
    collections::VecDeque,
    fmt::{self, Write},
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use tokio::sync::watch;
use tracing::{Event, Level, Subscriber, callsite::Identifier, field::Field, field::Visit};
use tracing_subscriber::{Layer, layer::Context};

/// Lines that are kept.
const MOST: usize = 50;
/// Lines that are kept of one place in the code: one trouble must not push out all others.
const MOST_OF_ONE_PLACE: usize = 5;
/// Longest part of a line that is kept, in characters.
const LONGEST: usize = 500;

/// Those of this process.
static RECENT: LazyLock<Recent> = LazyLock::new(Recent::default);

/// The warnings and errors that this process wrote last, once its log was started.
pub fn recent() -> Recent {
    RECENT.clone()
}

/// A bounded list of warnings and errors. Clones share it.
#[derive(Clone, Debug)]
pub struct Recent {
    lines: Arc<Mutex<VecDeque<Kept>>>,
    changes: watch::Sender<()>,
}

/// A warning or an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When it was written last.
    pub at: Timestamp,
    /// Whether it is an error.
    pub is_error: bool,
    /// What it says.
    pub message: String,
    /// Its fields, as `name=value`.
    pub fields: String,
    /// How often it was written, word for word.
    pub times: u64,
}

#[derive(Debug)]
struct Kept {
    place: Identifier,
    line: Line,
}

impl Default for Recent {
    fn default() -> Self {
        Self { lines: Arc::default(), changes: watch::Sender::new(()) }
    }
}

impl Recent {
    /// All that is kept, the newest first.
    pub fn lines(&self) -> Vec<Line> {
        self.lock().iter().map(|kept| kept.line.clone()).collect()
    }

    /// Tells when a line was added.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    fn add(&self, place: Identifier, mut line: Line) {
        let mut lines = self.lock();
        let same = |kept: &Kept| kept.line.message == line.message && kept.line.fields == line.fields;
        if let Some(before) = lines.iter().position(same).and_then(|at| lines.remove(at)) {
            line.times = line.times.saturating_add(before.line.times);
        }
        let here = |(_, kept): &(usize, &Kept)| kept.place == place;
        if let Some((at, _)) = lines.iter().enumerate().filter(here).nth(MOST_OF_ONE_PLACE - 1) {
            lines.remove(at);
        }
        lines.push_front(Kept { place, line });
        lines.truncate(MOST);
        drop(lines);
        self.changes.send_replace(());
    }

    // A list of finished lines holds no invariant that a panic elsewhere could have broken.
    fn lock(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps our own warnings and errors.
impl<S: Subscriber> Layer<S> for Recent {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if *metadata.level() > Level::WARN || !super::is_ours(metadata) {
            return;
        }
        let mut words = Words::default();
        event.record(&mut words);
        let line = Line {
            at: Timestamp::now(),
            is_error: *metadata.level() == Level::ERROR,
            message: bounded(&words.message),
            fields: bounded(&words.fields),
            times: 1,
        };
        self.add(metadata.callsite(), line);
    }
}

/// The words of one line.
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
        // Writing into a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name if self.fields.is_empty() => write!(self.fields, "{name}={value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

fn bounded(text: &str) -> String {
    text.chars().take(LONGEST).collect()
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
    fn warnings_and_errors_of_ours_are_kept_with_their_fields_and_nothing_else_is() {
        let recent = listening(|| {
            tracing::info!("fine");
            tracing::warn!(target: "hyper", "not ours");
            tracing::warn!(room = %"GENERAL", text = "a \"b\"", "a watched room cannot be found");
            tracing::error!(code = 7, "given up");
        });
        let lines = recent.lines();
        let told: Vec<(bool, &str, &str)> =
            lines.iter().map(|line| (line.is_error, line.message.as_str(), line.fields.as_str())).collect();
        assert_eq!(
            told,
            [
                (true, "given up", "code=7"),
                (false, "a watched room cannot be found", "room=GENERAL text=a \"b\""),
            ]
        );
    }

    #[test]
    fn a_line_that_comes_again_is_counted_and_moves_to_the_front() {
        let recent = listening(|| [1, 2, 1].into_iter().for_each(warn));
        let lines = recent.lines();
        let told: Vec<(&str, u64)> = lines.iter().map(|line| (line.fields.as_str(), line.times)).collect();
        assert_eq!(told, [("room=1", 2), ("room=2", 1)]);
    }

    #[test]
    fn one_place_in_the_code_does_not_push_out_the_others() {
        let recent = listening(|| {
            tracing::error!("rare");
            (0..1000).for_each(warn);
        });
        let lines = recent.lines();
        assert_eq!(lines.len(), MOST_OF_ONE_PLACE + 1);
        assert_eq!(lines[0].fields, "room=999");
        assert_eq!(lines[MOST_OF_ONE_PLACE].message, "rare");
    }

    #[test]
    fn a_long_line_is_cut() {
        let recent = listening(|| tracing::warn!(reason = %"ä".repeat(10_000), "long"));
        assert_eq!(recent.lines()[0].fields.chars().count(), LONGEST);
    }
}
