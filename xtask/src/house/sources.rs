//! The Rust files of the workspace: their names, and what pure ones may not mention.

use std::fs;
use std::path::Path;

/// Names that say nothing.
const FORBIDDEN_NAMES: &[&str] = &[
    "mod.rs",
    "utils.rs",
    "util.rs",
    "helpers.rs",
    "common.rs",
    "misc.rs",
    "types.rs",
    "core.rs",
    "base.rs",
    "manager.rs",
    "service.rs",
    "handler.rs",
    "prelude.rs",
];

/// What a pure crate may not mention: files, sockets, processes, threads, clocks, the environment.
/// `std::net` itself is fine: an `IpAddr` is a value.
const IMPURE: &[&str] = &[
    "tokio::",
    "hyper::",
    "std::fs",
    "std::process",
    "std::thread",
    "std::env",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "ToSocketAddrs",
    "SystemTime",
    "Instant::",
    "OffsetDateTime::now",
    "thread_local!",
    "static mut",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
];

/// A file of production code.
pub(super) struct Source {
    /// Relative to the workspace.
    pub(super) path: String,
    /// Its lines, without an inline test module at the end.
    pub(super) lines: Vec<String>,
}

/// All production files below `root`.
pub(super) fn read(root: &Path) -> Result<Vec<Source>, String> {
    let mut sources = Vec::new();
    for folder in ["crates", "xtask", "bench"] {
        collect(&root.join(folder), root, &mut sources).map_err(|error| format!("{folder}: {error}"))?;
    }
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(sources)
}

fn collect(folder: &Path, root: &Path, sources: &mut Vec<Source>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if !matches!(name.as_ref(), "tests" | "benches" | "examples" | "target") {
                collect(&path, root, sources)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") && name != "tests.rs" {
            let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            sources.push(Source::new(relative, &fs::read_to_string(&path)?));
        }
    }
    Ok(())
}

impl Source {
    pub(super) fn new(path: String, text: &str) -> Self {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let tests = lines.windows(2).position(|pair| {
            matches!(pair, [attribute, module] if attribute == "#[cfg(test)]" && module.starts_with("mod "))
        });
        let production = lines.into_iter().take(tests.unwrap_or(usize::MAX)).collect();
        Self { path, lines: production }
    }

    /// The last part of its path.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// What is wrong with its name and its words.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if FORBIDDEN_NAMES.contains(&self.name()) {
            problems.push(format!(
                "{}: `{}` says nothing; name the file after its noun",
                self.path,
                self.name()
            ));
        }
        if self.path.starts_with("crates/pure/") {
            problems.extend(self.impure_words());
        }
        problems
    }

    fn impure_words(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (number, line) in self.lines.iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in IMPURE.iter().filter(|word| code.contains(**word)) {
                problems.push(format!(
                    "{}:{}: `{word}` in a pure crate; take it as an argument",
                    self.path,
                    number + 1
                ));
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests;
