//! Tokens of our own for calls to upstreams: exchanged for the caller's (RFC 8693) or the gateway's own (RFC 6749
//! §4.4). The caller's token goes to the authorization server that is asked, and nowhere else.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use moka::future::Cache;
use url::Url;
use url::form_urlencoded::Serializer;

use gatehouse_audit::event::{EventKind, Exchange as TokenFacts, Outcome};
use gatehouse_config::snapshot::client::RegisteredClient;
use gatehouse_config::snapshot::outbound::{Authority, Exchange, Outbound as OutboundRule, Reach, ToolRule};
use gatehouse_identity::audience::Audience;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::ClientId;
use gatehouse_identity::scope::ScopeSet;
use gatehouse_identity::secret::Secret;
use gatehouse_identity::static_key::KeyHash;
use gatehouse_oauth::client::{GrantType, PresentedCredentials, authenticate, basic_authorization};
use gatehouse_oauth::client_credentials;
use gatehouse_oauth::exchange::{ExchangeFacts, Standing, exchange};
use gatehouse_oauth::form::Form;
use gatehouse_oauth::token_request::TokenRequest;

use crate::authn::client::ClientDirectory;
use crate::authn::resource::Caller;
use crate::authorize::{Discovery, Permit, ToolUse};
use crate::context::{Context, Verified};
use crate::issuer::{Issuance, IssueError, Party, TokenIssuer};
use crate::outbound::Outbound;
use crate::outbound::jwks::{Metadata, fetch_metadata};
use crate::rejection::{Rejection, RejectionKind};
use answer::Given;

mod answer;

/// How long before its end a token is not used for another call.
const MARGIN: Duration = Duration::from_secs(30);
/// How old a token is at least before another one is worth trying in its place.
const SETTLED: Duration = Duration::from_secs(10);
/// Most tokens held.
const HELD: u64 = 50_000;
/// Largest answer of a token endpoint.
const ANSWER_LIMIT: usize = 64 * 1024;

/// Gets outbound credentials.
pub struct Delegation {
    issuer: Option<TokenIssuer>,
    clients: ClientDirectory,
    outbound: Arc<Outbound>,
    metadata: Cache<Url, Arc<Metadata>>,
    held: Cache<Key, Arc<OutboundToken>>,
}

/// A token for an upstream.
pub struct OutboundToken {
    /// The token.
    pub token: Secret,
    /// When it ends.
    pub expires_at: Timestamp,
    /// What audit records of the calls that carry it say about it.
    facts: TokenFacts,
    /// When it was made.
    made_at: Timestamp,
    /// What it is held under, once it is.
    key: Option<Box<Key>>,
}

/// What an upstream request carries.
pub enum OutboundCredential {
    /// `Authorization: Bearer`.
    Bearer(Arc<OutboundToken>),
    /// One configured header.
    Header {
        /// Its name.
        name: String,
        /// Its value.
        value: Secret,
    },
    /// Nothing.
    None,
}

/// Everything that a held token depends on.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    subject: Option<KeyHash>,
    source: Option<std::net::IpAddr>,
    issuer: String,
    client: ClientId,
    audience: Option<String>,
    scopes: ScopeSet,
    lifetime: Option<Duration>,
    revision: String,
}

/// What is asked of an authorization server.
struct Ask<'a> {
    authority: &'a Authority,
    audience: Option<&'a Audience>,
    scopes: &'a ScopeSet,
    lifetime: Option<Duration>,
    subject: Option<&'a Caller>,
}

impl Delegation {
    /// `issuer` is our own authorization server, when this process is one.
    pub fn new(issuer: Option<TokenIssuer>, clients: ClientDirectory, outbound: Arc<Outbound>) -> Self {
        Self {
            issuer,
            clients,
            outbound,
            metadata: Cache::builder().max_capacity(1_000).time_to_live(Duration::from_secs(300)).build(),
            held: Cache::builder().max_capacity(HELD).time_to_live(Duration::from_secs(24 * 60 * 60)).build(),
        }
    }

    /// The credential for a permitted call of `tool` (bare name) under `rule`.
    pub async fn credential(
        &self,
        _permit: &Permit<ToolUse>,
        rule: &OutboundRule,
        tool: &str,
        context: &Context<Verified>,
    ) -> Result<OutboundCredential, Rejection> {
        self.credential_for(rule, Some(tool), context).await
    }

