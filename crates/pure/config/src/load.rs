//! From bytes to a snapshot in one step.

use crate::document::Document;
use crate::problem::Problem;
use crate::snapshot::{Snapshot, compile};
use crate::source::Source;
use crate::source::environment::Environment;
use crate::source::loader::Loader;

/// Reads and compiles `source`; all problems come at once.
///
/// A variable or secret that does not exist hides nothing else: the rest is checked with something in its place, so that
/// `check` is of use where the secrets are not.
pub fn load(
    source: &Source,
    environment: &Environment,
    loader: &dyn Loader,
) -> Result<Snapshot, Vec<Problem>> {
    let mut problems = match Document::read(source, environment, loader) {
        Ok(document) => return compile(document, loader),
        Err(problems) => problems,
    };
    if let Some((document, missing)) = Document::with_stand_ins(source, environment, loader)
        && let Err(more) = compile(document, loader)
    {
        let of_stand_in = |problem: &Problem| {
            missing.iter().any(|at| (at.line, at.column) == (problem.line, problem.column))
        };
        problems.extend(more.into_iter().filter(|problem| !of_stand_in(problem)));
    }
    Err(problems)
}
