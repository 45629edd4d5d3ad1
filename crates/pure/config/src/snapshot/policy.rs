//! Rego policies, compiled; their errors are placed where the faulty line is written.

use std::sync::Arc;

use gatehouse_policy::{Policy, PolicyError, PolicyOptions, PolicySource, RegoVersion};

use super::compiler::Compiler;
use crate::document::policy::{
    OpaPoint, Policy as Written, PolicyList, RegoText, RegoVersion as WrittenVersion,
};
use crate::problem::{Location, Place, Problem, Severity};

/// The policies of a list, in their order.
pub(crate) fn compile_list(list: &PolicyList, compiler: &mut Compiler<'_>) -> Vec<Policy> {
    list.policies.iter().filter_map(|policy| compile(policy, compiler)).collect()
}

/// The policy of a decision point that takes one.
pub(crate) fn compile_point(point: &OpaPoint, compiler: &mut Compiler<'_>) -> Vec<Policy> {
    point.opa.iter().filter_map(|policy| compile(policy, compiler)).collect()
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
                let place = Place { at: inline_location(&rego.value, &error), path: rego.place.path.clone() };
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

/// Where in the configuration file a line of an inline policy stands.
fn inline_location(rego: &RegoText, error: &PolicyError) -> Location {
    let line = error.line.unwrap_or(1).max(1);
    let column = error.column.unwrap_or(1).max(1);
    Location { line: rego.first_line.saturating_add(line - 1), column: rego.indent.saturating_add(column) }
}
