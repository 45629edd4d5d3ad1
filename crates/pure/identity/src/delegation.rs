//! Who acts for whom: the `act` claim (RFC 8693 §4.1).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The deepest chain that we read or mint.
pub const MAX_DEPTH: usize = 5;

/// One party that acts on behalf of the subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// `sub` of the actor.
    pub subject: String,
    /// `iss` of the actor, when it is not the issuer of the token.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub issuer: Option<String>,
}

/// The actors of a token, the current one first; empty when the subject acts in person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DelegationChain(Vec<Actor>);

/// An `act` claim that cannot be read.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum DelegationError {
    /// An `act` value is not an object with a string `sub`.
    #[error("every `act` must be an object with a string `sub`")]
    Malformed,
    /// More than [`MAX_DEPTH`] actors.
    #[error("the delegation chain is deeper than {MAX_DEPTH}")]
    TooDeep,
}

impl DelegationChain {
    /// Nobody acts but the subject.
    pub const fn direct() -> Self {
        Self(Vec::new())
    }

    /// Reads the nested `act` objects of a claims set.
    pub fn from_claims(claims: &Map<String, Value>) -> Result<Self, DelegationError> {
        let mut actors = Vec::new();
        let mut next = claims.get("act");
        while let Some(act) = next {
            if actors.len() == MAX_DEPTH {
                return Err(DelegationError::TooDeep);
            }
            let act = act.as_object().ok_or(DelegationError::Malformed)?;
            let subject = act.get("sub").and_then(Value::as_str).ok_or(DelegationError::Malformed)?;
            let issuer = act.get("iss").and_then(Value::as_str).map(str::to_owned);
            actors.push(Actor { subject: subject.to_owned(), issuer });
            next = act.get("act");
        }
        Ok(Self(actors))
    }

    /// The chain with `actor` as the new current actor.
    pub fn extended(&self, actor: Actor) -> Result<Self, DelegationError> {
        if self.0.len() == MAX_DEPTH {
            return Err(DelegationError::TooDeep);
        }
        let mut actors = Vec::with_capacity(self.0.len() + 1);
        actors.push(actor);
        actors.extend(self.0.iter().cloned());
        Ok(Self(actors))
    }

    /// The `act` claim, or `None` for a direct token.
    pub fn to_claim(&self) -> Option<Value> {
        self.0.iter().rev().fold(None, |inner, actor| {
            let mut act = Map::new();
            act.insert("sub".into(), actor.subject.clone().into());
            if let Some(issuer) = &actor.issuer {
                act.insert("iss".into(), issuer.clone().into());
            }
            if let Some(inner) = inner {
                act.insert("act".into(), inner);
            }
            Some(Value::Object(act))
        })
    }

    /// The actors, the current one first.
    pub fn actors(&self) -> &[Actor] {
        &self.0
    }
}

#[cfg(test)]
mod tests;
