//! Where packages come from: this workspace and the standard registry.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde_json::{Map, Value};

use super::super::metadata::{Metadata, Package};

/// Tables of files of the workspace that put other packages in the place of those that are named.
const REDIRECTIONS: [(&str, &[&str]); 3] = [
    ("Cargo.toml", &["patch", "replace"]),
    (".cargo/config.toml", OF_CONFIGURATION),
    (".cargo/config", OF_CONFIGURATION),
];

const OF_CONFIGURATION: &[&str] = &["include", "patch", "paths", "registries", "registry", "source"];

/// What is wrong with the source of `package`, or with those that it names; `root` is the folder of the workspace.
pub(super) fn problems_of(package: &Package, root: &Path) -> Vec<String> {
    let mut problems = Vec::new();
    match &package.source {
        Some(source) if source.starts_with("registry+") => {}
        Some(source) => problems.push(format!("it comes from `{source}`, not from the standard registry")),
        None if Path::new(&package.manifest_path).starts_with(root) => {}
        None => problems.push(format!("{} is not in this workspace", package.manifest_path)),
    }
    let foreign = package.dependencies.iter().filter(|dependency| dependency.registry.is_some());
    problems.extend(foreign.map(|dependency| format!("`{}` is from another registry", dependency.name)));
    problems
}

/// Packages of more than one registry: only one can be the standard one, which cargo names alike for all of them.
pub(super) fn registry_problem(metadata: &Metadata) -> Option<String> {
    let sources = metadata.packages.iter().filter_map(|package| package.source.as_deref());
    let registries: BTreeSet<&str> = sources.filter(|source| source.starts_with("registry+")).collect();
    (registries.len() > 1).then(|| {
        let named: Vec<_> = registries.iter().map(|registry| format!("`{registry}`")).collect();
        format!("packages come from {} registries, expected one: {}", registries.len(), named.join(", "))
    })
}

/// What the files of the workspace at `root` redirect.
pub(super) fn redirections(root: &Path) -> Vec<String> {
    let problems_in = |(file, tables): &(&str, &[&str])| match fs::read_to_string(root.join(file)) {
        Ok(text) => redirections_in(file, &text, tables),
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => vec![format!("{file}: {error}")],
    };
    REDIRECTIONS.iter().flat_map(problems_in).collect()
}

fn redirections_in(file: &str, text: &str, tables: &[&str]) -> Vec<String> {
    let found: Map<String, Value> = match basic_toml::from_str(text) {
        Ok(found) => found,
        Err(error) => return vec![format!("{file}: {error}")],
    };
    let denied = tables.iter().filter(|table| found.contains_key(**table));
    denied
        .map(|table| format!("{file}: `{table}` can put other packages in the place of those that are named"))
        .collect()
}
