//! docs/LOGGING.md against the codes that the program writes.

use std::collections::BTreeSet;
use std::path::Path;

use gatehouse_audit::event::EventKind;
use gatehouse_oauth::error::ErrorCode;

use super::markdown::{page, repository};

/// What takes a reason as its first literal.
const MAKERS: [&str; 8] = [
    "Rejection::new(",
    "Rejection::malformed(",
    "Rejection::unauthenticated(",
    "Rejection::internal(",
    "Rejection::unavailable(",
    ".conclude(",
    ".with_reason(",
    "Refusal::because(",
];

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
    for folder in [
        "crates/doors",
        "crates/io/edge/src",
        "crates/pure/policy/src",
        "crates/pure/identity/src/jose",
        "crates/gatehouse/src/gateway",
    ] {
        collect(&repository().join(folder), &mut |text| {
            found.extend(reasons(text));
            literals.extend(text.split('"').filter(|literal| is_code(literal)).map(str::to_owned));
        });
    }
    let missing: Vec<&String> = found.difference(&rows).collect();
    assert!(missing.is_empty(), "docs/LOGGING.md does not explain the reasons {missing:?}");
    literals.extend(ErrorCode::ALL.iter().map(|code| code.as_str().to_owned()));
    let stale: Vec<&String> = rows.difference(&literals).collect();
    assert!(stale.is_empty(), "docs/LOGGING.md explains the reasons {stale:?}, which nothing gives");
}

/// Log lines from `info` up.
#[test]
fn every_message_is_explained_and_no_other() {
    let rows = rows("### Messages");
    let mut messages = BTreeSet::new();
    for folder in ["crates/doors", "crates/io", "crates/gatehouse/src"] {
        collect(&repository().join(folder), &mut |text| {
            for level in ["tracing::error!(", "tracing::warn!(", "tracing::info!("] {
                messages.extend(text.split(level).skip(1).filter_map(message));
            }
        });
    }
    assert_eq!(rows, messages);
}

/// The message of a log line: the last literal before its parenthesis closes.
fn message(call: &str) -> Option<String> {
    let (mut depth, mut last) = (1, None);
    for (index, part) in call.split('"').enumerate() {
        if index % 2 == 1 {
            last = Some(part.to_owned());
            continue;
        }
        for letter in part.chars() {
            depth += i32::from(letter == '(') - i32::from(letter == ')');
            if depth == 0 {
                return last;
            }
        }
    }
    None
}

/// The codes in the first column of the tables below a heading.
fn rows(heading: &str) -> BTreeSet<String> {
    let text = page("docs/LOGGING.md").text;
    let section = text.split(&format!("{heading}\n")).nth(1).unwrap_or_else(|| panic!("no `{heading}`"));
    let section = section.split("\n## ").next().unwrap();
    let first = section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    first.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

/// Shows `look` the text of every source file below `folder` that is no test and not of the demo.
fn collect(folder: &Path, look: &mut impl FnMut(&str)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if !matches!(name, "tests" | "benches" | "demo") {
                collect(&path, look);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") && name != "tests.rs" {
            look(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// The reasons that `text` gives to refusals.
fn reasons(text: &str) -> impl Iterator<Item = String> + '_ {
    MAKERS.iter().flat_map(|maker| text.split(maker).skip(1)).filter_map(|call| {
        // The first literal of the call, if it comes before anything that could be another statement's.
        let head: String = call.chars().take(160).collect();
        let (before, after) = head.split_once('"')?;
        let literal = after.split('"').next().filter(|_| !before.contains([';', '{']))?;
        is_code(literal).then(|| literal.to_owned())
    })
}

fn is_code(literal: &str) -> bool {
    !literal.is_empty() && literal.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}
