//! Which rules the tests depend on.
//!
//! A rule is covered when some test ends otherwise without it. That it was evaluated would say little: a rule that names
//! a fact that is never there is evaluated by every test and decides nothing.

use std::collections::BTreeMap;

use regorus::unstable::{Module, Query, Rule};

use super::{TEST, Verdict, run};
use crate::error::PolicyError;
use crate::policy::{PolicySource, RegoVersion, load};
use crate::program::defined;

/// One alternative of a rule that has conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCoverage {
    /// The rule, as it is written.
    pub name: String,
    /// The source that has it.
    pub source: String,
    /// Its line, from 1.
    pub line: u32,
    /// Its column, from 1.
    pub column: u32,
    /// Whether a test ends otherwise without it.
    pub covered: bool,
}

/// A rule, and the text of its module without the rule ever applying.
struct Removal {
    rule: RuleCoverage,
    module: usize,
    text: String,
}

/// Looks at every rule with conditions in `modules`, in their order: those of tests aside, and those of modules of
/// tests. Errors when the modules do not load.
pub fn coverage(modules: &[PolicySource]) -> Result<Vec<RuleCoverage>, PolicyError> {
    let (mut engine, _) = load(modules, RegoVersion::Auto)?;
    let removals = engine.get_modules().iter().enumerate().flat_map(|(at, module)| {
        let beside = modules.len() > 1 && module.policy.iter().any(|rule| is_test(rule));
        let rules = module.policy.iter().filter(move |rule| !beside && !is_test(rule));
        rules.flat_map(move |rule| removals(at, module, rule)).collect::<Vec<_>>()
    });
    let removals: Vec<Removal> = removals.collect();
    let usual = verdicts(modules)?;
    let mut found = Vec::with_capacity(removals.len());
    for Removal { rule, module, text } in removals {
        let mut changed = modules.to_vec();
        if let Some(source) = changed.get_mut(module) {
            source.text = text;
        }
        let covered = verdicts(&changed).map_or(true, |without| without != usual);
        found.push(RuleCoverage { covered, ..rule });
    }
    Ok(found)
}

/// How every test ends, whatever an error says.
fn verdicts(modules: &[PolicySource]) -> Result<BTreeMap<String, Verdict>, PolicyError> {
    let outcomes = run(modules)?.into_iter();
    let kinds = outcomes.map(|outcome| {
        let verdict = match outcome.verdict {
            Verdict::Error(_) => Verdict::Error(String::new()),
            verdict => verdict,
        };
        (outcome.name, verdict)
    });
    Ok(kinds.collect())
}

fn is_test(rule: &Rule) -> bool {
    defined(rule).first().is_some_and(|name| name.starts_with(TEST))
}

fn removals(module: usize, parsed: &Module, rule: &Rule) -> Vec<Removal> {
    let Rule::Spec { span, bodies, .. } = rule else { return Vec::new() };
    let text = parsed.package.span.source.contents();
    let bodies = bodies.iter().enumerate().filter(|(_, body)| !body.query.stmts.is_empty());
    bodies
        .filter_map(|(number, body)| {
            let at = if number == 0 { span } else { &body.span };
            let rule = RuleCoverage {
                name: defined(rule).join("."),
                source: at.source.get_path().clone(),
                line: at.line,
                column: at.col,
                covered: false,
            };
            Some(Removal { rule, module, text: never(text, &body.query)? })
        })
        .collect()
}

/// `text` with a query that is never true.
fn never(text: &str, query: &Query) -> Option<String> {
    let at = |offset: u32| usize::try_from(offset).ok();
    let (start, end) = (at(query.span.start)?, at(query.span.end)?);
    let first = at(query.stmts.first()?.span.start)?;
    let is_braced = text.get(start..first)?.contains('{');
    // The parser leaves out the quotes of a text that is first or last.
    let quote = |letter: &u8| matches!(letter, b'"' | b'`');
    let before = text.as_bytes().get(..first)?.last().is_some_and(quote);
    let first = first - usize::from(before);
    let end = end + usize::from(text.as_bytes().get(end).is_some_and(quote));
    let inside = text.get(first..end)?;
    // Without braces there is one statement. A comment may end a line.
    if is_braced {
        let (inside, close) = inside.strip_suffix('}').map_or((inside, ""), |inside| (inside, "}"));
        Some([text.get(..first)?, inside, "\nfalse ", close, text.get(end..)?].concat())
    } else {
        Some([text.get(..first)?, "{ ", inside, "\nfalse }", text.get(end..)?].concat())
    }
}
