//! `grant_type=urn:ietf:params:oauth:grant-type:token-exchange` (RFC 8693).

use std::sync::Arc;

use serde_json::{Map, Value};

use gatehouse_config::snapshot::authorization_server::AuthorizationServer;
use gatehouse_config::snapshot::client::RegisteredClient;
use gatehouse_edge::context::{Context, Public};
use gatehouse_edge::issuer::{Issuance, TokenSubject};
use gatehouse_identity::id::{ClientId, GrantId, SubjectId};
use gatehouse_identity::jose::verify::{TokenType, VerifiedToken};
use gatehouse_identity::secret::Secret;
use gatehouse_oauth::client::GrantType;
use gatehouse_oauth::error::{ErrorCode, OAuthError};
use gatehouse_oauth::exchange::{
    DeclaredType, ExchangeError, ExchangeFacts, ExchangeRequest, Standing, exchange as decide,
};
use gatehouse_oauth::sign_in;

use super::{TokenContext, TokenResponse};
use crate::issued_token::{behind, verify};
use crate::refusal::Refusal;
use crate::settings::configured;

/// A token for the subject of another one, which names who acts.
pub(super) async fn exchange(
    asking: &TokenContext<'_>,
    request: &ExchangeRequest,
) -> Result<TokenResponse, Refusal> {
    let TokenContext { door, client, context, .. } = asking;
    let server = configured(context)?;
    let subject = presented(asking, &request.subject_token, request.subject_token_type, "subject_token")?;
    let actor = match &request.actor_token {
        None => None,
        Some((token, declared)) => Some(presented(asking, token, *declared, "actor_token")?),
    };
    let mut standing = behind(door, subject.claims(), context).await?.standing;
    if let (Standing::Good, Some(actor)) = (standing, &actor) {
        standing = behind(door, actor.claims(), context).await?.standing;
    }
    let subject_client = client_of(asking, subject.claims()).await;
    let facts = ExchangeFacts {
        requester: *client,
        subject: &subject,
        subject_client: subject_client.as_deref().map(|known| &known.client),
        standing,
        actor: actor.as_ref(),
        issuer: &server.issuer,
        resources: &server.resources,
        now: context.now,
    };
    let result = decide(request, &facts).map_err(|error| refused(error, subject.claims()))?;
    let resources: Vec<String> = request.targets.iter().map(str::to_owned).collect();
    note_subject(&result.subject, subject.claims(), server, context);
    let subject = TokenSubject::Exchanged {
        result: &result,
        subject_token: subject.claims(),
        actor_token: actor.as_ref().map(VerifiedToken::claims),
    };
    let issuance = Issuance {
        client: asking.registered,
        assurance: client.assurance(),
        grant_type: GrantType::TokenExchange,
        subject,
        scopes: &result.scopes,
        audiences: &result.audiences,
        resources: &resources,
        lifetime: result.lifetime,
        grant: result.grant.as_ref(),
        generation: None,
        refresh_shared_with: None,
        nonce: None,
    };
    let issued = door.issuer.issue(&issuance, context).await?;
    let scopes = result.scopes.clone();
    Ok(TokenResponse { issued, scopes, refresh_token: None, issued_type: Some(result.issued_type) })
}

/// Who the subject of the exchange is, by the one name that all records have for a person.
fn note_subject(
    subject: &SubjectId,
    claims: &Map<String, Value>,
    server: &AuthorizationServer,
    context: &Context<Public>,
) {
    context.note(|event| {
        let event = event.with_subject(&server.issuer, subject);
        let event = match sign_in::grant(claims) {
            Some(grant) => event.with_grant(&GrantId::new(grant)),
            None => event,
        };
        match sign_in::user(claims).zip(sign_in::read(claims)) {
            Some((user, (connector, _))) => event.with_user(&SubjectId::new(user)).with_connector(connector),
            None => event,
        }
    });
}

/// A token of ours, verified as what it is declared to be.
fn presented(
    asking: &TokenContext<'_>,
    token: &Secret,
    declared: DeclaredType,
    parameter: &str,
) -> Result<VerifiedToken, Refusal> {
    let token_type = match declared {
        DeclaredType::AccessToken | DeclaredType::Jwt => TokenType::AccessTokenStrict,
        DeclaredType::IdToken => TokenType::IdToken,
    };
    verify(asking.door, token.expose(), token_type, asking.context).ok_or_else(|| {
        let text = format!("{parameter} is not a valid token of this server and of the declared type");
        let error = OAuthError::new(ErrorCode::InvalidRequest, text);
        Refusal::because(error, "exchange_token_invalid", None)
    })
}

async fn client_of(asking: &TokenContext<'_>, claims: &Map<String, Value>) -> Option<Arc<RegisteredClient>> {
    let id = claims.get("client_id").and_then(Value::as_str)?;
    asking.door.client(&ClientId::new(id), asking.context).await.ok()
}

/// What the subject token is for says most about why it cannot be exchanged, and only operators read it.
fn refused(error: ExchangeError, subject: &Map<String, Value>) -> Refusal {
    let reason = match &error {
        ExchangeError::PublicClient | ExchangeError::NotRegistered => "exchange_not_allowed",
        ExchangeError::TypeMismatch => "exchange_type_mismatch",
        ExchangeError::ForeignIssuer => "exchange_foreign_issuer",
        ExchangeError::Expired => "exchange_token_expired",
        ExchangeError::SubjectMalformed(_) => "exchange_subject_malformed",
        ExchangeError::NotForRequester => "exchange_not_for_requester",
        ExchangeError::Standing(_) => "exchange_token_fallen",
        ExchangeError::ActorUnverified | ExchangeError::ForeignActor => "exchange_actor_refused",
        ExchangeError::MayAct => "exchange_may_act",
        ExchangeError::Target(_) => "exchange_target",
        ExchangeError::Scope { .. } | ExchangeError::ScopeMap => "exchange_scope",
        ExchangeError::Chain(_) | ExchangeError::TooDeep(_) | ExchangeError::Lineage(_) => "exchange_chain",
    };
    let error = OAuthError::from(error);
    let claim = |name: &str| subject.get(name).map_or_else(|| "none".to_owned(), Value::to_string);
    let detail = format!(
        "{}; the subject token has sub {}, client_id {}, aud {}, scope {}",
        error.detail(),
        claim("sub"),
        claim("client_id"),
        claim("aud"),
        claim("scope")
    );
    Refusal::because(error, reason, detail)
}
