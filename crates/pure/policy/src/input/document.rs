//! Objects for the engine, built without a detour over JSON text.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use gatehouse_identity::principal::{Credential, Principal, PrincipalKind};
use regorus::Value;
use serde_json::{Map, Value as Json};

use super::User;
use crate::builtin::to_rego;

/// An object under construction.
#[derive(Debug)]
pub(super) struct Document(BTreeMap<Value, Value>);

impl Document {
    pub(super) fn new() -> Self {
        Self(BTreeMap::new())
    }

    pub(super) fn put(&mut self, name: &str, value: Value) {
        self.0.insert(Value::from(name), value);
    }

    /// Adds `value`, behind a comma when there is text of that name already.
    pub(super) fn join(&mut self, name: &str, value: &str) {
        match self.0.entry(Value::from(name)) {
            Entry::Vacant(entry) => {
                entry.insert(Value::from(value));
            }
            Entry::Occupied(mut entry) => {
                let before = entry.get().as_string().map(AsRef::as_ref).unwrap_or_default();
                let joined = format!("{before}, {value}");
                entry.insert(Value::from(joined));
            }
        }
    }

    pub(super) fn value(self) -> Value {
        Value::from(self.0)
    }
}

pub(super) fn text(value: &str) -> Value {
    Value::from(value)
}

pub(super) fn strings(values: impl IntoIterator<Item = impl AsRef<str>>) -> Value {
    Value::from(values.into_iter().map(|value| text(value.as_ref())).collect::<Vec<_>>())
}

pub(super) fn claims(claims: &Map<String, Json>) -> Value {
    let mut document = Document::new();
    for (name, value) in claims {
        document.put(name, to_rego(value));
    }
    document.value()
}

/// `token.claims`, `principal` and `delegation.actors`; `user` is who stands in `input` already.
pub(super) fn caller(principal: &Principal, user: Option<&User<'_>>, input: &mut Document) {
    // At the gateways both are the claims of the caller's token.
    let known = user.filter(|user| std::ptr::eq(user.claims, principal.claims())).and_then(|_| {
        let user = input.0.get(&Value::from("user"))?.as_object().ok()?;
        user.get(&Value::from("claims")).cloned()
    });
    let mut token = Document::new();
    token.put("claims", known.unwrap_or_else(|| claims(principal.claims())));
    input.put("token", token.value());

    let mut who = Document::new();
    who.put("issuer", text(principal.issuer().as_str()));
    who.put("subject", text(principal.subject().as_str()));
    who.put(
        "kind",
        text(match principal.kind() {
            PrincipalKind::User => "user",
            PrincipalKind::Workload => "workload",
        }),
    );
    who.put("client", text(principal.client().map_or("", |client| client.as_str())));
    who.put("scopes", strings(principal.scopes().iter()));
    who.put("groups", strings(principal.groups()));
    who.put("email", text(principal.email().unwrap_or("")));
    who.put(
        "credential",
        text(match principal.credential() {
            Credential::Token { .. } => "token",
            Credential::StaticKey { .. } => "static_key",
        }),
    );
    input.put("principal", who.value());

    let actors = principal.actors().actors().iter().map(|actor| {
        let mut document = Document::new();
        document.put("sub", text(&actor.subject));
        document.put("iss", text(actor.issuer.as_deref().unwrap_or("")));
        document.value()
    });
    let mut delegation = Document::new();
    delegation.put("actors", Value::from(actors.collect::<Vec<_>>()));
    input.put("delegation", delegation.value());
}
