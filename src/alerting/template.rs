//! Templates: validated when the configuration is loaded, rendered when somebody is paged.
//!
//! A template may only use the names of its [`Vocabulary`]. This check, a trial rendering and the limits below find
//! mistakes when the configuration is loaded, and not at night. Values are inserted as they are: nothing is escaped,
//! and a value that looks like a template is never evaluated.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value};
use regex::Regex;

/// The maximum number of instructions per rendering. An ordinary template needs a few dozen.
const FUEL: u64 = 20_000;

/// The maximum nesting depth of a template.
const RECURSION_LIMIT: usize = 20;

/// The maximum output of one rendering, in bytes. Rocket.Chat's own limit for a message is 5,000 characters by
/// default.
const OUTPUT_LIMIT: usize = 256 << 10;

/// The settings that all templates share.
static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_recursion_limit(RECURSION_LIMIT);
    environment.set_fuel(Some(FUEL));
    // Fuel counts instructions, not memory. Without these, and with the tags below, a value cannot be built up step by step.
    for function in ["namespace", "range", "dict"] {
        environment.remove_global(function);
    }
    environment.add_filter("replace", replace);
    environment
});

/// `{% tag ... %}`.
static TAG: LazyLock<Regex> = LazyLock::new(|| regex(r"(?s)\{%[-+]?\s*(\w*)\s*(.*?)\s*[-+]?%\}"));

/// What `for` may iterate over: a variable or a slice of it, and filters with at most one literal argument.
static ITERATED: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"^\w+(\s*,\s*\w+)*\s+in\s+[\w.]+(\[[\d:\s-]*\])?(\s*\|\s*\w+(\(\s*('[^']*'|"[^"]*"|\d{0,3})\s*\))?)*$"#,
    )
});

#[expect(clippy::unwrap_used, reason = "constants that the tests compile")]
fn regex(constant: &str) -> Regex {
    Regex::new(constant).unwrap()
}

/// A text with variables, validated. It is compiled again when it is rendered, which is rare: the compiled form is large.
#[derive(Clone, Debug)]
pub struct Template {
    source: String,
}

/// The names that a template may use, including dotted ones such as `room.name`.
pub type Vocabulary = BTreeSet<String>;

/// Why a template is rejected.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// It is not a valid template, or uses a filter that does not exist.
    #[error("{why} (line {line} of the template)")]
    Invalid {
        /// What is wrong, in one line.
        why: String,
        /// The line within the template, from 1.
        line: usize,
    },
    /// It uses a tag that could build up a value without bounds.
    #[error("{{% {0} … %}} is not allowed in this form")]
    Tag(String),
    /// It uses an unknown name.
    #[error("there is no variable {0:?}")]
    UnknownName(String),
}

/// Why a template could not be rendered. Contains none of the values, because message texts must not be logged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the template for {what} failed on its line {line}: {why}")]
pub struct RenderError {
    /// The key of the template.
    pub what: String,
    /// What went wrong, in general terms.
    pub why: String,
    /// The line within the template, from 1; 0 if it is unknown.
    pub line: usize,
}

/// A value for every name. It is a digit, which works both as a text and as a number.
fn sample(vocabulary: &Vocabulary) -> Value {
    let mut plain: Vec<(&str, Value)> = Vec::new();
    let mut nested: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for name in vocabulary {
        match name.split_once('.') {
            Some((object, field)) => nested.entry(object).or_default().push((field, "1")),
            None => plain.push((name, Value::from("1"))),
        }
    }
    plain.extend(nested.into_iter().map(|(object, fields)| (object, Value::from_pairs(fields))));
    Value::from_pairs(plain)
}

impl Template {
    /// Compiles a template and checks that it only uses names of the vocabulary.
    ///
    /// # Errors
    /// When the template would fail for every message.
    pub fn compile(source: &str, vocabulary: &Vocabulary) -> Result<Self, CompileError> {
        let template = Self { source: source.to_owned() };
        template.check_tags()?;
        template.check_names(vocabulary)?;
        template.try_out(vocabulary)?;
        Ok(template)
    }

    /// The source of the template.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Renders the template. `what` is its key, for the error.
    ///
    /// # Errors
    /// When the values do not fit the template, or it exceeds a limit.
    pub fn render(&self, what: &str, values: &Value) -> Result<String, RenderError> {
        self.run(values).map_err(|error| RenderError {
            what: what.to_owned(),
            // Without the details, which may quote a value.
            why: error.kind().to_string(),
            line: error.line().unwrap_or_default(),
        })
    }

