//! Snapshots of configurations that tests write down.

use gatehouse_config::document::Document;
use gatehouse_config::problem::Problem;
use gatehouse_config::snapshot::{Snapshot, compile};
use gatehouse_config::source::Source;
use gatehouse_config::source::environment::Environment;
use gatehouse_config::source::loader::MemoryLoader;

/// The snapshot of `text`, which names no files.
pub fn snapshot(text: &str) -> Snapshot {
    snapshot_with(text, &MemoryLoader::empty())
}

/// The snapshot of `text`, which names some of `files`.
pub fn snapshot_with(text: &str, files: &MemoryLoader) -> Snapshot {
    let environment: Environment = std::iter::empty::<(String, String)>().collect();
    let document = Document::read(&Source::new("gatehouse.yaml", text), &environment, files);
    let snapshot = document.and_then(|document| compile(document, files));
    snapshot.unwrap_or_else(|problems| panic!("{}", printed(&problems)))
}

fn printed(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
