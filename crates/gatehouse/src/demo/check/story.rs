//! The story that `demo --check` tells: chapters of steps, each kept or broken.

use std::fmt::{self, Display};
use std::io::Write;

/// Prints steps as they happen and counts the broken ones.
pub(super) struct Story<'a> {
    out: &'a mut (dyn Write + Send),
    steps: usize,
    broken: usize,
}

/// What a step expected and what it found instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mismatch {
    expected: String,
    found: String,
}

/// A step is broken; the story has already said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// Longest text of what was found, in characters.
const MAX_FOUND: usize = 600;

impl Mismatch {
    /// Longer texts are cut.
    pub(super) fn new(expected: impl Display, found: impl Display) -> Self {
        let found = found.to_string();
        let cut: String = found.chars().take(MAX_FOUND).collect();
        let found = if cut.len() < found.len() { format!("{cut}…") } else { cut };
        Self { expected: expected.to_string(), found }
    }
}

impl Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}; found {}", self.expected, self.found)
    }
}

/// Nothing, when `holds`; else what was expected and found.
pub(super) fn expect(holds: bool, expected: impl Display, found: impl Display) -> Result<(), Mismatch> {
    if holds { Ok(()) } else { Err(Mismatch::new(expected, found)) }
}

impl<'a> Story<'a> {
    pub(super) fn new(out: &'a mut (dyn Write + Send)) -> Self {
        Self { out, steps: 0, broken: 0 }
    }

    /// Begins a chapter.
    pub(super) fn chapter(&mut self, title: &str) {
        self.line(&format!("\n{title}"));
    }

    /// Tells one step; a broken one with what was expected and found.
    pub(super) fn step<T>(&mut self, title: &str, outcome: Result<T, Mismatch>) -> Result<T, Broken> {
        self.steps += 1;
        match outcome {
            Ok(value) => {
                self.line(&format!("  ✓ {title}"));
                Ok(value)
            }
            Err(Mismatch { expected, found }) => {
                self.broken += 1;
                self.line(&format!("  ✗ {title}\n      expected: {expected}\n      found:    {found}"));
                Err(Broken)
            }
        }
    }

    /// A detail of the step before.
    pub(super) fn detail(&mut self, text: &str) {
        self.line(&format!("      {text}"));
    }

    /// One line as it is.
    pub(super) fn line(&mut self, text: &str) {
        // Nobody is left to tell when standard output is closed; the exit code still says it.
        let _ = writeln!(self.out, "{text}");
    }

    /// How many steps were told, and how many of them are broken.
    pub(super) fn score(&self) -> (usize, usize) {
        (self.steps, self.broken)
    }
}

#[cfg(test)]
mod tests;
