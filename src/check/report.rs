//! What was probed and found: plain data, and its JSON.

use serde::Serialize;
use serde_json::{Value, json};

/// How good or bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// As expected.
    Fine,
    /// The bot works, but perhaps not in every way that an administrator expects.
    Warning,
    /// The bot would not do what `bot.toml` asks for.
    Problem,
}

/// A statement about what was probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// How bad it is.
    pub grade: Grade,
    /// What was found.
    pub text: String,
    /// How to fix it.
    pub fix: Option<String>,
}

impl Remark {
    /// As expected.
    pub fn fine(text: impl Into<String>) -> Self {
        Self { grade: Grade::Fine, text: text.into(), fix: None }
    }

    /// Worth knowing, with advice.
    pub fn warning(text: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { grade: Grade::Warning, text: text.into(), fix: Some(fix.into()) }
    }

    /// A problem, with its fix.
    pub fn problem(text: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { grade: Grade::Problem, text: text.into(), fix: Some(fix.into()) }
    }

    /// A problem with the text of an error. Errors for people end in the remedy, after a semicolon.
    pub fn of_error(error: &impl std::fmt::Display) -> Self {
        let text = error.to_string();
        match text.rsplit_once("; ") {
            Some((why, fix)) => Self::problem(why, fix),
            None => Self { grade: Grade::Problem, text, fix: None },
        }
    }

    /// The same remark, at most a warning.
    #[must_use]
    pub fn at_most_warning(self) -> Self {
        Self { grade: self.grade.min(Grade::Warning), ..self }
    }
}

/// A subject that was probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is, in a word or two; or an entry of a trigger's `rooms` as it was understood, or one of its rooms.
    pub subject: String,
    /// Whether it is one of the rooms that the entry above matches.
    pub is_part: bool,
    /// What was found.
    pub remark: Remark,
}

impl Finding {
    /// A remark on a subject.
    pub fn new(subject: impl Into<String>, remark: Remark) -> Self {
        Self { subject: subject.into(), is_part: false, remark }
    }
}

/// Findings that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its heading.
    pub title: &'static str,
    /// The findings, most important first.
    pub findings: Vec<Finding>,
}

/// What was found about a trigger's `rooms`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriggerRooms {
    /// The trigger.
    pub trigger: String,
    /// The team it pages.
    pub team: String,
    /// The findings, entry by entry.
    pub findings: Vec<Finding>,
}

/// Everything that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Everything but the rooms.
    pub sections: Vec<Section>,
    /// The rooms of the triggers; `None` if they could not be probed.
    pub rooms: Option<Vec<TriggerRooms>>,
    /// The URL that SIGNL4 has to call, without its secret.
    pub webhook: String,
}

impl Report {
    /// How many remarks have this grade.
    pub fn count(&self, grade: Grade) -> usize {
        let rooms = self.rooms.iter().flatten().flat_map(|trigger| &trigger.findings);
        let findings = self.sections.iter().flat_map(|section| &section.findings).chain(rooms);
        findings.filter(|finding| finding.remark.grade == grade).count()
    }

    /// Whether `run` would do what `bot.toml` asks for.
    pub fn works(&self) -> bool {
        self.rooms.is_some() && self.count(Grade::Problem) == 0
    }
}

/// The report for a program: `works`, `webhook` (without its secret), and `findings`, each with `section`, `subject`, `state`
/// (`fine`, `warning` or `problem`), `what` and `fix`; those of rooms also with `trigger` and `team`. A public contract:
/// fields may be added, not changed or removed.
pub fn json(report: &Report) -> Value {
    let entry = |section: &str, Finding { subject, remark, .. }: &Finding| {
        let Remark { grade, text, fix } = remark;
        // `mend` is the former name of `fix`, kept for programs that read it.
        json!({ "section": section, "subject": subject, "state": grade, "what": text, "fix": fix, "mend": fix })
    };
    let mut findings = Vec::new();
    for Section { title, findings: of_section } in &report.sections {
        findings.extend(of_section.iter().map(|finding| entry(title, finding)));
    }
    for TriggerRooms { trigger, team, findings: of_trigger } in report.rooms.iter().flatten() {
        for finding in of_trigger {
            let mut entry = entry("Triggers and rooms", finding);
            entry["trigger"] = json!(trigger);
            entry["team"] = json!(team);
            findings.push(entry);
        }
    }
    json!({ "works": report.works(), "webhook": report.webhook, "findings": findings })
}
