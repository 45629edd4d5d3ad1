//! Scopes of clients and tools.

use gatehouse_identity::scope::ScopeSet;

use super::compiler::Compiler;
use crate::document::scope::ScopeName;

/// The scopes of OpenID Connect that every client may ask for.
pub const STANDARD_SCOPES: &str = "openid profile email offline_access";

/// A list of scope names as a set.
pub(crate) fn scopes(written: &[ScopeName], compiler: &mut Compiler<'_>) -> ScopeSet {
    written.iter().fold(ScopeSet::none(), |all, scope| match ScopeSet::parse(&scope.name) {
        Ok(one) if one.iter().count() == 1 => all.union(&one),
        Ok(_) => {
            compiler.report.error(&scope.name.place, "one scope name, without spaces");
            all
        }
        Err(error) => {
            compiler.report.error(&scope.name.place, error.to_string());
            all
        }
    })
}
