//! What is asked of an authorization server, and what the answer depends on.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use equivalent::Equivalent;
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
pub(super) struct TokenNeed<'a> {
    pub(super) authority: &'a Authority,
    pub(super) audience: Option<&'a Audience>,
    pub(super) scopes: &'a ScopeSet,
    pub(super) lifetime: Option<Duration>,
    /// Whose token is exchanged; without one the gateway asks for itself.
    pub(super) subject: Option<&'a BearerToken>,
}

/// Everything that the answer depends on. What our own authorization server decides by the request itself (its headers,
/// path, address and time) is not in it: that decision is made again for every request that would use the token.
#[derive(Clone)]
pub(super) struct Key {
    subject: Option<KeyHash>,
    issuer: String,
    abroad: Option<(Discovery, Option<String>)>,
    client: ClientId,
    audience: Option<String>,
    scopes: ScopeSet,
    lifetime: Option<Duration>,
    revision: String,
}

/// A key as a request has it, so that looking a token up copies nothing.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct KeyRef<'a> {
    subject: Option<KeyHash>,
    issuer: &'a str,
    /// Where a server abroad is found and how it is recognised.
    abroad: Option<(&'a Discovery, Option<&'a str>)>,
    client: &'a ClientId,
    audience: Option<&'a str>,
    scopes: &'a ScopeSet,
    lifetime: Option<Duration>,
    revision: &'a str,
}

impl Key {
    fn borrowed(&self) -> KeyRef<'_> {
        KeyRef {
            subject: self.subject,
            issuer: &self.issuer,
            abroad: self.abroad.as_ref().map(|(discovery, profile)| (discovery, profile.as_deref())),
            client: &self.client,
            audience: self.audience.as_deref(),
            scopes: &self.scopes,
            lifetime: self.lifetime,
            revision: &self.revision,
        }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.borrowed() == other.borrowed()
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.borrowed().hash(state);
    }
}

impl KeyRef<'_> {
    /// The key that a token is held under.
    pub(super) fn to_key(&self) -> Key {
        Key {
            subject: self.subject,
            issuer: self.issuer.to_owned(),
            abroad: self.abroad.map(|(discovery, profile)| (discovery.clone(), profile.map(str::to_owned))),
            client: self.client.clone(),
            audience: self.audience.map(str::to_owned),
            scopes: self.scopes.clone(),
            lifetime: self.lifetime,
            revision: self.revision.to_owned(),
        }
    }
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        *self == key.borrowed()
    }
}

impl<'a> TokenNeed<'a> {
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
    pub(super) fn key(&self, context: &'a Context<Verified>) -> KeyRef<'a> {
        let abroad = match &self.authority.reach {
            Reach::Local => None,
            Reach::Remote { discovery, tls, .. } => {
                Some((discovery, tls.as_ref().map(|profile| profile.name.as_str())))
            }
        };
        KeyRef {
            subject: self.subject.map(|token| token.hash),
            issuer: self.authority.issuer.as_configured().as_str(),
            abroad,
            client: &self.authority.client_id,
            audience: self.audience.map(Audience::as_str),
            scopes: self.scopes,
            lifetime: self.lifetime,
            revision: &context.snapshot.revision,
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
