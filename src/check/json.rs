//! The report for a program. The shape is a promise: fields may be added, none is changed or taken away.

use serde::Serialize;
use serde_json::Value;

use super::report::{Grade, Remark, Report};

/// The title of what is found of triggers and rooms.
const ROOMS: &str = "Triggers and rooms";

#[derive(Serialize)]
struct Shape<'a> {
    works: bool,
    webhook: &'a str,
    findings: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    section: &'a str,
    subject: &'a str,
    /// `fine`, `warning` or `problem`.
    state: &'static str,
    what: &'a str,
    mend: Option<&'a str>,
    /// Where it is of a room: whose it is, and whom it pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    team: Option<&'a str>,
}

/// The whole report as one JSON object: `works`, `webhook` (without its secret), and `findings`, each with `section`,
/// `subject`, `state`, `what` and `mend`; those of rooms also with `trigger` and `team`.
pub fn json(report: &Report) -> Value {
    let found = report.sections.iter().flat_map(|section| {
        section.findings.iter().map(|finding| entry(section.title, &finding.subject, &finding.remark))
    });
    let rooms = report.rooms.iter().flatten().map(|room| Entry {
        trigger: Some(&room.trigger),
        team: Some(&room.team),
        ..entry(ROOMS, &room.rooms, &room.remark)
    });
    let findings = found.chain(rooms).collect();
    let shape = Shape { works: report.works(), webhook: &report.webhook, findings };
    // Texts, flags and nulls in maps with text keys can always be written.
    serde_json::to_value(shape).unwrap_or_default()
}

fn entry<'a>(section: &'a str, subject: &'a str, remark: &'a Remark) -> Entry<'a> {
    let state = match remark.grade {
        Grade::Fine => "fine",
        Grade::Warning => "warning",
        Grade::Problem => "problem",
    };
    let Remark { text, mend, .. } = remark;
    Entry { section, subject, state, what: text, mend: mend.as_deref(), trigger: None, team: None }
}
