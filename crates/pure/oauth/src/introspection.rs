//! The answer of the introspection endpoint (RFC 7662 §2.2), checks I1 and I2.

use gatehouse_identity::jose::verify::VerifiedToken;
use serde_json::{Map, Value, json};

use crate::client::{AuthenticatedClient, ClientKind};
use crate::error::{ErrorCode, OAuthError};
use crate::exchange::Standing;

/// The claims that a resource server gets to see.
const SHOWN: [&str; 15] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "client_id",
    "scope",
    "act",
    "act_assurance",
    "auth_time",
    "acr",
    "amr",
    "cnf",
];

/// The answer about a token: `token` is `None` when it did not verify.
///
/// Whoever may not know about the token gets the same `{"active": false}` as for one that does not exist.
pub fn introspect(
    caller: &AuthenticatedClient<'_>,
    token: Option<&VerifiedToken>,
    standing: Standing,
) -> Result<Value, OAuthError> {
    if caller.client().kind == ClientKind::Public {
        return Err(OAuthError::new(
            ErrorCode::InvalidClient,
            "introspection is for clients that authenticate with a secret",
        ));
    }
    let visible = token.filter(|token| standing == Standing::Good && may_know(caller, token.claims()));
    let Some(token) = visible else { return Ok(json!({ "active": false })) };
    let claims = token.claims();
    let shown = SHOWN.iter().filter_map(|name| Some(((*name).to_owned(), claims.get(*name)?.clone())));
    let mut answer: Map<String, Value> = shown.collect();
    answer.insert("active".into(), Value::Bool(true));
    answer.insert("token_type".into(), "Bearer".into());
    Ok(Value::Object(answer))
}

/// A client may know about tokens that were issued to it or are meant for it.
fn may_know(caller: &AuthenticatedClient<'_>, claims: &Map<String, Value>) -> bool {
    claims.get("client_id").and_then(Value::as_str) == Some(caller.id().as_str())
        || caller.client().answers_for(claims)
}

#[cfg(test)]
mod tests;
