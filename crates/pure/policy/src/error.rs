//! Why a policy is refused at load.

use std::fmt;

/// A policy that cannot be used, and where its text shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// What kind of rule it breaks.
    pub kind: PolicyErrorKind,
    /// Line in the policy's own text, from 1.
    pub line: Option<u32>,
    /// Column in that line, from 1.
    pub column: Option<u32>,
    /// What was expected and what was found.
    pub message: String,
}

/// The rule that a refused policy breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyErrorKind {
    /// Larger, deeper or more interlinked than a limit allows.
    TooComplex,
    /// Not Rego of the chosen version.
    Syntax,
    /// A rule or function that depends on itself.
    Recursion,
    /// A function that neither the policy nor Gatehouse defines, or that policies may not call.
    Function,
    /// Rules that define the same thing in ways that exclude each other.
    Conflict,
    /// A reference to data that no rule defines.
    Undefined,
    /// Another package than configured, or no rule of the entry's name.
    Entry,
}

impl PolicyError {
    pub(crate) fn new(kind: PolicyErrorKind, message: impl Into<String>) -> Self {
        Self { kind, line: None, column: None, message: message.into() }
    }

    pub(crate) fn at(kind: PolicyErrorKind, line: u32, column: u32, message: impl Into<String>) -> Self {
        Self { kind, line: Some(line), column: Some(column), message: message.into() }
    }

    /// Reads position and message out of an engine error, whose text quotes the source in between.
    pub(crate) fn from_engine(kind: PolicyErrorKind, text: &str) -> Self {
        let position = text.split("--> ").nth(1).and_then(|rest| rest.lines().next()).map(|location| {
            let mut parts = location.rsplitn(3, ':');
            let column = parts.next().and_then(|part| part.trim().parse().ok());
            (parts.next().and_then(|part| part.trim().parse().ok()), column)
        });
        let (line, column) = position.unwrap_or((None, None));
        let message = text.split("error: ").nth(1).unwrap_or(text).lines().next().unwrap_or(text).trim();
        Self { kind, line, column, message: message.to_owned() }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(f, "{line}:{column}: {}", self.message),
            _ => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for PolicyError {}