    /// The credential for asking an upstream what it offers: as for a call, without the scopes of any tool.
    pub async fn listing_credential(
        &self,
        _permit: &Permit<Discovery>,
        rule: &OutboundRule,
        context: &Context<Verified>,
    ) -> Result<OutboundCredential, Rejection> {
        self.credential_for(rule, None, context).await
    }

    /// Lets go of a token that an upstream refused before its end, perhaps because it was revoked there. Says whether
    /// asking for the credential again may give one that is accepted: not if it is configured, nor if the token was
    /// made a moment ago, so that an upstream that refuses everything does not cost a token per call.
    pub async fn forget(&self, refused: &OutboundCredential, now: Timestamp) -> bool {
        let OutboundCredential::Bearer(refused) = refused else { return false };
        let Some(key) = refused.key.as_deref() else { return false };
        let held = self.held.get(key).await;
        if held.is_some_and(|held| !Arc::ptr_eq(&held, refused)) {
            return true;
        }
        let settled = refused.made_at.plus(SETTLED) <= now;
        if settled {
            self.held.invalidate(key).await;
        }
        settled
    }

    async fn credential_for(
        &self,
        rule: &OutboundRule,
        tool: Option<&str>,
        context: &Context<Verified>,
    ) -> Result<OutboundCredential, Rejection> {
        match rule {
            OutboundRule::Unprotected => Ok(OutboundCredential::None),
            OutboundRule::Static { header, value } => {
                Ok(OutboundCredential::Header { name: header.clone(), value: value.clone() })
            }
            OutboundRule::TokenExchange(exchange) => {
                let ask = ask_for_tool(exchange, tool, context);
                self.token(&ask, context).await.map(OutboundCredential::Bearer)
            }
            OutboundRule::ClientCredentials { authority, audience, scopes } => {
                let ask =
                    Ask { authority, audience: audience.as_ref(), scopes, lifetime: None, subject: None };
                self.token(&ask, context).await.map(OutboundCredential::Bearer)
            }
        }
    }

    /// A held token that lasts long enough, or a fresh one. Callers who want the same token wait for one request.
    async fn token(
        &self,
        ask: &Ask<'_>,
        context: &Context<Verified>,
    ) -> Result<Arc<OutboundToken>, Rejection> {
        let subject = match ask.subject {
            None => None,
            Some(caller) => Some(caller.token.as_ref().ok_or_else(no_token)?),
        };
        let key = Key {
            subject: subject.map(|token| KeyHash::of(token.text.expose())),
            source: subject.map(|_| context.source.ip),
            issuer: ask.authority.issuer.as_str().to_owned(),
            client: ask.authority.client_id.clone(),
            audience: ask.audience.map(ToString::to_string),
            scopes: ask.scopes.clone(),
            lifetime: ask.lifetime,
            revision: context.snapshot.revision.clone(),
        };
        if let Some(held) = self.held.get(&key).await {
            if held.expires_at > context.now.plus(MARGIN) {
                context.note(|event| event.with_exchange(held.facts.clone()));
                return Ok(held);
            }
            self.held.invalidate(&key).await;
        }
        let fresh = self.held.try_get_with(key.clone(), async {
            let fresh = self.fresh(ask, context).await?;
            Ok(Arc::new(OutboundToken { key: Some(Box::new(key.clone())), ..fresh }))
        });
        let fresh = fresh.await;
        let token = fresh.map_err(|shared: Arc<Rejection>| Rejection::clone(&shared))?;
        if token.expires_at <= context.now.plus(MARGIN) {
            self.held.invalidate(&key).await;
        }
        context.note(|event| event.with_exchange(token.facts.clone()));
        Ok(token)
    }

