//! What is wrong with a configuration, where, and what to do about it.

use std::fmt;
use std::sync::Arc;

/// One finding about the written configuration.
///
/// Displayed as `FILE:LINE:COL: key.path: what is wrong (hint)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether the configuration can run all the same.
    pub severity: Severity,
    /// The file as the operator named it.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// The key, such as `apps[2].authorization.inbound.opa.rego`; empty for the file as a whole.
    pub path: String,
    /// What was expected and what was found.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// How bad a [`Problem`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Runs, but probably not as meant.
    Warning,
    /// Does not run.
    Error,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// A position in a source file; both numbers count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Location {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl Location {
    pub(crate) const START: Self = Self { line: 1, column: 1 };
}

/// Where a value stands and under which key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) at: Location,
    pub(crate) path: String,
}

impl Place {
    /// The place of `key` under this one, for a key that is not written.
    pub(crate) fn child(&self, key: &str) -> Self {
        Self { at: self.at, path: joined(&self.path, key) }
    }
}

/// `parent.key`, or `key` at the top.
pub(crate) fn joined(parent: &str, key: &str) -> String {
    if parent.is_empty() { key.to_owned() } else { format!("{parent}.{key}") }
}

/// Collects every problem of one run.
#[derive(Debug)]
pub(crate) struct Report {
    file: Arc<str>,
    problems: Vec<Problem>,
}

impl Report {
    pub(crate) fn new(file: &Arc<str>) -> Self {
        Self { file: Arc::clone(file), problems: Vec::new() }
    }

    pub(crate) fn error(&mut self, place: &Place, message: impl Into<String>) {
        self.push(Severity::Error, place, message.into(), None);
    }

    pub(crate) fn error_with(&mut self, place: &Place, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Severity::Error, place, message.into(), Some(hint.into()));
    }

    pub(crate) fn warning(&mut self, place: &Place, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Severity::Warning, place, message.into(), Some(hint.into()));
    }

    /// Takes a finding about another file, such as a policy or an API description.
    pub(crate) fn foreign(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    fn push(&mut self, severity: Severity, place: &Place, message: String, hint: Option<String>) {
        self.problems.push(Problem {
            severity,
            file: Arc::clone(&self.file),
            line: place.at.line,
            column: place.at.column,
            path: place.path.clone(),
            message,
            hint,
        });
    }

    pub(crate) fn file(&self) -> &Arc<str> {
        &self.file
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// Every finding, in the order of the file.
    pub(crate) fn into_problems(mut self) -> Vec<Problem> {
        self.problems.sort_by(|a, b| (a.line, a.column, &a.path).cmp(&(b.line, b.column, &b.path)));
        self.problems.dedup();
        self.problems
    }
}
