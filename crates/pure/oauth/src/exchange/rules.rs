//! What operators allow a client to exchange.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gatehouse_identity::audience::Audience;

/// What one client may obtain by token exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeRules {
    /// Whether the result names the client as actor.
    pub mode: ExchangeMode,
    /// Which subject tokens the client may exchange.
    pub subjects: SubjectAudience,
    /// How the scopes of the result follow from those of the subject token.
    pub scopes: ScopeMode,
    /// The longest life of a result; the client's access token lifetime holds as well.
    pub max_lifetime: Duration,
    /// The most actors in a result, at most [`gatehouse_identity::delegation::MAX_DEPTH`].
    pub max_depth: usize,
}

/// Whether the result of an exchange names the client as actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExchangeMode {
    /// The result carries `act`.
    Delegation,
    /// The result does not name the client as actor. Only ever by an operator's explicit word.
    Impersonation,
}

/// Which subject tokens a client may exchange, besides those that name it in `aud` or were issued to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubjectAudience {
    /// Those for one of these audiences, for which the client answers.
    Named(Vec<Audience>),
    /// Every access token of this server.
    Any,
}

/// How the scopes of the result follow from those of the subject token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScopeMode {
    /// Only scopes that the subject token has.
    Subset,
    /// A scope of the subject token stands for these scopes at the target; unmapped ones stand for nothing.
    Mapped(BTreeMap<String, BTreeSet<String>>),
    /// Any scope registered for the client that it asks for by name, whatever the subject token has.
    Explicit,
}
