//! What is asked of an authorization server, and what the answer depends on.

use std::time::Duration;

use url::form_urlencoded::Serializer;

use gatehouse_config::snapshot::discovery::Discovery;
use gatehouse_config::snapshot::outbound::{Authority, Exchange, Reach, ToolRule};
use gatehouse_identity::audience::Audience;
use gatehouse_identity::id::ClientId;
use gatehouse_identity::scope::ScopeSet;
use gatehouse_identity::secret::Secret;
use gatehouse_identity::static_key::KeyHash;
use gatehouse_oauth::client::GrantType;

use crate::authn::resource::{BearerToken, Caller};
use crate::context::{Context, Verified};
use crate::rejection::{Rejection, RejectionKind};

/// What is asked of an authorization server.
pub(super) struct Ask<'a> {
    pub(super) authority: &'a Authority,
    pub(super) audience: Option<&'a Audience>,
    pub(super) scopes: &'a ScopeSet,
    pub(super) lifetime: Option<Duration>,
    /// Whose token is exchanged; without one the gateway asks for itself.
    pub(super) subject: Option<&'a BearerToken>,
}

/// Everything that the answer depends on. What our own authorization server decides by the request itself (its headers,
/// path, address and time) is not in it: that decision is made again for every request that would use the token.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    subject: Option<KeyHash>,
    issuer: String,
    /// Where a server abroad is found and how it is recognised.
    abroad: Option<(Discovery, Option<String>)>,
    client: ClientId,
    audience: Option<String>,
    scopes: ScopeSet,
    lifetime: Option<Duration>,
    revision: String,
}

impl<'a> Ask<'a> {
    /// The exchange of the caller's token for a call of `tool`, or for a question that is about no tool.
    pub(super) fn for_tool(
        exchange: &'a Exchange,
        tool: Option<&str>,
        caller: &'a Caller,
    ) -> Result<Self, Rejection> {
        const NO_SCOPES: &ScopeSet = &ScopeSet::none();
        let rule: Option<&ToolRule> = tool.and_then(|tool| exchange.tools.get(tool));
        Ok(Self {
            authority: &exchange.authority,
            audience: exchange.audience.as_ref(),
            scopes: rule.map_or(NO_SCOPES, |rule| &rule.scopes),
            lifetime: rule.and_then(|rule| rule.lifetime),
            subject: Some(caller.token.as_deref().ok_or_else(no_token)?),
        })
    }

    /// What a held answer is found by.
    pub(super) fn key(&self, context: &Context<Verified>) -> Key {
        let abroad = match &self.authority.reach {
            Reach::Local => None,
            Reach::Remote { discovery, tls, .. } => {
                Some((discovery.clone(), tls.as_ref().map(|profile| profile.name.clone())))
            }
        };
        Key {
            subject: self.subject.map(|token| token.hash),
            issuer: self.authority.issuer.as_configured().as_str().to_owned(),
            abroad,
            client: self.authority.client_id.clone(),
            audience: self.audience.map(ToString::to_string),
            scopes: self.scopes.clone(),
            lifetime: self.lifetime,
            revision: context.snapshot.revision.clone(),
        }
    }

    /// The grant that is used.
    pub(super) fn grant_type(&self) -> GrantType {
        if self.subject.is_some() { GrantType::TokenExchange } else { GrantType::ClientCredentials }
    }

    /// The token request (RFC 8693 §2.1 or RFC 6749 §4.4.2), with the client's secret when it does not travel in a
    /// header.
    pub(super) fn form(&self, client: Option<(&ClientId, &Secret)>) -> String {
        let mut form = Serializer::new(String::new());
        if let Some((id, secret)) = client {
            form.append_pair("client_id", id.as_str()).append_pair("client_secret", secret.expose());
        }
        form.append_pair("grant_type", self.grant_type().as_str());
        if let Some(subject) = self.subject {
            form.append_pair("subject_token", subject.text.expose())
                .append_pair("subject_token_type", "urn:ietf:params:oauth:token-type:access_token");
        }
        if let Some(audience) = self.audience {
            form.append_pair("audience", audience.as_str());
        }
        if !self.scopes.is_empty() {
            form.append_pair("scope", &self.scopes.to_string());
        }
        if let Some(lifetime) = self.lifetime {
            form.append_pair("expires_in", &lifetime.as_secs().to_string());
        }
        form.finish()
    }
}

fn no_token() -> Rejection {
    Rejection::new(
        RejectionKind::Forbidden,
        "delegation_needs_token",
        "This tool acts on behalf of a user: sign in instead of using a static key.",
    )
}
