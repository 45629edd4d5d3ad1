//! Runs the `test_*` rules that stand beside a policy, and finds the rules that no test depends on.

mod coverage;

use std::collections::BTreeMap;

use regorus::Value;
use regorus::unstable::{Expr, Module, Ref, Rule, RuleHead};

use crate::builtin::Builtin;
use crate::error::PolicyError;
use crate::policy::{self, PolicySource, RegoVersion, load};
use crate::program;

pub use coverage::{RuleCoverage, coverage};

/// What a test is called first.
const TEST: &str = "test_";

/// What became of one test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestOutcome {
    /// Its rule, as `data.package.test_name`.
    pub name: String,
    /// The source that has it.
    pub source: String,
    /// The rule's line, from 1.
    pub line: u32,
    /// The rule's column, from 1.
    pub column: u32,
    /// How it ended.
    pub verdict: Verdict,
}

/// How a test ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The rule is true.
    Passed,
    /// The rule is undefined or anything but true.
    Failed,
    /// The rule could not be evaluated.
    Error(String),
}

/// Loads `modules` together and runs every rule called `test_*` under the limits of a real decision, in the order
/// of their names. Errors when the modules do not load.
pub fn run(modules: &[PolicySource]) -> Result<Vec<TestOutcome>, PolicyError> {
    let (mut engine, _) = load(modules, RegoVersion::Auto)?;
    let used = program::check(engine.get_modules())?.builtins;
    let guarded: Vec<&'static Builtin> = used.into_iter().filter(|builtin| builtin.is_guarded()).collect();
    let tests: BTreeMap<String, (String, u32, u32)> =
        engine.get_modules().iter().flat_map(tests_of).collect();
    // The first evaluation orders all statements; that is not part of any test's time.
    if let Some(name) = tests.keys().next() {
        let prepared = engine.compile_with_entrypoint(&name.as_str().into());
        prepared.map_err(|error| {
            PolicyError::from_engine(crate::error::PolicyErrorKind::Syntax, &error.to_string())
        })?;
    }
    Ok(tests
        .into_iter()
        .map(|(name, (source, line, column))| {
            let verdict = match policy::run(&engine, &guarded, &name, Value::new_object(), 0).0 {
                Ok(Value::Bool(true)) => Verdict::Passed,
                Ok(_) => Verdict::Failed,
                Err((_, message)) => Verdict::Error(message),
            };
            TestOutcome { name, source, line, column, verdict }
        })
        .collect())
}

/// The tests of one module: name, then source and position.
fn tests_of(module: &Ref<Module>) -> Vec<(String, (String, u32, u32))> {
    let package = module.package.refr.span().text().to_owned();
    let rules = module.policy.iter().filter_map(|rule| match rule.as_ref() {
        Rule::Spec { head: RuleHead::Compr { refr, .. } | RuleHead::Set { refr, .. }, .. } => Some(refr),
        _ => None,
    });
    rules
        .filter_map(|refr| match refr.as_ref() {
            Expr::Var { span, .. } if span.text().starts_with(TEST) => {
                let source = span.source.get_path().clone();
                Some((format!("data.{package}.{}", span.text()), (source, span.line, span.col)))
            }
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests;
