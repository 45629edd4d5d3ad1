//! What a client may learn about a user, in ID tokens and at the userinfo endpoint (OpenID Connect Core §5).

use gatehouse_identity::id::SubjectId;
use serde_json::{Map, Value};

use crate::claims::{ClaimSources, is_protected};
use crate::error::{ErrorCode, OAuthError};
use crate::grant::AuthenticatedUser;

/// The claims that each scope opens (OpenID Connect Core §5.4); `groups` is common practice.
const SCOPE_CLAIMS: [(&str, &[&str]); 4] = [
    (
        "profile",
        &[
            "name",
            "family_name",
            "given_name",
            "middle_name",
            "nickname",
            "preferred_username",
            "profile",
            "picture",
            "website",
            "gender",
            "birthdate",
            "zoneinfo",
            "locale",
            "updated_at",
        ],
    ),
    ("email", &["email", "email_verified"]),
    ("address", &["address"]),
    ("phone", &["phone_number", "phone_number_verified"]),
];

/// The userinfo answer: only for tokens with the scope `openid`.
pub fn userinfo(
    subject: &SubjectId,
    user: &AuthenticatedUser,
    sources: &ClaimSources<'_>,
) -> Result<Map<String, Value>, OAuthError> {
    if !sources.scopes.contains("openid") {
        return Err(OAuthError::new(ErrorCode::InsufficientScope, "userinfo needs the scope openid"));
    }
    let mut claims = user_claims(user, sources);
    claims.insert("sub".into(), Value::String(subject.as_str().to_owned()));
    Ok(claims)
}

/// What the granted scopes open of the user's attributes, then `claimsMapping`, which is the operator's explicit
/// word for this client and holds for any scope. Protected claims are left to the issuer.
pub fn user_claims(user: &AuthenticatedUser, sources: &ClaimSources<'_>) -> Map<String, Value> {
    let mut claims = Map::new();
    let open =
        SCOPE_CLAIMS.iter().filter(|(scope, _)| sources.scopes.contains(scope)).flat_map(|(_, names)| *names);
    for name in open {
        if let Some(value) = user.attributes.get(*name).filter(|value| !value.is_null()) {
            claims.insert((*name).to_owned(), value.clone());
        }
    }
    if sources.scopes.contains("groups") {
        claims.insert("groups".into(), user.groups.clone().into());
    }
    for (claim, expression) in &sources.client.claims_mapping {
        if let Some(value) = expression.resolve(sources).filter(|_| !is_protected(claim)) {
            claims.insert(claim.clone(), value);
        }
    }
    claims
}

#[cfg(test)]
mod tests;
