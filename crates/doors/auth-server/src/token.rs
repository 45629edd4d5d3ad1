//! The token endpoint (RFC 6749 §3.2). Every grant ends in the edge's one issuer, one commit of the store and one
//! durable audit record, in this order, before the client reads a byte.

mod client_credentials;
mod code;
mod exchange;
mod refresh;

use std::sync::Arc;

use http::{Response, StatusCode};
use hyper::body::Incoming;
use serde_json::{Map, Value};

use gatehouse_audit::event::EventKind;
use gatehouse_config::snapshot::client::RegisteredClient;
use gatehouse_edge::context::{Context, Public};
use gatehouse_edge::issuer::Issued;
use gatehouse_edge::server::body::Body;
use gatehouse_edge::server::routes::Outcome;
use gatehouse_identity::scope::ScopeSet;
use gatehouse_identity::secret::Secret;
use gatehouse_oauth::client::{AuthenticatedClient, GrantType};
use gatehouse_oauth::exchange::IssuedType;
use gatehouse_oauth::form::Form;
use gatehouse_oauth::token_request::TokenRequest;

use crate::client_request::{self, ClientRequest};
use crate::refusal::{self, Refusal};
use crate::server::AuthServer;

/// What every grant works with.
pub(crate) struct TokenContext<'a> {
    pub(crate) door: &'a AuthServer,
    pub(crate) registered: &'a RegisteredClient,
    pub(crate) client: AuthenticatedClient<'a>,
    pub(crate) context: &'a Context<Public>,
}

/// What a grant gives (RFC 6749 §5.1).
pub(crate) struct TokenResponse {
    pub(crate) issued: Issued,
    pub(crate) scopes: ScopeSet,
    pub(crate) refresh_token: Option<Secret>,
    pub(crate) issued_type: Option<IssuedType>,
}

/// `POST` of the token endpoint.
pub(crate) async fn token(door: Arc<AuthServer>, body: Incoming, context: Context<Public>) -> Outcome {
    let result = grant(&door, body, &context).await.map(|granted| granted.to_response());
    refusal::answer(result, &context).await
}

async fn grant(
    door: &AuthServer,
    body: Incoming,
    context: &Context<Public>,
) -> Result<TokenResponse, Refusal> {
    let form = client_request::form(body, context).await?;
    context.note(|event| event.with_kind(kind_of(&form)));
    let asked = ClientRequest::read(door, form, context).await?;
    let client = asked.authenticate(context)?;
    let request = TokenRequest::parse(&asked.form)?;
    request.check_allowed(&client)?;
    let asking = TokenContext { door, registered: &asked.registered, client, context };
    match &request {
        TokenRequest::AuthorizationCode(request) => Box::pin(code::redeem(&asking, request)).await,
        TokenRequest::RefreshToken(request) => Box::pin(refresh::refresh(&asking, request)).await,
        TokenRequest::ClientCredentials(request) => client_credentials::grant(&asking, request).await,
        TokenRequest::TokenExchange(request) => Box::pin(exchange::exchange(&asking, request)).await,
    }
}

/// The kind of audit record, known before the client is.
fn kind_of(form: &Form) -> EventKind {
    match form.one("grant_type").and_then(|grant| GrantType::parse(grant).ok()) {
        Some(GrantType::RefreshToken) => EventKind::TokenRefresh,
        Some(GrantType::TokenExchange) => EventKind::TokenExchange,
        _ => EventKind::TokenIssue,
    }
}

impl TokenResponse {
    fn to_response(&self) -> Response<Body> {
        let mut answer = Map::new();
        answer.insert("access_token".into(), self.issued.access_token.clone().into());
        answer.insert("token_type".into(), "Bearer".into());
        answer.insert("expires_in".into(), self.issued.lifetime.as_secs().into());
        answer.insert("scope".into(), self.scopes.to_string().into());
        if let Some(token) = &self.refresh_token {
            answer.insert("refresh_token".into(), token.expose().into());
        }
        if let Some(token) = &self.issued.id_token {
            answer.insert("id_token".into(), token.clone().into());
        }
        if let Some(issued_type) = self.issued_type {
            answer.insert("issued_token_type".into(), issued_type.as_str().into());
        }
        refusal::json(StatusCode::OK, &Value::Object(answer))
    }
}
