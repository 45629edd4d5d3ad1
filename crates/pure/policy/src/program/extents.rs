//! Rules that cannot stand beside each other, as OPA has it.
//!
//! A rule with a value of its own, and a set, may have no other rule within it: `result := {…}` beside
//! `result.allowed := true` would be two values for one name.

use std::collections::BTreeMap;

use regorus::unstable::{Expr, Module, Ref, Rule, RuleHead};

use super::{defined, head, package_of};
use crate::error::{PolicyError, PolicyErrorKind};

/// What the rules of one name are.
#[derive(Debug, Default)]
struct Extent {
    /// The line of the first, and its column.
    at: (u32, u32),
    /// Whether one of them is a set.
    is_set: bool,
    /// Whether one of them is a value, or a member of one.
    is_value: bool,
    /// Whether nothing else may be defined below.
    is_closed: bool,
}

/// Refuses rules that define something within what another rule defines as a whole.
pub(super) fn check(modules: &[Ref<Module>]) -> Result<(), PolicyError> {
    let mut extents: BTreeMap<String, Extent> = BTreeMap::new();
    for module in modules {
        let package = package_of(module);
        for rule in &module.policy {
            let span = rule.span();
            let extent = extents
                .entry(format!("{package}.{}", defined(rule).join(".")))
                .or_insert_with(|| Extent { at: (span.line, span.col), ..Extent::default() });
            if is_bare_member(rule) {
                let message = "a member needs its value in this version: write `… = true { … }`";
                return Err(PolicyError::at(PolicyErrorKind::Conflict, span.line, span.col, message));
            }
            // What has a computed name is one of several things, beside which there may be others.
            let is_set = matches!(rule.as_ref(), Rule::Spec { head: RuleHead::Set { .. }, .. });
            let is_closed = is_written_out(rule);
            extent.is_set |= is_set && is_closed;
            extent.is_value |= !is_set;
            extent.is_closed |= is_closed;
            if extent.is_set && extent.is_value {
                let name = defined(rule).join(".");
                let message = format!("`{name}` is a set in one rule and none in another");
                return Err(PolicyError::at(PolicyErrorKind::Conflict, span.line, span.col, message));
            }
        }
    }
    for (name, whole) in extents.iter().filter(|(_, extent)| extent.is_closed) {
        let below = format!("{name}.");
        let part = extents.range(below.clone()..).next().filter(|(name, _)| name.starts_with(&below));
        if let Some((part, Extent { at: (line, column), .. })) = part {
            let message = format!(
                "`{part}` cannot be defined beside `{name}`, which line {} defines whole",
                whole.at.0
            );
            return Err(PolicyError::at(PolicyErrorKind::Conflict, *line, *column, message));
        }
    }
    Ok(())
}

/// In the older version, `p.q { … }` is a member that is true, which the engine reads as an element of a set.
fn is_bare_member(rule: &Rule) -> bool {
    match rule {
        Rule::Spec { head: RuleHead::Set { key: None, refr, .. }, .. } => {
            matches!(refr.as_ref(), Expr::RefDot { .. })
        }
        Rule::Spec { .. } | Rule::Default { .. } => false,
    }
}

/// Whether the head of a rule names one thing, with nothing computed in its name.
fn is_written_out(rule: &Rule) -> bool {
    let (refr, _) = head(rule);
    let mut at = refr;
    loop {
        at = match at.as_ref() {
            Expr::RefDot { refr, .. } => refr,
            Expr::RefBrack { refr, index, .. }
                if matches!(index.as_ref(), Expr::String { .. } | Expr::RawString { .. }) =>
            {
                refr
            }
            Expr::Var { .. } => return true,
            _ => return false,
        };
    }
}
