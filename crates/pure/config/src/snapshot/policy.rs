//! Rego policies, compiled; their errors are placed where the faulty line is written.

use std::collections::BTreeSet;
use std::sync::Arc;

use gatehouse_policy::input::{Parent, Point, UnknownFact};
use gatehouse_policy::{Policy, PolicyOptions, PolicySource, RegoVersion};

use super::compiler::Compiler;
use crate::document::policy::{
    OpaPoint, Policy as Written, PolicyList, RegoText, RegoVersion as WrittenVersion,
};
use crate::nearest;
use crate::problem::{Location, Place, Problem, Severity};

/// The policies of a list, in their order.
pub(crate) fn compile_list(list: &PolicyList, compiler: &mut Compiler<'_>) -> Vec<Policy> {
    let compiled = |policy| checked(policy, Point::TokenMinting, compiler);
    list.policies.iter().filter_map(compiled).collect()
}

/// The policy that is written where `point` takes one.
pub(crate) fn compile_point(written: &OpaPoint, point: Point, compiler: &mut Compiler<'_>) -> Vec<Policy> {
    written.opa.iter().filter_map(|policy| checked(policy, point, compiler)).collect()
}

/// A policy whose references to the input were compared with the facts of its decision point.
fn checked(written: &Written, point: Point, compiler: &mut Compiler<'_>) -> Option<Policy> {
    let policy = compile(written, compiler)?;
    for fact in policy.unknown_facts(point) {
        let (message, hint) = (message(&fact, point), hint(&fact, point));
        match (&written.rego, &written.file) {
            (Some(rego), _) => {
                let at = inline_location(rego, fact.line, fact.column);
                let place = Place { at, path: rego.place.path.clone() };
                compiler.report.warning(&place, message, hint);
            }
            (None, file) => compiler.report.foreign(Problem {
                severity: Severity::Warning,
                file: Arc::from(file.as_ref().map_or("", |file| file.value.as_str())),
                line: fact.line,
                column: fact.column,
                path: written.place.path.clone(),
                message,
                hint: Some(hint),
            }),
        }
    }
    Some(policy)
}

fn message(fact: &UnknownFact, point: Point) -> String {
    let why = match fact.parent {
        Parent::Object(_) | Parent::Headers(_) => "is never there",
        Parent::Empty => "is never there: what it would be in is empty",
        Parent::List => "is never there: what it would be in is a list",
        Parent::Value => "is never there: what it would be in is one value",
    };
    format!("`{}` {why} at {}, so nothing that asks for it applies", fact.path, point.name())
}

/// What was probably meant: a name of the same object, the same name in another place, or another decision point.
fn hint(fact: &UnknownFact, point: Point) -> String {
    let meant = |path: &str| format!("did you mean `{path}`?");
    let last = |path: &str| path.rsplit('.').next().unwrap_or("").to_owned();
    let near = match &fact.parent {
        Parent::Headers(path) => return meant(path),
        Parent::List => return "ask with `\"NAME\" in LIST`, or for each with `LIST[_]`".to_owned(),
        Parent::Object(members) => {
            let names: Vec<String> = members.iter().map(|path| last(path)).collect();
            let found = nearest::nearest(&fact.name, names.iter().map(String::as_str));
            members.iter().find(|path| found.is_some_and(|name| last(path) == name)).cloned()
        }
        Parent::Empty | Parent::Value => None,
    };
    if let Some(path) = near {
        return meant(&path);
    }
    if !fact.elsewhere.is_empty() {
        let points: Vec<&str> = fact.elsewhere.iter().map(|point| point.name()).collect();
        return format!("it is there at {}", points.join(", "));
    }
    let facts = point.facts();
    let names: BTreeSet<String> = facts.iter().map(|path| last(path)).collect();
    let name = nearest::nearest(&fact.name, names.iter().map(String::as_str));
    let elsewhere: Vec<&str> =
        facts.iter().filter(|path| name.is_some_and(|name| last(path) == name)).map(String::as_str).collect();
    match (elsewhere.as_slice(), &fact.parent) {
        ([], Parent::Object(members)) => format!("known here: {}", members.join(", ")),
        ([], _) => format!("docs/guides/policies.md shows what there is at {}", point.name()),
        (paths, _) => meant(&paths.join("` or `")),
    }
}

fn compile(written: &Written, compiler: &mut Compiler<'_>) -> Option<Policy> {
    let version = match written.version {
        WrittenVersion::Auto => RegoVersion::Auto,
        WrittenVersion::V0 => RegoVersion::V0,
        WrittenVersion::V1 => RegoVersion::V1,
    };
    let options = PolicyOptions { version, package: written.package.clone(), entry: written.entry.clone() };
    let source = |text: String| PolicySource { name: written.name.value.clone(), text };
    match (&written.rego, &written.file) {
        (Some(rego), None) => match Policy::compile(&source(rego.text.clone()), &options) {
            Ok(policy) => Some(policy),
            Err(error) => {
                let at = inline_location(rego, error.line.unwrap_or(1), error.column.unwrap_or(1));
                let place = Place { at, path: rego.place.path.clone() };
                compiler.report.error(&place, error.message);
                None
            }
        },
        (None, Some(file)) => {
            let bytes = compiler.file(file, PolicySource::MAX_BYTES)?;
            let Ok(text) = String::from_utf8(bytes) else {
                compiler.report.error(&file.place, "the policy is not UTF-8 text");
                return None;
            };
            match Policy::compile(&source(text), &options) {
                Ok(policy) => Some(policy),
                Err(error) => {
                    compiler.report.foreign(Problem {
                        severity: Severity::Error,
                        file: Arc::from(file.value.as_str()),
                        line: error.line.unwrap_or(1),
                        column: error.column.unwrap_or(1),
                        path: written.place.path.clone(),
                        message: error.message,
                        hint: None,
                    });
                    None
                }
            }
        }
        (Some(_), Some(file)) => {
            compiler.report.error_with(
                &file.place,
                "`rego` and `file` exclude each other",
                "remove one of them",
            );
            None
        }
        (None, None) => {
            compiler.report.error_with(&written.place, "a policy without text", "write `rego` or `file`");
            None
        }
    }
}

/// Where in the configuration file a line and column of an inline policy stand.
fn inline_location(rego: &RegoText, line: u32, column: u32) -> Location {
    Location {
        line: rego.first_line.saturating_add(line.max(1) - 1),
        column: rego.indent.saturating_add(column.max(1)),
    }
}
