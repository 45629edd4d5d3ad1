//! Tokens of our own that come back to us: verified, and looked up in what was switched off since.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use gatehouse_edge::context::{Context, Public};
use gatehouse_edge::issuer::revocations::LONGEST_LIFE;
use gatehouse_edge::issuer::standing;
use gatehouse_edge::rejection::Rejection;
use gatehouse_identity::audience::Audience;
use gatehouse_identity::id::{ClientId, GrantId};
use gatehouse_identity::jose::strict_json::parse_object;
use gatehouse_identity::jose::token::UnverifiedToken;
use gatehouse_identity::jose::verify::{Expectations, ExpiredToken, TokenType, VerifiedToken};
use gatehouse_oauth::claims::texts;
use gatehouse_oauth::exchange::Standing;
use gatehouse_oauth::grant::{AuthenticatedUser, Grant};

use crate::server::AuthServer;
use crate::settings::{configured, store_failed};

/// How far the clocks of two nodes may be apart.
const LEEWAY: Duration = Duration::from_secs(5);

/// Verifies a token that we issued, for whichever audience; who may do what with it is the caller's question.
pub(crate) fn verify(
    door: &AuthServer,
    token: &str,
    token_type: TokenType,
    context: &Context<Public>,
) -> Option<VerifiedToken> {
    let expected = expectations(door, token, token_type);
    let keys = door.issuer.keys().verification_keys();
    let verified = UnverifiedToken::parse(token).ok()?.verify(keys, &expected, context.now).ok()?;
    (verified.expires_at() > context.now).then_some(verified)
}

/// A token of ours whose time is over, for the record of its refusal.
pub(crate) fn expired(
    door: &AuthServer,
    token: &str,
    token_type: TokenType,
    context: &Context<Public>,
) -> Option<ExpiredToken> {
    let expected = Expectations { leeway: Duration::ZERO, ..expectations(door, token, token_type) };
    let keys = door.issuer.keys().verification_keys();
    UnverifiedToken::parse(token).ok()?.expired(keys, &expected, context.now)
}

fn expectations(door: &AuthServer, token: &str, token_type: TokenType) -> Expectations {
    Expectations {
        issuer: door.issuer.issuer().clone(),
        audiences: named_audiences(token),
        algorithms: door.issuer.keys().algorithms(),
        token_type,
        leeway: LEEWAY,
        max_lifetime: LONGEST_LIFE,
    }
}

/// The audiences that a token names for itself. They prove nothing before the signature, and after it say only that
/// we put them there.
fn named_audiences(token: &str) -> Vec<Audience> {
    let payload = token.split('.').nth(1).and_then(|payload| URL_SAFE_NO_PAD.decode(payload).ok());
    let claims = payload.and_then(|payload| parse_object(&payload).ok()).unwrap_or_default();
    texts(claims.get("aud")).into_iter().map(Audience::new).collect()
}

/// What stands behind a token, as it is now.
pub(crate) struct TokenState {
    /// Whether it is still good.
    pub(crate) standing: Standing,
    /// The grant that it comes from, when a user granted it.
    pub(crate) granted: Option<GrantedBy>,
}

/// A sign-in of a user at a client.
pub(crate) struct GrantedBy {
    /// The user as of now.
    pub(crate) user: AuthenticatedUser,
    /// Whom the user let in.
    pub(crate) client: ClientId,
}

/// Finds out whether a verified token, its client, its grant, its user and the user's connector are still good. Most of
/// it the token and the configuration say; of the grant, the store knows whom it is about and whether it still stands.
pub(crate) async fn behind(
    door: &AuthServer,
    claims: &Map<String, Value>,
    context: &Context<Public>,
) -> Result<TokenState, Rejection> {
    let fallen = |standing| Ok(TokenState { standing, granted: None });
    let revocations = door.issuer.revocations();
    match standing::of_token(claims, &context.snapshot, revocations) {
        Standing::Good => {}
        standing => return fallen(standing),
    }
    if let Some(client) = text(claims, "client_id").or_else(|| text(claims, "aud")) {
        match door.client(&ClientId::new(client), context).await {
            Ok(_) => {}
            Err(rejection) if rejection.kind.is_failure() => return Err(rejection),
            Err(_) => return fallen(Standing::ClientDisabled),
        }
    }
    let Some(grant) = text(claims, "grant_id").map(GrantId::new) else { return fallen(Standing::Good) };
    let grant = door.store.grants().find(&grant, context.now).await.map_err(store_failed)?;
    let (user, client) = match grant {
        Some(Grant::Active(grant)) if grant.revoked_at.is_none() => (grant.user, grant.client),
        _ => return fallen(Standing::Revoked),
    };
    // The user signed in at the client of the grant, whoever else the token was handed to since.
    let current = match configured(context)?.connectors_of(client.as_str()) {
        None => Err(Standing::ClientDisabled),
        Some(connectors) => standing::of_user_at(&user, connectors, &context.snapshot),
    };
    match current {
        Err(standing) => fallen(standing),
        Ok(current) => {
            let granted = Some(GrantedBy { user: current.into_owned(), client });
            revocations.token_use().note(claims);
            Ok(TokenState { standing: Standing::Good, granted })
        }
    }
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str)
}
