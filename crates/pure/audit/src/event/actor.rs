//! Who it was.

use std::sync::Arc;

use gatehouse_identity::assurance::Assurance;
use gatehouse_identity::delegation::DelegationChain;
use gatehouse_identity::id::{ClientId, GrantId, Issuer, SubjectId};
use gatehouse_identity::principal::{Attribution, Credential, CredentialState, PrincipalKind};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::facts::{bounded, prefix};

/// How a client became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientKind {
    /// It stands in the configuration.
    Registered,
    /// Its id is the URL of its metadata document.
    MetadataDocument,
    /// It registered itself.
    Dynamic,
    /// It is not known at all: the request that names it was refused.
    Unknown,
}

/// The parties behind a request; every member only as far as it is known.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Actor {
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Groups::is_empty")]
    groups: Groups,
    /// That the list above lacks some, because there are too many for a record or for their issuer.
    #[serde(skip_serializing_if = "Option::is_none")]
    groups_incomplete: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed_user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connector: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assurance: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<DelegationChain>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential_expired: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    amr: Vec<String>,
    #[serde(skip)]
    known: bool,
    #[serde(skip)]
    proven: bool,
}

/// The most groups that a record lists: as many as Entra ID puts into a token.
const MOST_GROUPS: usize = 200;

/// Group names, of which a record lists the first ones. They are shared: a call does not copy them.
#[derive(Clone, Debug, Default)]
struct Groups(Arc<[String]>);

impl Groups {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Groups {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().take(MOST_GROUPS).map(|group| prefix(group)))
    }
}

impl Actor {
    pub(super) fn is_empty(&self) -> bool {
        !self.known
    }

    /// Whether anybody has proven who they are: a user, or a client with more than its name.
    pub(super) fn is_proven(&self) -> bool {
        self.proven
    }

    pub(super) fn set_party(&mut self, principal: Attribution<'_>) {
        let proven = self.proven;
        self.set_subject(principal.issuer(), principal.subject());
        if principal.credential_is() != CredentialState::Good {
            // It is known whose credential it was, not who sent it: refusals of it are counted like those of strangers.
            self.proven = proven;
        }
        self.credential_expired = (principal.credential_is() == CredentialState::Expired).then_some(true);
        self.kind = Some(match principal.kind() {
            PrincipalKind::User => "user",
            PrincipalKind::Workload => "workload",
        });
        self.email = principal.email().map(bounded);
        self.groups = Groups(Arc::clone(principal.groups()));
        let whole = principal.groups_complete() && self.groups.0.len() <= MOST_GROUPS;
        self.groups_incomplete = (!whole).then_some(true);
        if let Some(client) = principal.client() {
            self.client_id = Some(bounded(client.as_str()));
        }
        self.act = Some(principal.actors()).filter(|chain| !chain.actors().is_empty()).cloned();
        match principal.credential() {
            Credential::Token { id, .. } => {
                self.credential = Some("token");
                self.jti = id.as_ref().map(|id| bounded(id.as_str()));
            }
            Credential::StaticKey { name } => {
                self.credential = Some("static_key");
                self.key = Some(bounded(name));
            }
        }
        let claims = principal.claims();
        self.auth_time = claims.get("auth_time").and_then(Value::as_i64);
        self.acr = claims.get("acr").and_then(Value::as_str).map(bounded);
        if let Some(Value::Array(methods)) = claims.get("amr") {
            self.amr = methods.iter().filter_map(Value::as_str).take(16).map(bounded).collect();
        }
    }

    pub(super) fn set_subject(&mut self, issuer: &Issuer, subject: &SubjectId) {
        self.known = true;
        self.proven = true;
        self.iss = Some(bounded(issuer.as_str()));
        self.sub = Some(bounded(subject.as_str()));
    }

    pub(super) fn set_user(&mut self, user: &SubjectId) {
        self.known = true;
        self.user = Some(bounded(user.as_str()));
    }

    pub(super) fn set_grant(&mut self, grant: &GrantId) {
        self.known = true;
        self.grant = Some(bounded(grant.as_str()));
    }

    pub(super) fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }

    pub(super) fn user(&self) -> Option<&str> {
        self.user.as_deref().or(self.sub.as_deref())
    }

    pub(super) fn grant(&self) -> Option<&str> {
        self.grant.as_deref()
    }

    pub(super) fn set_claimed_user(&mut self, username: &str) {
        self.known = true;
        self.claimed_user = Some(bounded(username));
    }

    pub(super) fn set_client(&mut self, id: &ClientId, kind: ClientKind, assurance: Option<Assurance>) {
        self.known = true;
        self.client_id = Some(bounded(id.as_str()));
        self.client_kind = Some(kind.code());
        self.proven |= assurance.is_some_and(|assurance| assurance >= Assurance::Secret);
        self.assurance = assurance.map(Assurance::as_str);
    }

    pub(super) fn set_connector(&mut self, connector: &str) {
        self.known = true;
        self.connector = Some(bounded(connector));
    }
}

impl ClientKind {
    /// The value as it stands in a record.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::MetadataDocument => "metadata_document",
            Self::Dynamic => "dynamic",
            Self::Unknown => "unknown",
        }
    }
}

impl Serialize for ClientKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}
