//! What a provider's ID token proves (OpenID Connect Core §3.1.3.7).

use std::time::Duration;

use serde_json::{Map, Value};

use gatehouse_edge::rejection::Rejection;
use gatehouse_identity::audience::Audience;
use gatehouse_identity::id::Issuer;
use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::jose::token::UnverifiedToken;
use gatehouse_identity::jose::verify::{Expectations, TokenType};
use gatehouse_identity::secret::Secret;

use super::Upstreams;
use super::expected::{Beside, Expected, refused};

/// How far the provider's clock may be off.
const LEEWAY: Duration = Duration::from_secs(60);

/// What is proven.
pub(super) struct Proven {
    /// The issuer, as it states itself.
    pub(super) issuer: Issuer,
    /// The claims.
    pub(super) claims: Map<String, Value>,
}

/// Verifies an ID token that came `beside` others.
pub(super) async fn verify(
    upstreams: &Upstreams,
    id_token: &str,
    beside: &Beside<'_>,
    expected: &Expected<'_>,
) -> Result<Proven, Rejection> {
    let connector = expected.connector;
    let bad = |why: String| refused(connector, &format!("ID token: {why}"));
    let token = UnverifiedToken::parse(id_token).map_err(|error| bad(error.to_string()))?;
    let published = upstreams.published(connector, token.kid()).await?;
    let issuer = published.metadata.issuer.clone();
    let expectations = Expectations {
        issuer: issuer.clone(),
        audiences: vec![Audience::new(connector.client_id.clone())],
        algorithms: Algorithm::ALL.to_vec(),
        token_type: TokenType::IdToken,
        leeway: LEEWAY,
        max_lifetime: connector.id_token_max_lifetime,
    };
    let verified =
        token.verify(&published.keys, &expectations, expected.now).map_err(|error| bad(error.to_string()))?;
    let claims = verified.claims();
    if claims.get("azp").is_some_and(|azp| azp.as_str() != Some(&connector.client_id)) {
        return Err(bad("azp names another client".to_owned()));
    }
    let nonce = claims.get("nonce").and_then(Value::as_str).unwrap_or_default();
    if !Secret::new(expected.leg.nonce.clone()).matches(nonce) {
        return Err(bad("nonce is not the one that was sent".to_owned()));
    }
    if let Some((claim, what)) = belongs_to_others(claims, token.algorithm(), beside) {
        return Err(bad(format!("{claim} is not that of the {what} beside it")));
    }
    Ok(Proven { issuer, claims: claims.clone() })
}

/// The first claim that says that the token came with something else than what is `beside` it. All of them are optional
/// in this flow; one that is there is there to be compared.
fn belongs_to_others(
    claims: &Map<String, Value>,
    algorithm: Algorithm,
    beside: &Beside<'_>,
) -> Option<(&'static str, &'static str)> {
    let hashes = [
        ("at_hash", "access token", beside.access_token),
        ("c_hash", "code", Some(beside.code)),
        ("s_hash", "state", beside.state),
    ];
    hashes.into_iter().find_map(|(claim, what, text)| {
        let stated = claims.get(claim)?;
        let differs = stated.as_str() != Some(algorithm.half_hash(text?).as_str());
        differs.then_some((claim, what))
    })
}
