//! Import circles between the files of a crate.
//!
//! A file imports another one when it names an item that is defined there, in a `use` or by a path, whatever
//! re-exports lie between. A module and the modules directly below it are one thing in two files, so what these
//! import from each other counts for nothing.

mod modules;
mod paths;

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::tarjan_scc;
use petgraph::graphmap::DiGraphMap;

use self::modules::Modules;
use super::sources::Source;

/// Every circle, with the names that close it.
pub(super) fn check(sources: &[Source]) -> Result<Vec<String>, String> {
    let mut crates: BTreeMap<&str, Vec<&Source>> = BTreeMap::new();
    for source in sources {
        if let Some((folder, _)) = source.path.split_once("/src/") {
            crates.entry(folder).or_default().push(source);
        }
    }
    let mut problems = Vec::new();
    for (folder, sources) in crates {
        let modules = Modules::read(folder, &sources)?;
        problems.extend(circles(&modules.imports()));
    }
    Ok(problems)
}

/// From a file to another one, by these names.
type Imports<'a> = BTreeMap<(&'a str, &'a str), BTreeSet<String>>;

fn circles(imports: &Imports<'_>) -> Vec<String> {
    let graph: DiGraphMap<&str, ()> = imports
        .keys()
        .filter(|(from, to)| !are_parent_and_child(from, to))
        .map(|(from, to)| (*from, *to, ()))
        .collect();
    tarjan_scc(&graph)
        .into_iter()
        .filter(|files| files.len() > 1)
        .map(|files| described(&files, imports))
        .collect()
}

fn are_parent_and_child(one: &str, other: &str) -> bool {
    parent(one) == Some(module(other)) || parent(other) == Some(module(one))
}

/// The folder that a file's child modules are in.
fn module(file: &str) -> &str {
    let module = file.strip_suffix(".rs").unwrap_or(file);
    ["/lib", "/main"].iter().find_map(|root| module.strip_suffix(root)).unwrap_or(module)
}

/// The folder of child modules that a file is in.
fn parent(file: &str) -> Option<&str> {
    module(file).rsplit_once('/').map(|(parent, _)| parent)
}

fn described(files: &[&str], imports: &Imports<'_>) -> String {
    let mut lines = vec![format!("{} files import each other in a circle:", files.len())];
    for ((from, to), names) in imports {
        if files.contains(from) && files.contains(to) && !are_parent_and_child(from, to) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            lines.push(format!("    {from} -> {to} ({})", names.join(", ")));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests;
