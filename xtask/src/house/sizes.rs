//! How big files and functions may be.

use super::functions;
use super::sources::Source;

const FILE_CAP: usize = 500;
const FUNCTION_CAP: usize = 100;
const LIB_CAP: usize = 80;

/// A file that may be bigger, and why.
struct Exception {
    path: &'static str,
    file_cap: usize,
    reason: &'static str,
}

/// Every exception is one that a reviewer agreed to.
const EXCEPTIONS: &[Exception] = &[];

/// Everything that is too big, and exceptions that nobody needs any more.
pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let mut problems: Vec<String> = sources.iter().flat_map(problems_of).collect();
    for exception in EXCEPTIONS {
        let size =
            sources.iter().find(|source| source.path == exception.path).map(|source| source.lines.len());
        if size.is_none_or(|size| size <= FILE_CAP) {
            problems.push(format!("{}: needs no exception ({}) any more", exception.path, exception.reason));
        }
    }
    problems
}

fn problems_of(source: &Source) -> Vec<String> {
    let mut problems = Vec::new();
    let exception = EXCEPTIONS.iter().find(|exception| exception.path == source.path);
    let cap = match exception {
        Some(exception) => exception.file_cap,
        None if source.name() == "lib.rs" => LIB_CAP,
        None => FILE_CAP,
    };
    if source.lines.len() > cap {
        problems.push(format!("{}: {} lines, at most {cap}", source.path, source.lines.len()));
    }
    for function in functions::of(source).iter().filter(|function| function.lines > FUNCTION_CAP) {
        let functions::Function { name, line, lines } = function;
        problems.push(format!("{}:{line}: `{name}` has {lines} lines, at most {FUNCTION_CAP}", source.path));
    }
    problems
}

/// One line each about files and functions.
pub(super) fn report(sources: &[Source]) -> String {
    let files = Spread::of(sources.iter().map(|source| source.lines.len()).collect());
    let lengths = sources.iter().flat_map(functions::of).map(|function| function.lines);
    let functions = Spread::of(lengths.collect());
    format!("lines of {} files: {files}\nlines of {} functions: {functions}", files.count, functions.count)
}

struct Spread {
    count: usize,
    median: usize,
    p90: usize,
    p99: usize,
    max: usize,
}

impl Spread {
    fn of(mut sizes: Vec<usize>) -> Self {
        sizes.sort_unstable();
        let at =
            |percent: usize| sizes.get(sizes.len().saturating_sub(1) * percent / 100).copied().unwrap_or(0);
        Self { count: sizes.len(), median: at(50), p90: at(90), p99: at(99), max: at(100) }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "median {}, p90 {}, p99 {}, most {}", self.median, self.p90, self.p99, self.max)
    }
}
