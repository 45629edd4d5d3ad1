//! `cargo xtask house`: the architecture as far as a program can check it.

mod arrows;
mod circles;
mod dependencies;
mod functions;
mod metadata;
mod sizes;
mod sources;

use std::path::Path;

use self::dependencies::Rules;
use self::metadata::Metadata;
use self::sources::Source;

/// Checks everything and reports all problems at once.
pub(crate) fn check(root: &Path) -> Result<(), String> {
    let sources = sources::read(root)?;
    let metadata = Metadata::read(root)?;
    let mut problems = arrows::check(&metadata);
    problems.extend(Rules::read(root)?.check(&metadata, root));
    problems.extend(sources.iter().flat_map(Source::problems));
    problems.extend(sizes::check(&sources));
    problems.extend(circles::check(&sources)?);
    println!("{}", sizes::report(&sources));
    println!("{} packages held against deny.toml", metadata.packages.len());
    if problems.is_empty() {
        println!("the house is in order: {} files", sources.len());
        return Ok(());
    }
    problems.sort();
    Err(format!("{}\n{} problems in the house", problems.join("\n"), problems.len()))
}
