//! What was looked at, and what was found: plain data.

/// How good or bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// As it should be.
    Fine,
    /// The bot works, but not in every way as an administrator might expect.
    Warning,
    /// The bot would not do what `bot.toml` asks for.
    Problem,
}

/// One thing that is said of what was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// How bad it is.
    pub grade: Grade,
    /// What was found.
    pub text: String,
    /// What to do about it.
    pub mend: Option<String>,
}

impl Remark {
    /// All is well.
    pub fn fine(text: impl Into<String>) -> Self {
        Self { grade: Grade::Fine, text: text.into(), mend: None }
    }

    /// Something to know of, and what to do about it.
    pub fn warning(text: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { grade: Grade::Warning, text: text.into(), mend: Some(mend.into()) }
    }

    /// Something that must be mended, and how.
    pub fn problem(text: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { grade: Grade::Problem, text: text.into(), mend: Some(mend.into()) }
    }

    /// A problem that an error tells of. Errors for people end in what to do, behind a semicolon.
    pub fn of_error(error: &impl std::fmt::Display) -> Self {
        let text = error.to_string();
        match text.rsplit_once("; ") {
            Some((why, mend)) => Self::problem(why, mend),
            None => Self { grade: Grade::Problem, text, mend: None },
        }
    }

    /// The same, told as a warning where it would be a problem.
    #[must_use]
    pub fn softened(self) -> Self {
        Self { grade: self.grade.min(Grade::Warning), ..self }
    }
}

/// Something that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is, in a word or two.
    pub subject: String,
    /// What is said of it.
    pub remark: Remark,
}

impl Finding {
    /// A remark on a subject.
    pub fn new(subject: impl Into<String>, remark: Remark) -> Self {
        Self { subject: subject.into(), remark }
    }
}

/// Findings that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its heading.
    pub title: &'static str,
    /// What was found, in the order in which it matters.
    pub findings: Vec<Finding>,
}

/// What one entry of a trigger's `rooms` leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomFinding {
    /// The trigger.
    pub trigger: String,
    /// Whom it pages.
    pub team: String,
    /// The entry as it was understood, or, beneath one that means many rooms, one of these.
    pub rooms: String,
    /// Whether it is one of the rooms that the entry above means.
    pub is_part: bool,
    /// What is said of it.
    pub remark: Remark,
}

/// Everything that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// All but the rooms.
    pub sections: Vec<Section>,
    /// The rooms of the triggers; `None` where they could not be looked at.
    pub rooms: Option<Vec<RoomFinding>>,
    /// The URL that SIGNL4 has to call, its secret left out.
    pub webhook: String,
}

impl Report {
    /// How many remarks are of this grade.
    pub fn count(&self, grade: Grade) -> usize {
        let found = self.sections.iter().flat_map(|section| &section.findings).map(|finding| &finding.remark);
        let rooms = self.rooms.iter().flatten().map(|room| &room.remark);
        found.chain(rooms).filter(|remark| remark.grade == grade).count()
    }

    /// Whether `run` would do what `bot.toml` asks for.
    pub fn works(&self) -> bool {
        self.rooms.is_some() && self.count(Grade::Problem) == 0
    }
}
