//! What a user has agreed to, so as not to be asked again.

use std::collections::BTreeSet;

use async_trait::async_trait;
use gatehouse_identity::audience::Audience;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::{ClientId, SubjectId};
use gatehouse_identity::scope::ScopeSet;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::fingerprint::Fingerprint;

/// Exactly what was on the consent page. A remembered consent answers only for an equal one: another redirect
/// host, one more scope, one more resource or a changed client document asks again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// Who agreed.
    pub user: SubjectId,
    /// The client that may act.
    pub client: ClientId,
    /// The fingerprint of the document that describes the client, when one does: a changed document asks again.
    #[serde(default)]
    pub document: Option<String>,
    /// The host that receives the code.
    pub redirect_host: String,
    /// What it may do.
    pub scopes: ScopeSet,
    /// Where it may do so.
    pub resources: BTreeSet<Audience>,
}

impl Consent {
    /// A key over everything in the consent.
    pub fn fingerprint(&self) -> Fingerprint {
        let scopes = self.scopes.to_string();
        let document = self.document.as_deref().unwrap_or_default();
        let fields = [self.user.as_str(), self.client.as_str(), document, &self.redirect_host, &scopes];
        Fingerprint::of(fields.into_iter().chain(self.resources.iter().map(Audience::as_str)))
    }
}

/// Remembered consents.
#[async_trait]
pub trait ConsentRepository: Send + Sync {
    /// Whether exactly this was agreed to and the agreement still lasts.
    async fn is_remembered(&self, consent: &Consent, now: Timestamp) -> Result<bool, StoreError>;

    /// Remembers the agreement until `expires_at`.
    async fn remember(
        &self,
        consent: &Consent,
        at: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), StoreError>;

    /// Forgets everything `user` has agreed to for `client`; returns how many agreements there were.
    async fn forget(&self, user: &SubjectId, client: &ClientId) -> Result<u64, StoreError>;

    /// What `user` has agreed to and still lasts, by client.
    async fn all_of(&self, user: &SubjectId, now: Timestamp) -> Result<Vec<Consent>, StoreError>;
}
