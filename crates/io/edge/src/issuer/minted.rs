//! What the policies of a client agreed to, so that they can be asked again for another request that would use the token.

use serde_json::{Map, Value};

use gatehouse_config::snapshot::client::RegisteredClient;
use gatehouse_identity::assurance::Assurance;
use gatehouse_identity::id::SubjectId;
use gatehouse_identity::scope::ScopeSet;
use gatehouse_oauth::client::GrantType;
use gatehouse_policy::input::{TokenMinting, User};

use super::{Issuance, TokenSubject, client_facts};
use crate::authorize::{Facts, Slices, may_see};
use crate::context::Context;

/// A token about which policies were asked: everything that they were told, except the request that it was minted for
/// and the tokens that were presented.
pub struct Minted {
    assurance: Assurance,
    grant_type: GrantType,
    scopes: ScopeSet,
    audiences: Vec<String>,
    resources: Vec<String>,
    subject: Option<SubjectId>,
    claims: Map<String, Value>,
}

impl Minted {
    /// What is told of `issuance`, whose access token says `claims`; `None` when nobody is asked.
    pub(super) fn of(issuance: &Issuance<'_>, claims: &Map<String, Value>) -> Option<Self> {
        if issuance.client.access_token_policies.is_empty() {
            return None;
        }
        let subject = match issuance.subject {
            TokenSubject::Exchanged { result, .. } => Some(result.subject.clone()),
            TokenSubject::Client => None,
            // Whoever signs in gets a token for themselves: nobody keeps it for other requests.
            TokenSubject::User(_) => return None,
        };
        Some(Self {
            assurance: issuance.assurance,
            grant_type: issuance.grant_type,
            scopes: issuance.scopes.clone(),
            audiences: issuance.audiences.iter().map(ToString::to_string).collect(),
            resources: issuance.resources.to_vec(),
            subject,
            claims: claims.clone(),
        })
    }

    /// About how many bytes it takes: values of JSON take several times what they are written with.
    pub(crate) fn weight(&self) -> usize {
        const PER_BYTE: usize = 4;
        let claims: usize = self.claims.iter().map(|(name, value)| name.len() + written(value)).sum();
        claims.saturating_mul(PER_BYTE)
    }

    /// Whether the policies of `client` agree that the request of `context` has the token, given for `subject_token`.
    pub(crate) async fn is_permitted<Who>(
        &self,
        client: &RegisteredClient,
        subject_token: Option<&Map<String, Value>>,
        context: &Context<Who>,
    ) -> bool {
        let facts = Facts::Token(TokenMinting {
            client: client_facts(&client.client, self.assurance),
            grant_type: self.grant_type.as_str(),
            scopes: &self.scopes,
            audiences: &self.audiences,
            resources: &self.resources,
            subject_token,
            actor_token: None,
            refresh_shared_with: None,
            token: &self.claims,
        });
        let user = self.subject.as_ref().zip(subject_token);
        let user = user.map(|(subject, claims)| User::of_token(subject.as_str(), claims));
        may_see(&facts, &client.access_token_policies, context, user, &mut Slices::begin()).await.is_ok()
    }
}

/// How long a value is when it is written, without writing it.
fn written(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(written).sum::<usize>() + 2,
        Value::Object(members) => {
            members.iter().map(|(name, value)| name.len() + written(value)).sum::<usize>() + 2
        }
    }
}
