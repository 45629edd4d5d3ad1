//! Where rules refer to the input, also by other names that they give to parts of it.

use std::collections::BTreeMap;

use regorus::unstable::{AssignOp, Expr, Literal, LiteralStmt, Module, Ref, Rule, RuleHead};

use super::{Names, defined};

/// The longest path that is followed.
pub(super) const MAX_STEPS: usize = 64;
/// How often one name may stand for another that stands for another.
const MAX_ROUNDS: usize = 8;

/// One place where a rule refers to a part of the input.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reference {
    /// Its line, from 1.
    pub(crate) line: u32,
    /// Its column, from 1.
    pub(crate) column: u32,
    /// What follows `input`.
    pub(crate) steps: Vec<Step>,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// A name that is written out.
    Name(String),
    /// A number, or whatever is computed.
    Any,
}

/// The rules whose value is a part of the input, by their full names.
#[derive(Debug, Default)]
pub(super) struct Sources(BTreeMap<String, Vec<Step>>);

impl Sources {
    /// Those of `modules` that have one definition only.
    pub(super) fn of(modules: &[Ref<Module>]) -> Self {
        let all: Vec<(Names, &Ref<Module>)> =
            modules.iter().map(|module| (Names::of(module), module)).collect();
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let mut candidates = Vec::new();
        for (names, module) in &all {
            for rule in &module.policy {
                let name = format!("{}.{}", names.package, defined(rule).join("."));
                *counts.entry(name.clone()).or_default() += 1;
                candidates.extend(value(rule).map(|value| (names, name, value)));
            }
        }
        candidates.retain(|(_, name, _)| counts.get(name) == Some(&1));
        let mut sources = Self::default();
        for _ in 0..MAX_ROUNDS {
            let known = sources.0.len();
            for (names, name, (root, steps)) in &candidates {
                if let Some(mut path) = names.part_of_input(root, &sources) {
                    path.extend(steps.iter().cloned());
                    if path.len() <= MAX_STEPS {
                        sources.0.insert(name.clone(), path);
                    }
                }
            }
            if sources.0.len() == known {
                break;
            }
        }
        sources
    }
}

impl Names {
    /// The part of the input that `root` stands for in this module.
    pub(super) fn part_of_input(&self, root: &str, sources: &Sources) -> Option<Vec<Step>> {
        if root == "input" {
            return Some(Vec::new());
        }
        match self.aliases.get(root) {
            Some(path) => {
                let mut names = path.split('.');
                let is_input = names.next() == Some("input");
                is_input.then(|| names.map(|name| Step::Name(name.to_owned())).collect())
            }
            None => sources.0.get(&format!("{}.{root}", self.package)).cloned(),
        }
    }
}

/// The reference that is the whole value of a rule. Its root is a local name only where there is a body.
fn value(rule: &Rule) -> Option<(String, Vec<Step>)> {
    let Rule::Spec { head: RuleHead::Compr { refr, assign: Some(assign), .. }, bodies, .. } = rule else {
        return None;
    };
    if !matches!(refr.as_ref(), Expr::Var { .. }) || bodies.iter().any(|body| body.assign.is_some()) {
        return None;
    }
    let (root, steps) = chain(&assign.value)?;
    (bodies.is_empty() || root == "input").then(|| (root.to_owned(), steps))
}

/// The name that a reference begins with, and its steps.
pub(super) fn chain(expr: &Expr) -> Option<(&str, Vec<Step>)> {
    let mut steps = Vec::new();
    let mut at = expr;
    loop {
        at = match at {
            Expr::RefDot { refr, field, .. } => {
                steps.push(Step::Name(field.0.text().to_owned()));
                refr
            }
            Expr::RefBrack { refr, index, .. } => {
                steps.push(written(index).map_or(Step::Any, Step::Name));
                refr
            }
            Expr::Var { span, .. } => {
                steps.reverse();
                return Some((span.text(), steps));
            }
            _ => return None,
        };
    }
}

/// The expression that a reference begins with.
pub(super) fn root(expr: &Expr) -> &Expr {
    let mut at = expr;
    while let Expr::RefDot { refr, .. } | Expr::RefBrack { refr, .. } = at {
        at = refr;
    }
    at
}

/// The text of a literal.
pub(super) fn written(expr: &Expr) -> Option<String> {
    match expr {
        Expr::String { value, .. } | Expr::RawString { value, .. } => {
            value.as_string().ok().map(ToString::to_string)
        }
        _ => None,
    }
}

/// The keys that `object.get` is given: one, or an array of them.
pub(super) fn keys(expr: &Expr) -> Vec<Step> {
    match expr {
        Expr::Array { items, .. } => {
            items.iter().map(|item| written(item).map_or(Step::Any, Step::Name)).collect()
        }
        _ => vec![written(expr).map_or(Step::Any, Step::Name)],
    }
}

/// What a statement gives a name to: that name, what it is taken from, and whether it is an element of that.
pub(super) fn naming(statement: &LiteralStmt) -> Option<(&str, &Expr, bool)> {
    match &statement.literal {
        Literal::Expr { expr, .. } => match expr.as_ref() {
            Expr::AssignExpr { op: AssignOp::ColEq, lhs, rhs, .. } => Some((variable(lhs)?, rhs, false)),
            _ => None,
        },
        Literal::SomeIn { value, collection, .. } => Some((variable(value)?, collection, true)),
        _ => None,
    }
}

fn variable(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Var { span, .. } => Some(span.text()),
        _ => None,
    }
}
