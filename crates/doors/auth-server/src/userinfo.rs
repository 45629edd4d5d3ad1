//! The userinfo endpoint (OpenID Connect Core §5.3).

use std::sync::Arc;

use http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use hyper::body::Incoming;
use serde_json::Value;

use gatehouse_edge::context::{Context, Public};
use gatehouse_edge::rejection::Rejection;
use gatehouse_edge::server::body::Body;
use gatehouse_edge::server::routes::Outcome;
use gatehouse_identity::id::{ClientId, SubjectId};
use gatehouse_identity::jose::verify::TokenType;
use gatehouse_identity::scope::ScopeSet;
use gatehouse_oauth::claims::ClaimSources;
use gatehouse_oauth::client::GrantType;
use gatehouse_oauth::error::{ErrorCode, OAuthError};
use gatehouse_oauth::exchange::Standing;
use gatehouse_oauth::userinfo as rules;

use crate::own_token::{behind, verify};
use crate::refusal;
use crate::server::AuthServer;

/// `GET` and `POST` of the userinfo endpoint; the token travels in the header only.
pub(crate) async fn userinfo(door: Arc<AuthServer>, _body: Incoming, context: Context<Public>) -> Outcome {
    let Some(token) = bearer(&context) else { return challenge(None) };
    let Some(verified) = verify(&door, token, TokenType::AccessTokenStrict, &context) else {
        return challenge(Some(&invalid_token()));
    };
    let claims = verified.claims();
    let behind = behind(&door, claims, &context).await?;
    let (Standing::Good, Some(user)) = (behind.standing, behind.user) else {
        return challenge(Some(&invalid_token()));
    };
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let scopes = ScopeSet::parse(text("scope"))
        .map_err(|error| Rejection::internal("scope_unreadable", error.to_string()))?;
    let registered = door.client(&ClientId::new(text("client_id")), &context).await?;
    let sources = ClaimSources {
        user: Some(&user),
        client: &registered.client,
        scopes: &scopes,
        audiences: &[],
        grant_type: GrantType::AuthorizationCode,
    };
    match rules::userinfo(&SubjectId::new(text("sub")), &user, &sources) {
        Ok(answer) => Ok(refusal::json(StatusCode::OK, &Value::Object(answer))),
        Err(error) => challenge(Some(&error)),
    }
}

fn bearer(context: &Context<Public>) -> Option<&str> {
    let (scheme, token) = context.header(AUTHORIZATION.as_str())?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// RFC 6750 §3: without a token only the scheme, else what is wrong with it.
fn challenge(error: Option<&OAuthError>) -> Result<Response<Body>, Rejection> {
    let (status, value) = match error {
        None => (StatusCode::UNAUTHORIZED, "Bearer".to_owned()),
        Some(error) => (
            StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::UNAUTHORIZED),
            format!("Bearer error=\"{}\", error_description=\"{}\"", error.code(), error.description()),
        ),
    };
    let mut response = refusal::json(status, &error.map_or(Value::Null, OAuthError::to_json));
    let value = HeaderValue::from_str(&value)
        .map_err(|error| Rejection::internal("challenge_unusable", error.to_string()))?;
    response.headers_mut().insert(WWW_AUTHENTICATE, value);
    Ok(response)
}

fn invalid_token() -> OAuthError {
    OAuthError::new(ErrorCode::InvalidToken, "the access token is not valid")
}
