//! The tests of one policy: `name_test.rego` beside `name.rego`.

use std::fmt;
use std::path::{Path, PathBuf};

use gatehouse_policy::testing::{self, RuleCoverage, TestOutcome, Verdict};
use gatehouse_policy::{PolicyError, PolicySource};

use crate::command::output::Failure;
use crate::host::files;

/// What the file of a policy's tests ends with.
const TESTS: &str = "_test.rego";

/// Files that are loaded together. Policies share a package name, so every policy has a suite of its own.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::command) struct Suite(Vec<PathBuf>);

/// One test that ran.
pub(in crate::command) struct Test(TestOutcome);

/// How many rules with conditions there are, and on how many of them some test depends.
#[derive(Default)]
pub(super) struct Covered {
    rules: usize,
    covered: usize,
}

/// How many tests ended how.
#[derive(Default)]
pub(in crate::command) struct Tally {
    pub(in crate::command) passed: usize,
    pub(in crate::command) failed: usize,
}

impl Suite {
    /// The policy with the tests beside it, when it has some.
    pub(in crate::command) fn beside(policy: &Path) -> Option<Self> {
        let tests = tests_of(policy)?;
        tests.exists().then(|| Self(vec![policy.to_path_buf(), tests]))
    }

    /// The suites that a file or folder on the command line stands for.
    pub(super) fn find(path: &Path) -> Result<Vec<Self>, Failure> {
        if path.is_dir() {
            return Self::in_folder(path);
        }
        match (policy_of(path), Self::beside(path)) {
            (Some(policy), _) => Ok(vec![Self::of_tests(policy, path)]),
            (None, Some(suite)) => Ok(vec![suite]),
            // Tests may also stand in the policy itself.
            (None, None) => Ok(vec![Self(vec![path.to_path_buf()])]),
        }
    }

    fn in_folder(folder: &Path) -> Result<Vec<Self>, Failure> {
        let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut paths: Vec<PathBuf> = entries
            .map_err(|error| Failure::new(&folder.display().to_string(), error))?
            .into_iter()
            .map(|entry| entry.path())
            .collect();
        paths.sort_unstable();
        let mut suites = Vec::new();
        for path in paths {
            if path.is_dir() {
                suites.extend(Self::in_folder(&path)?);
            } else if let Some(policy) = policy_of(&path) {
                suites.push(Self::of_tests(policy, &path));
            }
        }
        Ok(suites)
    }

    /// The tests with the policy that they stand beside, when it is there.
    fn of_tests(policy: PathBuf, tests: &Path) -> Self {
        let policy = policy.exists().then_some(policy);
        Self(policy.into_iter().chain([tests.to_path_buf()]).collect())
    }

    /// Runs every test.
    pub(in crate::command) fn run(&self) -> Result<Vec<Test>, Failure> {
        let outcomes = testing::run(&self.sources()?).map_err(|error| self.refused(&error))?;
        Ok(outcomes.into_iter().map(Test).collect())
    }

    /// Finds out on which rules of the policy some test depends.
    pub(super) fn coverage(&self) -> Result<Vec<RuleCoverage>, Failure> {
        testing::coverage(&self.sources()?).map_err(|error| self.refused(&error))
    }

    fn refused(&self, error: &PolicyError) -> Failure {
        refused(self.0.last().map_or(Path::new(""), PathBuf::as_path), error)
    }

    fn sources(&self) -> Result<Vec<PolicySource>, Failure> {
        let mut sources = Vec::new();
        for path in &self.0 {
            let name = path.display().to_string();
            let text = files::read_text(path, PolicySource::MAX_BYTES)
                .map_err(|error| Failure::new(&name, error))?;
            sources.push(PolicySource { name, text });
        }
        Ok(sources)
    }
}

impl Test {
    /// The line of a test that did not pass.
    pub(in crate::command) fn failure(&self) -> Option<String> {
        let TestOutcome { name, source, line, column, verdict } = &self.0;
        let at = format!("{source}:{line}:{column}: {name}");
        match verdict {
            Verdict::Passed => None,
            Verdict::Failed => Some(format!("{at}: FAILED: the rule is not true")),
            Verdict::Error(why) => Some(format!("{at}: FAILED: {why}")),
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(failure) = self.failure() {
            return f.write_str(&failure);
        }
        let TestOutcome { name, source, line, column, .. } = &self.0;
        write!(f, "{source}:{line}:{column}: {name}: passed")
    }
}

impl Tally {
    pub(in crate::command) fn count(&mut self, test: &Test) {
        match test.0.verdict {
            Verdict::Passed => self.passed += 1,
            Verdict::Failed | Verdict::Error(_) => self.failed += 1,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

impl Covered {
    pub(super) fn count(&mut self, rule: &RuleCoverage) {
        self.rules += 1;
        self.covered += usize::from(rule.covered);
    }
}

impl fmt::Display for Covered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tests depend on {} of {} rules with conditions", self.covered, self.rules)
    }
}

/// The line of a rule that no test would miss.
pub(super) fn uncovered(rule: &RuleCoverage) -> String {
    let RuleCoverage { name, source, line, column, .. } = rule;
    format!("{source}:{line}:{column}: {name}: no test depends on this rule")
}

/// A policy that does not compile.
pub(super) fn refused(file: &Path, error: &PolicyError) -> Failure {
    let at = (error.line.unwrap_or(1), error.column.unwrap_or(1));
    Failure::Failed(format!("{}:{}:{}: {}", file.display(), at.0, at.1, error.message))
}

/// `name_test.rego` for `name.rego`.
fn tests_of(policy: &Path) -> Option<PathBuf> {
    let name = policy.file_name()?.to_str()?.strip_suffix(".rego")?;
    Some(policy.with_file_name(format!("{name}{TESTS}")))
}

/// `name.rego` for `name_test.rego`.
fn policy_of(tests: &Path) -> Option<PathBuf> {
    let name = tests.file_name()?.to_str()?.strip_suffix(TESTS)?;
    Some(tests.with_file_name(format!("{name}.rego")))
}
