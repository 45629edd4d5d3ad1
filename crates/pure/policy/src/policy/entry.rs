//! The rule that decides.

use regorus::Engine;
use serde_json::Value;

use super::{PolicyOptions, PolicySource, RegoVersion, add};
use crate::error::{PolicyError, PolicyErrorKind};
use crate::program::{self, Defined, Rules};

/// Most rules that are named where the one that decides is not there.
const LISTED: usize = 8;

/// Where a policy's answer is.
pub(super) struct Entry {
    /// Its path.
    pub(super) answer: String,
    /// The rule to evaluate for it.
    pub(super) rule: String,
}

impl Entry {
    /// The entry that `options` name.
    ///
    /// The engine evaluates whole rules. Where several rules define the answer in parts, or where it is a part of what a
    /// rule defines, a rule of a module beside the policy refers to it, as a query of OPA would.
    pub(super) fn find(
        engine: &mut Engine,
        options: &PolicyOptions,
        rules: &Rules,
    ) -> Result<Self, PolicyError> {
        let PolicyOptions { package, entry, .. } = options;
        let expected = format!("data.{package}");
        let packages = engine.get_packages().unwrap_or_default();
        if !packages.contains(&expected) {
            let found = packages.join(", ");
            let message =
                format!("expected `package {package}`, found `{}`", found.trim_start_matches("data."));
            return Err(PolicyError::at(PolicyErrorKind::Entry, 1, 1, message));
        }
        let answer = format!("{expected}.{entry}");
        rules.reach(&answer).map_err(|message| PolicyError::new(PolicyErrorKind::Entry, message))?;
        let rule = match rules.at(&answer) {
            Defined::Rule => answer.clone(),
            Defined::Parts => ask_for(&answer, package, engine)?,
            Defined::Function => {
                let message = format!("`{entry}` is a function; what decides is a rule without arguments");
                return Err(PolicyError::new(PolicyErrorKind::Entry, message));
            }
            Defined::Not => return Err(missing(&answer, &expected, rules)),
        };
        prepare(engine, &rule)?;
        Ok(Self { answer, rule })
    }
}

/// Adds a module whose one rule has the value at `path`, and names that rule.
fn ask_for(path: &str, package: &str, engine: &mut Engine) -> Result<String, PolicyError> {
    let name = if package.starts_with("asked") { "entry" } else { "asked" };
    let steps = path.split('.').skip(1).map(|step| format!("[{}]", Value::from(step)));
    let text = format!("package {name}\nanswer := data{}\n", steps.collect::<String>());
    add(engine, &PolicySource { name: name.to_owned(), text }, RegoVersion::V1)?;
    // With this rule, a policy that reads its own answer by that name would go round in circles.
    program::check(engine.get_modules())?;
    Ok(format!("data.{name}.answer"))
}

fn missing(answer: &str, package: &str, rules: &Rules) -> PolicyError {
    let within = format!("{package}.");
    let found: Vec<&str> = rules.names().filter_map(|name| name.strip_prefix(&within)).take(LISTED).collect();
    let others = match found.as_slice() {
        [] => "it has none".to_owned(),
        found => format!("it has `{}`", found.join("`, `")),
    };
    PolicyError::new(PolicyErrorKind::Entry, format!("the policy has no rule `{answer}`: {others}"))
}

/// Orders the statements once, so that evaluations need not.
fn prepare(engine: &mut Engine, rule: &str) -> Result<(), PolicyError> {
    engine.compile_with_entrypoint(&rule.into()).map(|_| ()).map_err(|error| {
        let text = error.to_string();
        if text.contains("not a valid rule path") {
            return PolicyError::new(PolicyErrorKind::Entry, format!("the policy has no rule `{rule}`"));
        }
        PolicyError::from_engine(PolicyErrorKind::Syntax, &text)
    })
}
