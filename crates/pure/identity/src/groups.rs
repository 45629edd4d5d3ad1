//! Whether claims list all groups of a person.
//!
//! A provider that has too many groups for a token leaves them out and says so. Without a look at that, a policy that
//! denies by group would let exactly those people pass.

use serde_json::{Map, Value};

/// The claim of our own tokens that says `false` when the groups of the sign-in behind them are not all there.
pub const COMPLETE: &str = "groups_complete";

/// Whether `claims` list all groups that their issuer knows, in the claim `named`.
///
/// They do not when the claim is a distributed one (`_claim_names`, OpenID Connect Core §5.6.2; Entra ID does so beyond
/// 200 groups), when `hasgroups` stands for it (Entra ID again, where tokens have to be short), or when a token of ours
/// says so.
pub fn are_complete(claims: &Map<String, Value>, named: &str) -> bool {
    let members = |name: &str| claims.get(name).and_then(Value::as_object);
    let is_true = |value: &Value| value == true || value.as_str().is_some_and(|text| text == "true");
    let distributed = members("_claim_names").is_some_and(|names| names.contains_key(named));
    let points_to_source = claims
        .get(named)
        .and_then(Value::as_str)
        .zip(members("_claim_sources"))
        .is_some_and(|(source, sources)| sources.contains_key(source));
    let left_out = named == "groups" && claims.get("hasgroups").is_some_and(is_true);
    let said_by_us = claims.get(COMPLETE).is_some_and(|complete| complete == false);
    !(distributed || points_to_source || left_out || said_by_us)
}

/// What becomes of people whose groups are not all there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IncompleteGroups {
    /// They are refused.
    #[default]
    Deny,
    /// They come in, and policies see that groups are missing.
    Allow,
}

#[cfg(test)]
mod tests;