    fn run(&self, values: &Value) -> Result<String, minijinja::Error> {
        // A buffer that does not grow: a longer text fails.
        let mut output = io::Cursor::new(vec![0; OUTPUT_LIMIT].into_boxed_slice());
        let render = || {
            ENVIRONMENT
                .template_from_str(&self.source)?
                .render_captured_to(values.clone(), &mut output)
                .map(drop)
        };
        // A filter that panics with a text, as minijinja's `format` does, would lose the alert of that message.
        let panicked = |_| minijinja::Error::new(ErrorKind::InvalidOperation, "a filter failed");
        catch_unwind(AssertUnwindSafe(render)).map_err(panicked)??;
        let length = output.position() as usize;
        Ok(String::from_utf8_lossy(&output.into_inner()[..length]).into_owned())
    }

    fn check_tags(&self) -> Result<(), CompileError> {
        let is_allowed = |tag: &str, rest: &str| match tag {
            "for" => ITERATED.is_match(rest),
            "set" | "with" | "filter" | "macro" | "call" | "block" | "autoescape" | "do" => false,
            // Anything else is harmless, or unknown to the compiler.
            _ => true,
        };
        let refused = TAG.captures_iter(&self.source).find(|tag| !is_allowed(&tag[1], &tag[2]));
        refused.map_or(Ok(()), |tag| Err(CompileError::Tag(tag[1].to_owned())))
    }

    fn check_names(&self, vocabulary: &Vocabulary) -> Result<(), CompileError> {
        let template = ENVIRONMENT.template_from_str(&self.source).map_err(|error| invalid(&error))?;
        let built_in: BTreeSet<&str> = ENVIRONMENT.globals().map(|(name, _)| name).collect();
        let used: BTreeSet<String> = template.undeclared_variables(true).into_iter().collect();
        let known = |name: &String| vocabulary.contains(name) || built_in.contains(name.as_str());
        let unknown = used.into_iter().find(|name| !known(name));
        unknown.map_or(Ok(()), |name| Err(CompileError::UnknownName(name)))
    }

    /// Renders it once. Only reports mistakes that no other value could avoid.
    fn try_out(&self, vocabulary: &Vocabulary) -> Result<(), CompileError> {
        match self.run(&sample(vocabulary)) {
            Err(error) if is_hopeless(error.kind()) => Err(invalid(&error)),
            _ => Ok(()),
        }
    }
}

/// The filter of the same name, but with a bounded result: each call may multiply the length of a text by that of another.
fn replace(text: String, from: String, to: String) -> Result<String, minijinja::Error> {
    match text.len() + text.matches(&from).count() * to.len() > OUTPUT_LIMIT {
        true => Err(minijinja::Error::new(ErrorKind::InvalidOperation, "the text is too long")),
        false => Ok(text.replace(&from, &to)),
    }
}

fn is_hopeless(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::UnknownFilter
            | ErrorKind::UnknownTest
            | ErrorKind::UnknownFunction
            | ErrorKind::UnknownMethod
            | ErrorKind::TooManyArguments
            | ErrorKind::MissingArgument
            | ErrorKind::OutOfFuel
            | ErrorKind::WriteFailure
    )
}

fn invalid(error: &minijinja::Error) -> CompileError {
    let why = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    CompileError::Invalid { why, line: error.line().unwrap_or(1) }
}

#[cfg(test)]
mod tests {
    use minijinja::context;
    use proptest::prelude::*;

    use super::*;

    fn vocabulary() -> Vocabulary {
        ["text", "room.id", "room.name", "pump"].map(String::from).into()
    }

    fn compiled(source: &str) -> Template {
        Template::compile(source, &vocabulary()).unwrap()
    }

    fn refused(source: &str) -> String {
        Template::compile(source, &vocabulary()).unwrap_err().to_string()
    }

    fn values(text: &str) -> Value {
        context! { text, pump => "", room => context! { id => "GENERAL", name => "general" } }
    }

    fn rendered(source: &str, text: &str) -> String {
        compiled(source).render("title", &values(text)).unwrap()
    }

