//! What commands print, and how they fail.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::gateway::load::{self, LoadFailure};

/// Exit code for a configuration that is refused (`EX_CONFIG` of sysexits.h).
const CONFIGURATION_REFUSED: u8 = 78;

/// Why a command did not succeed.
pub(super) enum Failure {
    /// Something went wrong; the sentence says what.
    Failed(String),
    /// The configuration is refused; every problem is on a line of its own.
    Configuration(Vec<String>),
}

impl Failure {
    /// A failure with what it is about and the error.
    pub(super) fn new(doing: &str, error: impl Display) -> Self {
        Self::Failed(format!("{doing}: {error}"))
    }

    /// Prints the failure and gives its exit code.
    pub(super) fn report(self) -> ExitCode {
        let (lines, code) = match self {
            Self::Failed(sentence) => (vec![format!("gatehouse: {sentence}")], ExitCode::FAILURE),
            Self::Configuration(lines) => (lines, ExitCode::from(CONFIGURATION_REFUSED)),
        };
        let mut out = io::stderr().lock();
        for line in lines {
            // Nobody is left to tell when standard error is closed.
            let _ = writeln!(out, "{line}");
        }
        code
    }
}

/// Prints one line on standard output.
pub(super) fn line(text: impl Display) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").map_err(|error| Failure::new("standard output", error))
}

impl From<LoadFailure> for Failure {
    fn from(failure: LoadFailure) -> Self {
        match failure {
            LoadFailure::Refused(problems) => Self::Configuration(problems.iter().map(load::line).collect()),
            other => Self::Configuration(vec![format!("gatehouse: {other}")]),
        }
    }
}
