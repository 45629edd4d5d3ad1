//! Lists of scopes as they are written.

use super::section::section;
use super::spot::Placed;

section! {
    /// `customScopes`, and the scopes of an outbound tool.
    ScopeList {
        scopes: Vec<ScopeName> = list("scopes"),
    }
}

section! {
    /// One scope.
    ScopeName {
        name: Placed<String> = required("name"),
    }
}