    #[test]
    fn variables_are_filled_in_and_everything_else_is_left_as_it_is() {
        assert_eq!(
            rendered("{{ text }} in #{{ room.name }} ({{ room.id }})", "help"),
            "help in #general (GENERAL)"
        );
        assert_eq!(rendered("  two\n lines \n", ""), "  two\n lines ");
        assert_eq!(rendered("<b>*{{ text }}*</b> & `more`", "x"), "<b>*x*</b> & `more`");
        assert_eq!(rendered("{# a comment #}{{ text|upper }}", "x"), "X");
    }

    #[test]
    fn nothing_in_a_value_is_escaped_or_evaluated() {
        for text in [
            "<script>\"&'</script>",
            "**bold** [x](y) @all",
            "{{ room.id }} {% if x %}",
            "{#",
            "ünïcödé 🚨\0",
        ] {
            assert_eq!(rendered("{{ text }}", text), text);
        }
    }

    #[test]
    fn a_template_can_test_whether_a_value_is_known() {
        let source = "Pump{% if pump %} {{ pump }}{% endif %}{{ ' (' ~ pump ~ ')' if pump }}";
        assert_eq!(rendered(source, ""), "Pump");
        assert_eq!(rendered("{{ pump or 'unknown' }}", ""), "unknown");
    }

    #[test]
    fn a_name_that_will_never_be_there_is_refused_at_load() {
        assert_eq!(refused("{{ txet }}"), "there is no variable \"txet\"");
        assert_eq!(refused("{{ room.nmae }}"), "there is no variable \"room.nmae\"");
        assert_eq!(refused("{{ room }}"), "there is no variable \"room\"");
        assert_eq!(refused("{% if severity %}high{% endif %}"), "there is no variable \"severity\"");
        compiled("{% for letter in text %}{{ loop.index }}{{ letter }}{% endfor %}");
    }

    #[test]
    fn an_invalid_template_is_refused_at_load_with_its_line() {
        for (source, line) in [
            ("{{ text", 1),
            ("one\n{% if text %}", 2),
            ("{{ text|shout }}", 1),
            ("\n\n{{ text|truncate('a', 'b', 'c', 'd', 'e', 'f') }}", 3),
            ("{% include 'bot.toml' %}", 1),
            ("{% extends 'bot.toml' %}", 1),
        ] {
            let reason = refused(source);
            assert!(reason.ends_with(&format!("(line {line} of the template)")), "{source:?}: {reason}");
            assert_eq!(reason.lines().count(), 1, "{reason}");
        }
    }

    #[test]
    fn a_template_that_runs_or_writes_without_end_is_refused_at_load() {
        refused("{% for x in range(100000) %}{{ x }}{% endfor %}");
        refused(
            "{% for x in range(5000) %}0123456789012345678901234567890123456789012345678901234567890{% endfor %}",
        );
    }

