//! Patterns that take values apart.
//!
//! In OPA a pattern like `{"a": x}` fits objects that have this member and no other. The engine lets it fit those that
//! have more, so a rule would hold for values that it was not written for. Such patterns are refused by name.

use regorus::unstable::{Expr, ExprRef};

use crate::error::{PolicyError, PolicyErrorKind};

/// Refuses a pattern with an object in it, where every name is new.
pub(super) fn check_new(pattern: &ExprRef) -> Result<(), PolicyError> {
    object(pattern).map_or(Ok(()), |object| Err(refused(object)))
}

/// Refuses a pattern with an object in it, unless all of its names have a value already, as `is_bound` says: then it is
/// compared as a whole.
pub(super) fn check(pattern: &ExprRef, is_bound: &dyn Fn(&str) -> bool) -> Result<(), PolicyError> {
    match object(pattern) {
        Some(object) if binds(pattern, is_bound) => Err(refused(object)),
        _ => Ok(()),
    }
}

fn refused(object: &Expr) -> PolicyError {
    let span = object.span();
    let message = "an object in a pattern would also fit objects with more members than OPA's: give the whole a name and \
                   read its members, as in `o := input.x; o.a == 1`, or compare it with `==`";
    PolicyError::at(PolicyErrorKind::Function, span.line, span.col, message)
}

/// The first object that is written in a pattern.
fn object(pattern: &ExprRef) -> Option<&Expr> {
    match pattern.as_ref() {
        object @ Expr::Object { .. } => Some(object),
        Expr::Array { items, .. } => items.iter().find_map(object),
        _ => None,
    }
}

/// Whether a pattern gives a name its value.
fn binds(pattern: &ExprRef, is_bound: &dyn Fn(&str) -> bool) -> bool {
    match pattern.as_ref() {
        Expr::Var { span, .. } => !is_bound(span.text()),
        Expr::Array { items, .. } => items.iter().any(|item| binds(item, is_bound)),
        Expr::Object { fields, .. } => fields.iter().any(|(_, _, value)| binds(value, is_bound)),
        _ => false,
    }
}
