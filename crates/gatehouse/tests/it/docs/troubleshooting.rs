//! docs/recipes/troubleshooting.md: every row names a test that causes it, and a line that the program writes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::markdown::{page, repository};

const PAGE: &str = "docs/recipes/troubleshooting.md";
const COLUMNS: [&str; 4] = ["seen", "in the log", "do", "test"];

/// The cells of every row, of all tables.
fn rows() -> Vec<Vec<String>> {
    let text = page(PAGE).text;
    let cells = |line: &str| {
        let inner = line.strip_prefix("| ")?.strip_suffix(" |")?;
        Some(inner.split(" | ").map(|cell| cell.trim().to_owned()).collect::<Vec<_>>())
    };
    let rows: Vec<Vec<String>> = text.lines().filter_map(cells).collect();
    let is_head = |row: &Vec<String>| row == &COLUMNS;
    let (heads, rows): (Vec<_>, Vec<_>) = rows.into_iter().partition(is_head);
    assert!(!heads.is_empty(), "{PAGE} has no table with the columns {COLUMNS:?}");
    rows
}

fn codes(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn every_row_is_whole_and_run_by_a_test() {
    let mut tests = BTreeMap::new();
    for folder in ["tests/clients", "crates"] {
        collect(&repository().join(folder), &mut tests);
    }
    for row in rows() {
        assert_eq!(row.len(), COLUMNS.len(), "a row of {PAGE} has other cells than {COLUMNS:?}: {row:?}");
        assert!(row.iter().all(|cell| !cell.is_empty()), "{row:?}");
        let named: Vec<&str> = codes(&row[3]).collect();
        assert!(!named.is_empty(), "{row:?} names no test");
        for test in named {
            let file =
                tests.get(test).unwrap_or_else(|| panic!("{PAGE} names the test {test}, which is not there"));
            // Whoever causes a row looks for what it says: the line, or what the client shows.
            let mut said =
                codes(&row[1]).chain(codes(&row[0])).map(|code| code.trim_end_matches('…')).peekable();
            assert!(
                said.peek().is_none() || said.any(|code| file.contains(code)),
                "{PAGE}: the file of {test} mentions nothing of {:?} or {:?}",
                row[1],
                row[0]
            );
        }
    }
}

/// What is no test, or says nothing of its row, is noticed.
#[test]
fn functions_that_are_no_tests_are_not_found() {
    let mut tests = BTreeMap::new();
    collect(&repository().join("tests/clients"), &mut tests);
    collect(&repository().join("crates/gatehouse/tests"), &mut tests);
    assert!(tests.contains_key("test_a_person_who_declines"));
    assert!(tests.contains_key("functions_that_are_no_tests_are_not_found"));
    for helper in ["collect", "rows", "signed_in", "status_once", "connect"] {
        assert!(!tests.contains_key(helper), "{helper}");
    }
}

/// What stands in the second column is a message or a reason of LOGGING.md, a field, or a path.
#[test]
fn every_line_is_one_that_is_written() {
    let logging = page("docs/LOGGING.md").text;
    let explained: BTreeSet<&str> = logging
        .lines()
        .filter_map(|line| line.strip_prefix("| "))
        .flat_map(|line| codes(line.split(" |").next().unwrap_or_default()))
        .collect();
    for row in rows() {
        for code in codes(&row[1]) {
            let family = code
                .strip_suffix('…')
                .is_some_and(|start| explained.iter().any(|one| one.starts_with(start)));
            let field = logging.contains(&format!("`{code}`"));
            let known = explained.contains(code) || family || field || code.starts_with('/');
            assert!(known, "{PAGE} names `{code}` as a line, which docs/LOGGING.md does not explain");
        }
    }
}

/// The tests below a folder, each with the text of its file.
fn collect(folder: &Path, tests: &mut BTreeMap<String, Arc<str>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if !matches!(name, "node_modules" | ".venv" | "target" | "fixtures" | "snapshots") {
                collect(&path, tests);
            }
            continue;
        }
        let declared = match path.extension().and_then(|extension| extension.to_str()) {
            Some("py") if name.starts_with("test_") => "def test_",
            Some("rs") => "fn ",
            _ => continue,
        };
        let text: Arc<str> = std::fs::read_to_string(&path).unwrap().into();
        let mut is_test = declared == "def test_";
        for line in text.lines().map(str::trim_start) {
            let function = line.strip_prefix("async ").unwrap_or(line);
            if is_test && function.starts_with(declared) {
                let name = function.split([' ', '(', '<']).nth(1).unwrap_or_default();
                tests.insert(name.to_owned(), Arc::clone(&text));
            }
            // Other attributes may stand between the one that says so and the function.
            is_test = match declared {
                "fn " => {
                    line.starts_with("#[test]")
                        || line.starts_with("#[tokio::test")
                        || (is_test && line.starts_with("#["))
                }
                _ => true,
            };
        }
    }
}
