//! Tokens of our own authorization server, minted in the process.

use serde_json::{Map, Value};

use gatehouse_audit::event::{EventKind, Outcome};
use gatehouse_config::snapshot::client::RegisteredClient;
use gatehouse_config::snapshot::outbound::Reach;
use gatehouse_identity::id::ClientId;
use gatehouse_identity::secret::Secret;
use gatehouse_oauth::client::{GrantType, PresentedCredentials, authenticate};
use gatehouse_oauth::client_credentials;
use gatehouse_oauth::exchange::{ExchangeFacts, exchange};
use gatehouse_oauth::form::Form;
use gatehouse_oauth::token_request::TokenRequest;

use super::token_need::TokenNeed;
use super::{Delegation, OutboundToken, refusal, refused};
use crate::context::{Context, Verified, of_party};
use crate::issuer::{Issuance, IssueError, TokenSubject, standing};
use crate::rejection::Rejection;

impl Delegation {
    /// Whether what a token for `ask` would stand on is good now, held or not: the caller's token, and the client in
    /// whose name the gateway asks ourselves.
    pub(super) fn check_standing(
        &self,
        ask: &TokenNeed<'_>,
        context: &Context<Verified>,
    ) -> Result<(), Rejection> {
        let Some(issuer) = &self.issuer else { return Ok(()) };
        if let Some(subject) = ask.subject {
            let claims = subject.verified.claims();
            standing::check_bearer(standing::of_token(claims, &context.snapshot, issuer.revocations()))?;
        }
        match ask.authority.reach {
            Reach::Local => registered(ask, context).map(drop),
            Reach::Remote { .. } => Ok(()),
        }
    }

    /// Whether `held` was taken back here since.
    pub(super) fn is_revoked(&self, held: &OutboundToken) -> bool {
        let token = held.facts.issued.as_ref();
        self.issuer.as_ref().zip(token).is_some_and(|(issuer, token)| issuer.revocations().is_revoked(token))
    }

    /// Our own authorization server is asked without a request, but with the same words and the same checks, and it
    /// leaves the same record: durable before the token is used.
    pub(super) async fn mint(
        &self,
        ask: &TokenNeed<'_>,
        context: &Context<Verified>,
    ) -> Result<OutboundToken, Rejection> {
        let kind = if ask.subject.is_some() { EventKind::TokenExchange } else { EventKind::TokenIssue };
        let row = context.beside(kind);
        if let Some(row) = &row {
            row.note(|event| of_party(event, context.who.caller().principal.attribution()));
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
        ask: &TokenNeed<'_>,
        context: &Context<Verified>,
    ) -> Result<OutboundToken, Rejection> {
        let issuer = self.issuer.as_ref().ok_or_else(nothing)?;
        let server = context.snapshot.authorization_server.as_ref().ok_or_else(nothing)?;
        let client = registered(ask, context)?;
        let secret =
            client.client.secrets.first().ok_or_else(|| refused("the exchanging client has no secret"))?;
        let form = Form::parse(ask.form(Some((&client.client.id, secret))).as_bytes()).map_err(refusal)?;
        let presented = PresentedCredentials::read(None, &form).map_err(refusal)?;
        let requester = authenticate(&client.client, &presented).map_err(refusal)?;
        let request = TokenRequest::parse(&form).map_err(refusal)?;
        request.check_allowed(&requester).map_err(refusal)?;
        let issued = match (&request, ask.subject) {
            (TokenRequest::TokenExchange(request), Some(subject)) => {
                let claims = subject.verified.claims();
                let subject_client = self.subject_client(claims, context).await;
                let facts = ExchangeFacts {
                    requester,
                    subject: &subject.verified,
                    subject_client: subject_client.as_deref().map(|known| &known.client),
                    standing: standing::of_token(claims, &context.snapshot, issuer.revocations()),
                    actor: None,
                    issuer: issuer.issuer(),
                    resources: &server.resources,
                    now: context.now,
                };
                let result = exchange(request, &facts).map_err(refusal)?;
                let subject =
                    TokenSubject::Exchanged { result: &result, subject_token: claims, actor_token: None };
                let issuance = Issuance {
                    client,
                    assurance: requester.assurance(),
                    grant_type: GrantType::TokenExchange,
                    subject,
                    scopes: &result.scopes,
                    audiences: &result.audiences,
                    resources: &[],
                    lifetime: result.lifetime,
                    grant: result.grant.as_ref(),
                    generation: None,
                    refresh_shared_with: None,
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
                    client,
                    assurance: requester.assurance(),
                    grant_type: GrantType::ClientCredentials,
                    subject: TokenSubject::Client,
                    scopes: &result.scopes,
                    audiences: &result.audiences,
                    resources: &[],
                    lifetime: result.lifetime,
                    grant: None,
                    generation: None,
                    refresh_shared_with: None,
                    nonce: None,
                };
                issuer.issue(&issuance, context).await
            }
            _ => return Err(Rejection::internal("delegation_mismatch", "the form is for another grant")),
        };
        let issued = issued.map_err(IssueError::into_rejection)?;
        let expires_at = context.now.plus(issued.lifetime);
        let token = Secret::new(issued.access_token);
        Ok(OutboundToken::new(token, expires_at, issued.facts, context.now).with_decision(issued.minted))
    }

    async fn subject_client(
        &self,
        claims: &Map<String, Value>,
        context: &Context<Verified>,
    ) -> Option<std::sync::Arc<RegisteredClient>> {
        let id = claims.get("client_id").and_then(Value::as_str)?;
        self.clients.find(&ClientId::new(id), context).await.ok()
    }
}

impl OutboundToken {
    /// Whether the request of `context` would be given the token as well. Of one that we minted ourselves, everything
    /// else is in its key; what the policies read in the request is asked of them again.
    pub(super) async fn is_for(&self, ask: &TokenNeed<'_>, context: &Context<Verified>) -> bool {
        let Some(minted) = &self.minted else { return true };
        let subject = ask.subject.map(|token| token.verified.claims());
        match registered(ask, context) {
            Ok(client) => minted.is_permitted(client, subject, context).await,
            Err(_) => false,
        }
    }
}

/// The client in whose name the gateway asks: it has a secret, so it is a registered one.
fn registered<'a>(
    ask: &TokenNeed<'_>,
    context: &'a Context<Verified>,
) -> Result<&'a RegisteredClient, Rejection> {
    let server = context.snapshot.authorization_server.as_ref().ok_or_else(nothing)?;
    let client = server.clients.get(&ask.authority.client_id);
    client.map(AsRef::as_ref).ok_or_else(|| refused("the exchanging client is not configured"))
}

fn nothing() -> Rejection {
    Rejection::internal("no_authorization_server", "this process issues no tokens")
}
