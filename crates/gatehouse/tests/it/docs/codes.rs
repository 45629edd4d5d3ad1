//! docs/LOGGING.md against the codes that the program writes.

use std::collections::BTreeSet;
use std::path::Path;

use gatehouse_audit::event::EventKind;
use gatehouse_oauth::error::ErrorCode;

use super::markdown::{page, repository};

#[test]
fn every_event_is_explained_and_no_other() {
    let rows = rows("## Events");
    let expected: BTreeSet<String> = EventKind::ALL.iter().map(|kind| kind.code().to_owned()).collect();
    assert_eq!(rows, expected);
}

/// Reasons are written as literals where a request is refused.
#[test]
fn every_reason_is_explained_and_no_other() {
    let rows = rows("## Reasons");
    let mut found = BTreeSet::new();
    let mut literals = BTreeSet::new();
    for folder in
        ["crates/doors", "crates/io/edge/src", "crates/pure/policy/src", "crates/pure/identity/src/jose"]
    {
        read(&repository().join(folder), &mut found, &mut literals);
    }
    let missing: Vec<&String> = found.difference(&rows).collect();
    assert!(missing.is_empty(), "docs/LOGGING.md does not explain the reasons {missing:?}");
    literals.extend(ErrorCode::ALL.iter().map(|code| code.as_str().to_owned()));
    let stale: Vec<&String> = rows.difference(&literals).collect();
    assert!(stale.is_empty(), "docs/LOGGING.md explains the reasons {stale:?}, which nothing gives");
}

/// The codes in the first column of the tables below a heading.
fn rows(heading: &str) -> BTreeSet<String> {
    let text = page("docs/LOGGING.md").text;
    let section = text.split(&format!("{heading}\n")).nth(1).unwrap_or_else(|| panic!("no `{heading}`"));
    let section = section.split("\n## ").next().unwrap();
    let first = section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    first.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

/// Collects the reasons of rejections below `folder`, and every literal that could be one.
fn read(folder: &Path, found: &mut BTreeSet<String>, literals: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if !matches!(name, "tests" | "benches") {
                read(&path, found, literals);
            }
        } else if name.ends_with(".rs") && name != "tests.rs" {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = |literal: &&str| {
                !literal.is_empty()
                    && literal.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
            };
            literals.extend(text.split('"').filter(code).map(str::to_owned));
            for maker in [
                "Rejection::new(",
                "Rejection::malformed(",
                "Rejection::unauthenticated(",
                "Rejection::internal(",
                "Rejection::unavailable(",
                ".conclude(",
                ".with_reason(",
                "Refusal::because(",
            ] {
                for call in text.split(maker).skip(1) {
                    // The first literal of the call, if it comes before anything that could be another call's.
                    let head: String = call.chars().take(160).collect();
                    let literal = head
                        .split('"')
                        .nth(1)
                        .filter(|_| !head.split('"').next().unwrap().contains([';', '{']));
                    found.extend(literal.filter(code).map(str::to_owned));
                }
            }
        }
    }
}