    async fn fresh(&self, ask: &Ask<'_>, context: &Context<Verified>) -> Result<OutboundToken, Rejection> {
        match &ask.authority.reach {
            Reach::Local => self.mint(ask, context).await,
            Reach::Remote { discovery, client_secret, tls } => {
                let fetcher = &self.outbound.egress(tls.as_ref()).fetcher;
                let metadata = self.metadata.try_get_with(discovery.url.clone(), async {
                    fetch_metadata(fetcher, &ask.authority.issuer, discovery).await.map(Arc::new)
                });
                let metadata = metadata
                    .await
                    .map_err(|error| Rejection::unavailable("exchange_unavailable", error.to_string()))?;
                let endpoint = metadata.token_endpoint.as_deref().and_then(|url| Url::parse(url).ok());
                let endpoint = endpoint
                    .ok_or_else(|| Rejection::unavailable("exchange_unavailable", "no token_endpoint"))?;
                let trust = crate::outbound::fetch::Trust::configured(discovery);
                let authorization = basic(&ask.authority.client_id, client_secret)?;
                let form = ask.form(None);
                let answer =
                    fetcher.post_form(&endpoint, &trust, form, Some(authorization), ANSWER_LIMIT).await;
                let (status, body) = answer
                    .map_err(|error| Rejection::unavailable("exchange_unavailable", error.to_string()))?;
                let answer = Given::read(status, &body)?;
                Ok(ask.answered(answer, context.now))
            }
        }
    }

    /// Our own authorization server is asked without a request, but with the same words and the same checks, and it
    /// leaves the same record: durable before the token is used.
    async fn mint(&self, ask: &Ask<'_>, context: &Context<Verified>) -> Result<OutboundToken, Rejection> {
        let kind = if ask.subject.is_some() { EventKind::TokenExchange } else { EventKind::TokenIssue };
        let row = context.beside(kind);
        if let Some(row) = &row {
            row.note(|event| event.with_principal(&context.who.caller().principal));
        }
        let minted = self.mint_recorded(ask, &Context { audit: row.clone(), ..context.clone() }).await;
        if let (Err(rejection), Some(row)) = (&minted, &row) {
            let outcome = if rejection.kind.is_failure() { Outcome::Error } else { Outcome::Deny };
            row.conclude(outcome, rejection.reason);
        }
        match row {
            Some(row) => row.commit().await.and(minted),
            None => minted,
        }
    }

    async fn mint_recorded(
        &self,
        ask: &Ask<'_>,
        context: &Context<Verified>,
    ) -> Result<OutboundToken, Rejection> {
        let nothing = || Rejection::internal("no_authorization_server", "this process issues no tokens");
        let issuer = self.issuer.as_ref().ok_or_else(nothing)?;
        let server = context.snapshot.authorization_server.as_ref().ok_or_else(nothing)?;
        let client = self.clients.find(&ask.authority.client_id, context).await?;
        let secret =
            client.client.secrets.first().ok_or_else(|| refused("the exchanging client has no secret"))?;
        let form = Form::parse(ask.form(Some((&client.client.id, secret))).as_bytes()).map_err(refusal)?;
        let presented = PresentedCredentials::read(None, &form).map_err(refusal)?;
        let requester = authenticate(&client.client, &presented).map_err(refusal)?;
        let request = TokenRequest::parse(&form).map_err(refusal)?;
        request.check_allowed(&requester).map_err(refusal)?;
        let subject = ask.subject.and_then(|caller| caller.token.as_ref());
        let issued = match (&request, subject) {
            (TokenRequest::TokenExchange(request), Some(subject)) => {
                let subject_client = self.subject_client(subject.verified.claims(), context).await;
                let revoked = issuer.revocations().covers(subject.verified.claims());
                let facts = ExchangeFacts {
                    requester,
                    subject: &subject.verified,
                    subject_client: subject_client.as_deref().map(|known| &known.client),
                    standing: if revoked { Standing::Revoked } else { Standing::Good },
                    actor: None,
                    issuer: issuer.issuer(),
                    resources: &server.resources,
                    now: context.now,
                };
                let result = exchange(request, &facts).map_err(refusal)?;
                let claims = subject.verified.claims();
                let party = Party::Exchanged { result: &result, subject_token: claims, actor_token: None };
                let issuance = Issuance {
                    client: &client,
                    assurance: requester.assurance(),
                    grant_type: GrantType::TokenExchange,
                    party,
                    scopes: &result.scopes,
                    audiences: &result.audiences,
                    resources: &[],
                    lifetime: result.lifetime,
                    grant: result.grant.as_ref(),
                    nonce: None,
                };
                issuer.issue(&issuance, context).await
            }
            (TokenRequest::ClientCredentials(request), None) => {
                let result =
                    client_credentials::grant(request, &requester, &server.resources, &server.scopes)
                        .map_err(refusal)?;
                let missing = ask.scopes.difference(&result.scopes);
                if !missing.is_empty() {
                    return Err(refused(format!("the client may not have for itself: {missing}")));
                }
                let issuance = Issuance {
                    client: &client,
                    assurance: requester.assurance(),
                    grant_type: GrantType::ClientCredentials,
                    party: Party::Client,
                    scopes: &result.scopes,
                    audiences: &result.audiences,
                    resources: &[],
                    lifetime: result.lifetime,
                    grant: None,
                    nonce: None,
                };
                issuer.issue(&issuance, context).await
            }
            _ => return Err(Rejection::internal("delegation_mismatch", "the form is for another grant")),
        };
        let issued = issued.map_err(IssueError::into_rejection)?;
        let expires_at = context.now.plus(issued.lifetime);
        let (token, facts) = (Secret::new(issued.access_token), issued.facts);
        Ok(OutboundToken { token, expires_at, facts, made_at: context.now, key: None })
    }

