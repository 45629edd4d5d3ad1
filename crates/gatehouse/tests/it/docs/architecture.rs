//! The files and functions that docs/ARCHITECTURE.md and the decisions name are there.

use std::path::Path;

use super::markdown::{pages, repository};

#[test]
fn every_named_file_and_function_is_there() {
    let mut files = Vec::new();
    for folder in ["crates", "xtask", "bench"] {
        collect(&repository().join(folder), &mut files);
    }
    let sources: Vec<(String, String)> = files
        .into_iter()
        .map(|path| (path.replace("/src/", "/"), std::fs::read_to_string(path).unwrap()))
        .collect();
    let (mut named, mut missing) = (0, Vec::new());
    for page in pages() {
        let path = page.path.to_str().unwrap();
        if !(path.ends_with("ARCHITECTURE.md") || path.contains("/adr/")) {
            continue;
        }
        for span in page.text.split('`').skip(1).step_by(2) {
            let there = |suffix: &str| {
                let suffix =
                    format!("/{}", suffix.trim_start_matches("crates/gatehouse/").replace("/src/", "/"));
                sources.iter().any(|(path, _)| path.ends_with(&suffix))
            };
            let found = if Path::new(span).extension().is_some_and(|extension| extension == "rs") {
                alternatives(span).iter().all(|file| there(file))
            } else if let Some((_, function)) = span.rsplit_once("::").filter(|(_, name)| is_function(name)) {
                let declared = format!("fn {function}");
                let module = format!("/{function}.rs");
                sources.iter().any(|(path, text)| text.contains(&declared) || path.ends_with(&module))
            } else {
                continue;
            };
            named += 1;
            if !found {
                missing.push(format!("{}: {span}", page.at(1)));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    assert!(named > 40, "only {named} were named");
}

/// `a/{b,c}.rs` as `a/b.rs` and `a/c.rs`.
fn alternatives(span: &str) -> Vec<String> {
    match span.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?))) {
        None => vec![span.to_owned()],
        Some((before, (inside, after))) => {
            inside.split(',').map(|one| format!("{before}{one}{after}")).collect()
        }
    }
}

fn is_function(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

fn collect(folder: &Path, files: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path.to_str().unwrap().to_owned());
        }
    }
}
