//! Objects of the input, of which only what a policy sees is told.

use gatehouse_identity::principal::{Credential, Principal, PrincipalKind};
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};

use super::raw::each_member;
use super::sink::Sink;
use crate::reads::Reads;

/// One object of the input while it is told.
pub(super) struct Section<'a, S> {
    reads: &'a Reads,
    sink: &'a mut S,
}

impl<'a, S: Sink> Section<'a, S> {
    /// The whole input, of which `reads` is seen.
    pub(super) fn new(reads: &'a Reads, sink: &'a mut S) -> Self {
        Self { reads, sink }
    }

    pub(super) fn text(&mut self, name: &str, value: &str) {
        if self.sees(name) {
            self.sink.text(name, value);
        }
    }

    pub(super) fn flag(&mut self, name: &str, value: bool) {
        if self.sees(name) {
            self.sink.flag(name, value);
        }
    }

    pub(super) fn number(&mut self, name: &str, value: impl Into<i128>) {
        if self.sees(name) {
            self.sink.number(name, value.into());
        }
    }

    pub(super) fn texts<'v>(&mut self, name: &str, values: impl IntoIterator<Item = &'v str>) {
        if self.sees(name) {
            self.sink.texts(name, values.into_iter());
        }
    }

    /// A document of somebody else's, or an empty object where there is none.
    pub(super) fn json(&mut self, name: &str, value: Option<&Json>) {
        match value {
            Some(Json::Object(members)) => self.claims(name, members),
            Some(value) if self.sees(name) => self.sink.json(name, value),
            Some(_) => {}
            None => self.object(name, |_| {}),
        }
    }

    /// An object of somebody else's as text, or an empty one where there is none. Only what is seen of it is built: as
    /// values it may take many times its text.
    pub(super) fn raw(&mut self, name: &str, document: Option<&RawValue>) {
        self.object(name, |object| {
            each_member(document, &mut |name, value| {
                if object.sees(name) {
                    object.sink.raw(name, value);
                }
            });
        });
    }

    /// The claims of a token, or whatever else comes as a map of JSON.
    pub(super) fn claims(&mut self, name: &str, claims: &Map<String, Json>) {
        self.object(name, |object| {
            for (name, value) in claims.iter().filter(|(name, _)| object.reads.member(name).is_some()) {
                object.sink.json(name, value);
            }
        });
    }

    /// What `fill` tells, as the member `name`.
    pub(super) fn object(&mut self, name: &str, fill: impl FnOnce(&mut Section<'_, S>)) {
        if let Some(reads) = self.reads.member(name) {
            self.sink.open(name);
            fill(&mut Section { reads, sink: self.sink });
            self.sink.close();
        }
    }

    /// Whether the member `name` is worth the work of finding it.
    pub(super) fn sees(&self, name: &str) -> bool {
        self.reads.member(name).is_some()
    }

    /// `token.claims`, `principal` and `delegation.actors`.
    pub(super) fn caller(&mut self, principal: &Principal) {
        self.object("token", |token| token.claims("claims", principal.claims()));
        self.object("principal", |who| {
            who.text("issuer", principal.issuer().as_str());
            who.text("subject", principal.subject().as_str());
            let kind = match principal.kind() {
                PrincipalKind::User => "user",
                PrincipalKind::Workload => "workload",
            };
            who.text("kind", kind);
            who.text("client", principal.client().map_or("", |client| client.as_str()));
            who.texts("scopes", principal.scopes().iter());
            who.texts("groups", principal.groups().iter().map(String::as_str));
            who.flag("groups_complete", principal.groups_complete());
            who.text("email", principal.email().unwrap_or(""));
            let credential = match principal.credential() {
                Credential::Token { .. } => "token",
                Credential::StaticKey { .. } => "static_key",
            };
            who.text("credential", credential);
        });
        self.object("delegation", |delegation| {
            if delegation.sees("actors") {
                let actors = principal.actors().actors().iter();
                let actors =
                    actors.map(|actor| [actor.subject.as_str(), actor.issuer.as_deref().unwrap_or("")]);
                delegation.sink.pairs("actors", ["sub", "iss"], actors);
            }
        });
    }
}