    async fn subject_client(
        &self,
        claims: &serde_json::Map<String, serde_json::Value>,
        context: &Context<Verified>,
    ) -> Option<Arc<RegisteredClient>> {
        let id = claims.get("client_id").and_then(serde_json::Value::as_str)?;
        self.clients.find(&ClientId::new(id), context).await.ok()
    }
}

fn ask_for_tool<'a>(exchange: &'a Exchange, tool: Option<&str>, context: &'a Context<Verified>) -> Ask<'a> {
    const NO_SCOPES: &ScopeSet = &ScopeSet::none();
    let rule: Option<&ToolRule> = tool.and_then(|tool| exchange.tools.get(tool));
    Ask {
        authority: &exchange.authority,
        audience: exchange.audience.as_ref(),
        scopes: rule.map_or(NO_SCOPES, |rule| &rule.scopes),
        lifetime: rule.and_then(|rule| rule.lifetime),
        subject: Some(context.who.caller()),
    }
}

impl Ask<'_> {
    /// The token request (RFC 8693 §2.1 or RFC 6749 §4.4.2), with the client's secret when it does not travel in a
    /// header.
    fn form(&self, client: Option<(&ClientId, &Secret)>) -> String {
        let mut form = Serializer::new(String::new());
        if let Some((id, secret)) = client {
            form.append_pair("client_id", id.as_str()).append_pair("client_secret", secret.expose());
        }
        match self.subject.and_then(|caller| caller.token.as_ref()) {
            Some(subject) => {
                form.append_pair("grant_type", GrantType::TokenExchange.as_str())
                    .append_pair("subject_token", subject.text.expose())
                    .append_pair("subject_token_type", "urn:ietf:params:oauth:token-type:access_token");
            }
            None => {
                form.append_pair("grant_type", GrantType::ClientCredentials.as_str());
            }
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

    /// A token as another authorization server gave it; what it contains is between that server and the upstream,
    /// except for its id, under which the audit trail of that server has it.
    fn answered(&self, answer: Given, now: Timestamp) -> OutboundToken {
        let expires_at = now.plus(answer.lifetime);
        let grant =
            if self.subject.is_some() { GrantType::TokenExchange } else { GrantType::ClientCredentials };
        let asked = (!self.scopes.is_empty()).then(|| self.scopes.to_string());
        let facts = TokenFacts {
            grant_type: Some(grant.as_str().to_owned()),
            issued: answer.token_id(),
            audiences: self.audience.iter().map(ToString::to_string).collect(),
            scope: answer.scope.or(asked),
            expires_at: Some(expires_at),
            ..TokenFacts::default()
        };
        OutboundToken { token: answer.token, expires_at, facts, made_at: now, key: None }
    }
}

fn basic(client: &ClientId, secret: &Secret) -> Result<HeaderValue, Rejection> {
    HeaderValue::from_str(basic_authorization(client.as_str(), secret).expose())
        .map_err(|error| Rejection::internal("exchange_credential_unusable", error.to_string()))
}

fn no_token() -> Rejection {
    Rejection::new(
        RejectionKind::Forbidden,
        "delegation_needs_token",
        "This tool acts on behalf of a user: sign in instead of using a static key.",
    )
}

fn refusal(error: impl std::fmt::Display) -> Rejection {
    refused(error.to_string())
}

fn refused(why: impl Into<String>) -> Rejection {
    Rejection::new(
        RejectionKind::Forbidden,
        "exchange_refused",
        "No token for this tool could be obtained for you.",
    )
    .because(why)
}
