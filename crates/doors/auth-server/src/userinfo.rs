//! The userinfo endpoint (OpenID Connect Core §5.3).

use std::sync::Arc;

use http::header::{HeaderValue, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use hyper::body::Incoming;
use serde_json::Value;

use gatehouse_audit::event::{EventKind, Outcome as Verdict};
use gatehouse_edge::context::{Context, Named, Public, Single};
use gatehouse_edge::rejection::Rejection;
use gatehouse_edge::server::body::Body;
use gatehouse_edge::server::routes::Outcome;
use gatehouse_identity::id::SubjectId;
use gatehouse_identity::jose::verify::TokenType;
use gatehouse_identity::principal::{ClaimRules, Principal, RefusedPrincipal};
use gatehouse_identity::scope::ScopeSet;
use gatehouse_oauth::claims::ClaimSources;
use gatehouse_oauth::client::GrantType;
use gatehouse_oauth::error::{ErrorCode, OAuthError};
use gatehouse_oauth::exchange::Standing;
use gatehouse_oauth::lineage::is_exchanged;
use gatehouse_oauth::userinfo as rules;

use crate::issued_token::{GrantedBy, behind, expired, verify};
use crate::refusal;
use crate::server::AuthServer;

/// `GET` and `POST` of the userinfo endpoint; the token travels in the header only.
pub(crate) async fn userinfo(door: Arc<AuthServer>, _body: Incoming, context: Context<Public>) -> Outcome {
    let token = match presented(&context) {
        Presented::Nothing => return refuse(None, "credential_missing", &context),
        Presented::NoToken => return refuse(Some(&invalid_token()), "credential_malformed", &context),
        Presented::Token(token) => token,
    };
    let rules_of_ours = ClaimRules { of_gatehouse: true, ..ClaimRules::default() };
    let Some(verified) = verify(&door, token, TokenType::AccessTokenStrict, &context) else {
        let over = expired(&door, token, TokenType::AccessTokenStrict, &context);
        if let Some(Ok(holder)) = over.map(|token| RefusedPrincipal::of_expired(&token, &rules_of_ours)) {
            context.note_party(holder.attribution());
        }
        return refuse(Some(&invalid_token()), "token_not_valid", &context);
    };
    // Whatever is told or refused from here on, the record says by which token.
    if let Ok(holder) = Principal::from_token(&verified, &rules_of_ours) {
        context.note_party(holder.attribution());
    }
    let claims = verified.claims();
    let behind = behind(&door, claims, &context).await?;
    let (Standing::Good, Some(GrantedBy { user, client })) = (behind.standing, behind.granted) else {
        return refuse(Some(&invalid_token()), "token_without_user", &context);
    };
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    // What the user told one client is not for those who act for the user elsewhere.
    if is_exchanged(claims) || text("client_id") != client.as_str() {
        return refuse(Some(&invalid_token()), "token_delegated", &context);
    }
    let scopes = ScopeSet::parse(text("scope"))
        .map_err(|error| Rejection::internal("scope_unreadable", error.to_string()))?;
    let registered = door.client(&client, &context).await?;
    let sources = ClaimSources {
        user: Some(&user),
        client: &registered.client,
        scopes: &scopes,
        audiences: &[],
        grant_type: GrantType::AuthorizationCode,
    };
    match rules::userinfo(&SubjectId::new(text("sub")), &user, &sources) {
        Ok(answer) => {
            context.note(|event| event.with_kind(EventKind::UserinfoRead));
            Ok(refusal::json(StatusCode::OK, &Value::Object(answer)))
        }
        Err(error) => refuse(Some(&error), error.code().as_str(), &context),
    }
}

enum Presented<'a> {
    Nothing,
    /// Something else than `Bearer <token>`.
    NoToken,
    Token(&'a str),
}

fn presented(context: &Context<Public>) -> Presented<'_> {
    let Some(line) = context.head.value(Single::Authorization) else { return Presented::Nothing };
    match line.to_str().ok().and_then(|line| line.split_once(' ')) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() => {
            Presented::Token(token.trim())
        }
        _ => Presented::NoToken,
    }
}

/// RFC 6750 §3: without a token only the scheme, else what is wrong with it.
fn refuse(
    error: Option<&OAuthError>,
    reason: &'static str,
    context: &Context<Public>,
) -> Result<Response<Body>, Rejection> {
    if let Some(row) = &context.audit {
        row.conclude(Verdict::Deny, reason);
    }
    let Named { client, user, grant, .. } = context.named();
    let (client, user, grant) = (client.as_deref(), user.as_deref(), grant.as_deref());
    tracing::info!(
        request.id = %context.request_id, source.ip = %context.source.ip, client.id = client, user, grant, reason,
        "userinfo request refused"
    );
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
