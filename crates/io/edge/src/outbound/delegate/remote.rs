//! Tokens of other authorization servers, asked for over HTTP.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use moka::future::Cache;
use url::Url;

use gatehouse_audit::event::Exchange as TokenFacts;
use gatehouse_config::snapshot::discovery::Discovery;
use gatehouse_config::snapshot::tls::TlsProfile;
use gatehouse_identity::id::ClientId;
use gatehouse_identity::issuer::ExpectedIssuer;
use gatehouse_identity::secret::Secret;
use gatehouse_oauth::client::basic_authorization;

use super::OutboundToken;
use super::token_need::TokenNeed;
use super::token_reply::TokenReply;
use super::token_reply::checks::Expected;
use crate::context::{Context, Verified};
use crate::outbound::Outbound;
use crate::outbound::fetch::Trust;
use crate::outbound::jwks::{Metadata, fetch_metadata};
use crate::rejection::Rejection;

/// Largest answer of a token endpoint.
const ANSWER_LIMIT: usize = 64 * 1024;
/// How long metadata is kept.
const METADATA_KEPT: Duration = Duration::from_secs(300);
/// The most documents that are kept.
const MOST_METADATA: u64 = 1_000;

/// What is known of other authorization servers.
pub(super) struct Servers {
    outbound: Arc<Outbound>,
    metadata: Cache<Found, Arc<Metadata>>,
}

/// One of them, as it is configured.
pub(super) struct Server<'a> {
    pub(super) discovery: &'a Discovery,
    pub(super) client_secret: &'a Secret,
    pub(super) tls: Option<&'a Arc<TlsProfile>>,
}

/// Everything that a metadata document is accepted by: whom it must name, where it is and whom it may name, and which
/// certificates count.
type Found = (ExpectedIssuer, Discovery, Option<String>);

impl Servers {
    pub(super) fn new(outbound: Arc<Outbound>) -> Self {
        let metadata = Cache::builder().max_capacity(MOST_METADATA).time_to_live(METADATA_KEPT).build();
        Self { outbound, metadata }
    }

    /// Asks `server` for a token.
    pub(super) async fn ask(
        &self,
        server: &Server<'_>,
        ask: &TokenNeed<'_>,
        context: &Context<Verified>,
    ) -> Result<OutboundToken, Rejection> {
        let unavailable = |why: String| Rejection::unavailable("exchange_unavailable", why);
        let metadata = self
            .metadata(&ask.authority.issuer, server)
            .await
            .map_err(|error| unavailable(error.to_string()))?;
        let endpoint = metadata.token_endpoint.as_deref().and_then(|url| Url::parse(url).ok());
        let endpoint = endpoint.ok_or_else(|| unavailable("no token_endpoint".to_owned()))?;
        let authorization = basic(&ask.authority.client_id, server.client_secret)?;
        let fetcher = &self.outbound.egress(server.tls).fetcher;
        let trust = Trust::configured(server.discovery);
        let answer =
            fetcher.post_form(&endpoint, &trust, ask.form(None), Some(authorization), ANSWER_LIMIT).await;
        let (status, body) = answer.map_err(|error| unavailable(error.to_string()))?;
        let own = context.snapshot.authorization_server.as_ref();
        let expected = Expected {
            subject: ask.subject,
            caller: context.who.caller().token.as_deref(),
            client: &ask.authority.client_id,
            own_issuer: own.map(|server| &server.issuer),
            audience: ask.audience,
            lifetime: ask.lifetime,
            now: context.now,
        };
        let given = TokenReply::read(status, &body, &expected)?;
        Ok(taken(given, ask, context))
    }

    async fn metadata(
        &self,
        issuer: &ExpectedIssuer,
        server: &Server<'_>,
    ) -> Result<Arc<Metadata>, Arc<crate::outbound::jwks::PublishedError>> {
        let found =
            (issuer.clone(), server.discovery.clone(), server.tls.map(|profile| profile.name.clone()));
        let fetcher = &self.outbound.egress(server.tls).fetcher;
        let fetching = async { fetch_metadata(fetcher, issuer, server.discovery).await.map(Arc::new) };
        self.metadata.try_get_with(found, fetching).await
    }
}

/// A token as another authorization server gave it. What it contains is between that server and the upstream, except
/// for what shows that it is not what was asked for, and its id, under which the audit trail of that server has it.
fn taken(given: TokenReply, ask: &TokenNeed<'_>, context: &Context<Verified>) -> OutboundToken {
    let asked = (!ask.scopes.is_empty()).then(|| ask.scopes.to_string());
    let facts = TokenFacts {
        grant_type: Some(ask.grant_type().as_str().to_owned()),
        issued: given.id,
        audiences: ask.audience.iter().map(ToString::to_string).collect(),
        scope: given.scope.or(asked),
        expires_at: Some(given.expires_at),
        ..TokenFacts::default()
    };
    OutboundToken::new(given.token, given.expires_at, facts, context.now)
}

fn basic(client: &ClientId, secret: &Secret) -> Result<HeaderValue, Rejection> {
    HeaderValue::from_str(basic_authorization(client.as_str(), secret).expose())
        .map_err(|error| Rejection::internal("exchange_credential_unusable", error.to_string()))
}
