//! Child processes that say what they are, how long they took, and what exactly failed.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A command with no standard input, whose output goes to the terminal.
pub(crate) struct Step {
    command: Command,
}

impl Step {
    pub(crate) fn new(program: impl AsRef<std::ffi::OsStr>, folder: &Path) -> Self {
        let mut command = Command::new(program);
        command.current_dir(folder).stdin(Stdio::null());
        Self { command }
    }

    /// The cargo that built us: `sudo` may have dropped it from the path.
    pub(crate) fn cargo(folder: &Path) -> Self {
        Self::new(env!("CARGO"), folder)
    }

    pub(crate) fn args<'a>(mut self, args: impl IntoIterator<Item = &'a str>) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it; the error names the command so that it can be repeated.
    pub(crate) fn run(mut self) -> Result<(), String> {
        let line = self.line();
        println!("+ {line}");
        match self.command.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("`{line}` failed: {status}")),
            Err(error) => Err(format!("`{line}` cannot be started: {error}")),
        }
    }

    /// Runs it quietly and returns its standard output.
    pub(crate) fn output(mut self) -> Result<Vec<u8>, String> {
        let line = self.line();
        let output = self.command.stderr(Stdio::inherit()).output();
        let output = output.map_err(|error| format!("`{line}` cannot be started: {error}"))?;
        if output.status.success() {
            Ok(output.stdout)
        } else {
            Err(format!("`{line}` failed: {}", output.status))
        }
    }

    /// Whether it runs and succeeds; its output is thrown away.
    pub(crate) fn succeeds(mut self) -> bool {
        let status = self.command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    }

    fn line(&self) -> String {
        let words = std::iter::once(self.command.get_program()).chain(self.command.get_args());
        words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }
}

/// Runs `work` and returns how long it took.
#[expect(clippy::disallowed_methods, reason = "a build tool may look at its own watch")]
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    (work(), start.elapsed())
}