    #[test]
    fn a_template_that_only_some_message_makes_endless_fails_on_that_message() {
        let template =
            compiled("{% for a in text %}{% for b in text %}{{ a }}{{ b }}{% endfor %}{% endfor %}");
        assert_eq!(template.render("title", &values("ab")).unwrap(), "aaabbabb");
        let error = template.render("title", &values(&"secret ".repeat(200))).unwrap_err();
        assert_eq!(error.what, "title");
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    /// Without the check of the tags, these take minutes and gigabytes.
    #[test]
    fn a_template_cannot_build_up_a_value_without_bounds() {
        let nested = |begin: &str, end: &str| begin.repeat(40) + "{{ text|length }}" + &end.repeat(40);
        let forty = |tag: &str| tag.repeat(40) + "{{ text|length }}";
        let begin = std::time::Instant::now();
        for source in [
            forty("{% set text = text ~ text %}"),
            "{% set x = [text] %}".to_owned() + &forty("{%- set x = x + x -%}"),
            nested("{% with text = text ~ text %}", "{% endwith %}"),
            nested("{% for text in [text ~ text] %}", "{% endfor %}"),
            nested("{%for text in (text + text)|batch(9)%}", "{%endfor%}"),
            "{% set n = namespace(x=[1]) %}{% for c in text %}{% set n.x = n.x + n.x %}{% endfor %}"
                .to_owned(),
            "{% filter upper %}{{ text }}{% endfilter %}".to_owned(),
        ] {
            refused(&source);
        }
        let template = compiled(&format!("{{{{ text{} }}}}", "|replace('x', text)".repeat(40)));
        template.render("title", &values(&"x".repeat(5_000))).unwrap_err();
        for source in [
            "{{ (text * 99999999)|length }}",
            "{{ ([text] * 999999999999)|list|length }}",
            "{{ '%0999999999d'|format(1) }}",
        ] {
            if let Ok(template) = Template::compile(source, &vocabulary()) {
                let _ = template.render("title", &values("x"));
            }
        }
        assert!(begin.elapsed() < std::time::Duration::from_secs(10), "{:?}", begin.elapsed());
        compiled(
            "{% for word in text|split(' ') %}{{ word }}{% endfor %}{%- for c in room.name[:3] -%}{{ c }}{% endfor %}",
        );
    }

    /// The most memory that this process ever had, in KiB (`VmHWM` of proc(5)).
    fn peak_kib() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Each would take gigabytes if fuel counted only instructions, or if filters were not charged for what they make.
    #[test]
    fn an_expression_cannot_take_much_memory() {
        let doubled = |twice: &str| {
            (0..14).fold("{{ text|length }}".to_owned(), |source, _| source.replace("text", twice))
        };
        for source in [
            doubled("(text ~ text)"),
            doubled("(text|list + text|list)"),
            doubled("text|replace('x', text)"),
            "{{ text|list|join(text)|list|join(text)|list|join(text)|length }}".to_owned(),
            "{{ text|list|map('replace', 'x', text)|join|replace('x', text)|length }}".to_owned(),
            "{{ text|indent(999999999)|length }}".to_owned(),
            "{{ text|list|batch(999999999, text)|list|length }}".to_owned(),
            "{{ text|list|slice(999999999, text)|list|length }}".to_owned(),
            "{{ ([text] * 99999999)|join|length }}".to_owned(),
            "{{ '%0999999999d'|format(1) }}".to_owned(),
        ] {
            if let Ok(template) = Template::compile(&source, &vocabulary()) {
                assert!(template.render("title", &values(&"x".repeat(5_000))).is_err(), "{source:.100}");
            }
        }
        assert!(peak_kib() < 256 * 1024, "{} KiB", peak_kib());
    }

    #[test]
    fn a_filter_that_panics_is_an_error() {
        let template = compiled("{{ text|format(1) }}");
        assert!(template.render("title", &values("%(S\u{fffd}")).is_err());
    }

    #[test]
    fn what_is_written_is_bounded() {
        let template = compiled("{{ text }}{{ text }}");
        let half = "x".repeat(OUTPUT_LIMIT / 2);
        assert_eq!(template.render("title", &values(&half)).unwrap().len(), OUTPUT_LIMIT);
        template.render("title", &values(&(half + "x"))).unwrap_err();
    }

    #[test]
    fn an_error_names_the_key_and_the_line_but_no_value() {
        let template = compiled("one\n{{ text + 1 }}");
        let error = template.render("message", &values("my password is hunter2")).unwrap_err();
        assert_eq!((error.what.as_str(), error.line), ("message", 2));
        assert!(error.to_string().starts_with("the template for message failed on its line 2: "), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    fn source() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            "\\PC{0,12}",
            proptest::sample::select(
                &[
                    "{{ text }}",
                    "{{ text|length * 3 }}",
                    "{{ text[1:] }}",
                    "{{ room.name|upper }}",
                    "{{ pump|int + 1 }}",
                    "{% if text %}",
                    "{% endif %}",
                    "{% for c in text %}",
                    "{% endfor %}",
                    "{{ c }}",
                    "{{",
                    "}}",
                    "{%",
                    "%}",
                    "{#",
                    "#}",
                    "{{ text|replace('a', text) }}",
                    "{{ text * 3 }}",
                    "{{ [text]|join }}",
                    "{% set c = text %}",
                    "{{ text|indent(9999) }}",
                    "{{ range(9) }}",
                    "{{ 1 / 0 }}",
                    "{{ text.upper() }}",
                ][..]
            )
            .prop_map(str::to_owned),
        ];
        proptest::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_template_and_no_value_makes_it_panic_or_write_without_end(source in source(), text in "\\PC{0,200}") {
            if let Ok(template) = Template::compile(&source, &vocabulary())
                && let Ok(written) = template.render("title", &values(&text))
            {
                prop_assert!(written.len() <= OUTPUT_LIMIT);
            }
        }

        #[test]
        fn a_value_is_rendered_unchanged(text in "\\PC*") {
            prop_assert_eq!(rendered("{{ text }}", &text), text);
        }
    }
}
