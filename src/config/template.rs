//! Values that are checked by the parts that use them: templates, and words out of a few.

use super::problem::{Fault, quoted};
use super::suggest::closest;
use crate::alerting::{CompileError, Template, Vocabulary};

/// A template that uses nothing but its vocabulary.
pub(super) fn compile(text: &str, vocabulary: &Vocabulary) -> Result<Template, Fault> {
    Template::compile(text, vocabulary).map_err(|error| match error {
        CompileError::Invalid { .. } => Fault::new(
            format!("is not a template: {error}"),
            "write variables as {{ text }}; the syntax is that of Jinja",
        ),
        CompileError::UnknownName(ref name) => {
            let fix = match closest(name, vocabulary.names()) {
                Some(meant) => format!("did you mean {meant}?"),
                None => format!("use one of: {}", vocabulary.names().collect::<Vec<_>>().join(", ")),
            };
            Fault::new(format!("uses the variable {}, which is not there", quoted(name)), fix)
        }
    })
}

/// One of a few words.
pub(super) fn one_of<T, const N: usize>(text: &str, words: [(&str, T); N]) -> Result<T, Fault> {
    let known = words.each_ref().map(|(word, _)| *word);
    if let Some((_, value)) = words.into_iter().find(|(word, _)| *word == text) {
        return Ok(value);
    }
    let known = known.map(|word| format!("\"{word}\"")).join(", ");
    Err(Fault::new(format!("is none of its words ({})", quoted(text)), format!("write one of {known}")))
}
