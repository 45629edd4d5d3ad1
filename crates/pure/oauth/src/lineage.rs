//! Where a token comes from: every token that it was exchanged from, so that revoking any of them reaches it.
//!
//! `parent_jti` names the token that it was exchanged for; `ancestor_jti` lists those before, nearest first.

use gatehouse_identity::delegation::MAX_DEPTH;
use gatehouse_identity::id::TokenId;
use serde_json::{Map, Value};

const PARENT: &str = "parent_jti";
const ANCESTORS: &str = "ancestor_jti";

/// The tokens that one token was exchanged from, nearest first; at most [`MAX_DEPTH`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lineage(Vec<TokenId>);

/// A token that nothing can be exchanged for, because of where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineageError {
    /// A claim that names tokens before it is not what we write there.
    #[error("claim {0} of the subject token cannot be read")]
    Malformed(&'static str),
    /// The result could not name every token that it comes from.
    #[error("a token is at most {MAX_DEPTH} exchanges away from the one that a user or client got")]
    TooLong,
}

impl Lineage {
    /// The lineage of a token that no token was exchanged for.
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// The lineage of what is exchanged for a token with these claims.
    pub fn below(claims: &Map<String, Value>) -> Result<Self, LineageError> {
        let further = match claims.get(ANCESTORS) {
            None => [].as_slice(),
            Some(Value::Array(further)) => further,
            Some(_) => return Err(LineageError::Malformed(ANCESTORS)),
        };
        let named = |claim, value: &Value| match value.as_str() {
            Some(id) if !id.is_empty() => Ok(TokenId::new(id)),
            _ => Err(LineageError::Malformed(claim)),
        };
        // An ID token has no id of its own: it falls with its grant.
        let nearest = ["jti", PARENT].into_iter().filter_map(|claim| Some(named(claim, claims.get(claim)?)));
        let further = further.iter().map(|value| named(ANCESTORS, value));
        let tokens = nearest.chain(further).collect::<Result<Vec<_>, _>>()?;
        if tokens.len() > MAX_DEPTH { Err(LineageError::TooLong) } else { Ok(Self(tokens)) }
    }

    /// The tokens, nearest first.
    pub fn tokens(&self) -> &[TokenId] {
        &self.0
    }

    /// Writes the lineage into the claims of a token.
    pub(crate) fn write(&self, claims: &mut Map<String, Value>) {
        let mut ids = self.0.iter().map(|token| Value::String(token.as_str().to_owned()));
        if let Some(parent) = ids.next() {
            claims.insert(PARENT.into(), parent);
        }
        let further: Vec<Value> = ids.collect();
        if !further.is_empty() {
            claims.insert(ANCESTORS.into(), Value::Array(further));
        }
    }
}

/// The ids that end a token with these claims when they are revoked: its own and those of the tokens before it.
pub fn tokens_behind(claims: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let near = ["jti", PARENT].into_iter().filter_map(|claim| claims.get(claim)?.as_str());
    let further = claims.get(ANCESTORS).and_then(Value::as_array).into_iter().flatten();
    near.chain(further.filter_map(Value::as_str))
}

/// Whether a token was exchanged for another one, or names somebody who acts: it is not what the user's own client got.
pub fn is_exchanged(claims: &Map<String, Value>) -> bool {
    ["act", PARENT, ANCESTORS].into_iter().any(|claim| claims.contains_key(claim))
}

#[cfg(test)]
mod tests;
