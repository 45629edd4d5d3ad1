//! `cargo xtask house`: the architecture as far as a program can check it.

mod arrows;
mod functions;
mod sizes;
mod sources;

use std::path::Path;

use self::sources::Source;

/// Checks everything and reports all problems at once.
pub(crate) fn check(root: &Path) -> Result<(), String> {
    let sources = sources::read(root)?;
    let mut problems = arrows::check(root)?;
    problems.extend(sources.iter().flat_map(Source::problems));
    problems.extend(sizes::check(&sources));
    println!("{}", sizes::report(&sources));
    if problems.is_empty() {
        println!("the house is in order: {} files", sources.len());
        return Ok(());
    }
    problems.sort();
    Err(format!("{}\n{} problems in the house", problems.join("\n"), problems.len()))
}
