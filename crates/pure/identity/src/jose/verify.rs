//! From an unverified token to a verified one: signature, issuer, audience, type, time.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::audience::Audience;
use crate::clock::Timestamp;
use crate::id::Issuer;
use crate::jose::algorithm::Algorithm;
use crate::jose::jwk::KeySet;
use crate::jose::token::{TokenError, UnverifiedToken};

/// What a door demands of the tokens of one issuer.
#[derive(Clone, Debug)]
pub struct Expectations {
    /// `iss`, compared byte for byte.
    pub issuer: Issuer,
    /// One of these must be in `aud`; an empty list refuses every token.
    pub audiences: Vec<Audience>,
    /// The algorithms that the issuer may use.
    pub algorithms: Vec<Algorithm>,
    /// What the token must be.
    pub token_type: TokenType,
    /// How far the issuer's clock may be off.
    pub leeway: Duration,
    /// The longest time between `iat` (or now, without `iat`) and `exp`.
    pub max_lifetime: Duration,
}

/// Which types of token a door takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenType {
    /// An access token with `typ` `at+jwt` (RFC 9068 §2.1); for issuers that always set it, like ourselves.
    AccessTokenStrict,
    /// An access token; `typ` may also be `JWT` or absent. Nothing may make it look like an ID token.
    AccessToken,
    /// An OpenID Connect ID token; nothing may make it look like an access token.
    IdToken,
    /// Either an access token or an ID token.
    Either,
}

/// Claims of ID tokens only (OpenID Connect Core §2, §3.3.2.11).
const ID_TOKEN_MARKS: [&str; 4] = ["nonce", "at_hash", "c_hash", "s_hash"];
/// Those of them that no issuer repeats in other tokens.
const HASHES: [&str; 3] = ["at_hash", "c_hash", "s_hash"];
/// Claims of access tokens only: RFC 9068 §2.2, and what Entra ID and Okta write in their place.
const ACCESS_TOKEN_MARKS: [&str; 8] =
    ["scope", "scp", "client_id", "cid", "appid", "appidacr", "azpacr", "idtyp"];
/// Those of them that say what the token is good for.
const SCOPES: [&str; 2] = ["scope", "scp"];

/// What a verified token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifiedType {
    /// Permission to call a resource.
    AccessToken,
    /// A statement to a client about a sign-in.
    IdToken,
}

/// A token whose signature, issuer, audience, type and time have been checked.
///
/// Only [`UnverifiedToken::verify`] makes one.
#[derive(Clone, Debug)]
pub struct VerifiedToken {
    claims: Arc<Map<String, Value>>,
    issuer: Issuer,
    expires_at: Timestamp,
    token_type: VerifiedType,
}

impl VerifiedToken {
    /// All claims of the token.
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// The claims for a holder that outlives this value.
    pub fn shared_claims(&self) -> &Arc<Map<String, Value>> {
        &self.claims
    }

    /// Who issued it.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// `exp`, without leeway.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// What it proved to be.
    pub fn token_type(&self) -> VerifiedType {
        self.token_type
    }
}

/// A token that would have been good once: everything but its time has been checked.
#[derive(Clone, Debug)]
pub struct ExpiredToken(VerifiedToken);

impl ExpiredToken {
    pub(crate) fn as_it_was(&self) -> &VerifiedToken {
        &self.0
    }
}

/// What has been proven of a token whose times have not been looked at.
struct Proven {
    token_type: VerifiedType,
}

impl UnverifiedToken<'_> {
    /// Checks the token against an issuer's keys and a door's expectations.
    ///
    /// Nothing in the claims counts before the signature has been verified; until then only the header's
    /// `alg` and `kid` are used, and only to choose among the issuer's own keys.
    pub fn verify(
        &self,
        keys: &KeySet,
        expected: &Expectations,
        now: Timestamp,
    ) -> Result<VerifiedToken, TokenError> {
        let proven = self.prove(keys, expected)?;
        let expires_at = check_times(&self.claims, expected, now)?;
        Ok(self.verified(&proven, expected, expires_at))
    }

    /// Who presented a token that [`Self::verify`] found to be over, and to be good otherwise; `None` for any other
    /// token. It proves nothing: it is for the record of the refusal.
    pub fn expired(&self, keys: &KeySet, expected: &Expectations, now: Timestamp) -> Option<ExpiredToken> {
        let proven = self.prove(keys, expected).ok()?;
        match check_times(&self.claims, expected, now) {
            Err(TokenError::Expired) => {
                let expires_at = numeric_date(&self.claims, "exp").ok()??;
                Some(ExpiredToken(self.verified(&proven, expected, expires_at)))
            }
            _ => None,
        }
    }

    fn verified(&self, proven: &Proven, expected: &Expectations, expires_at: Timestamp) -> VerifiedToken {
        VerifiedToken {
            claims: Arc::clone(&self.claims),
            issuer: expected.issuer.clone(),
            expires_at,
            token_type: proven.token_type,
        }
    }

    /// Everything but the times: signature, issuer, audience, type.
    fn prove(&self, keys: &KeySet, expected: &Expectations) -> Result<Proven, TokenError> {
        let algorithm = self.algorithm();
        if !expected.algorithms.contains(&algorithm) {
            return Err(TokenError::AlgorithmNotAllowed);
        }
        let key = keys.find(self.kid(), algorithm).ok_or(TokenError::UnknownKey)?;
        if !key.verifies(algorithm, self.signing_input.as_bytes(), &self.signature) {
            return Err(TokenError::Signature);
        }
        let claims = &*self.claims;
        if claims.get("iss").and_then(Value::as_str) != Some(expected.issuer.as_str()) {
            return Err(TokenError::Issuer);
        }
        let audiences = audiences(claims)?;
        if !audiences.iter().any(|audience| expected.names(audience)) {
            return Err(TokenError::Audience);
        }
        let token_type = self.classify(expected.token_type)?;
        if token_type == VerifiedType::IdToken {
            check_id_token(claims, &audiences, expected)?;
        }
        Ok(Proven { token_type })
    }

    /// Whether the token says by its `typ` that it is an access token, as those of RFC 9068 do. Only a hint for choosing
    /// what to demand of it.
    pub fn says_access_token(&self) -> bool {
        self.typ().map(media_type).as_deref() == Some("at+jwt")
    }

    /// What the token is, if a door that takes `wanted` may take it at all (RFC 8725 §3.11).
    fn classify(&self, wanted: TokenType) -> Result<VerifiedType, TokenError> {
        let has = |names: &[&str]| names.iter().any(|name| self.claims.contains_key(*name));
        // Security event tokens, such as logout tokens, reuse the issuer, key and audience (RFC 8417 §2.2).
        if has(&["events"]) {
            return Err(TokenError::Type);
        }
        let declared = self.typ().map(media_type);
        let at_jwt = declared.as_deref() == Some("at+jwt");
        if !at_jwt && !matches!(declared.as_deref(), None | Some("jwt")) {
            return Err(TokenError::Type);
        }
        let said = self.said_to_be()?;
        let is_access = at_jwt || said == Some(VerifiedType::AccessToken);
        let is_id = said == Some(VerifiedType::IdToken);
        let (marked_id, marked_access) = (has(&ID_TOKEN_MARKS), has(&ACCESS_TOKEN_MARKS));
        let found = match (is_access, is_id) {
            // It contradicts itself.
            (true, true) => return Err(TokenError::Type),
            (true, false) => Some(VerifiedType::AccessToken),
            (false, true) => Some(VerifiedType::IdToken),
            (false, false) if marked_id => Some(VerifiedType::IdToken),
            (false, false) if marked_access => Some(VerifiedType::AccessToken),
            (false, false) => None,
        };
        // Some issuers repeat the `nonce` in access tokens, and then say themselves that they are some.
        let like_id = found == Some(VerifiedType::IdToken)
            || has(&HASHES)
            || (marked_id && said != Some(VerifiedType::AccessToken));
        match wanted {
            TokenType::AccessTokenStrict if at_jwt && !like_id => Ok(VerifiedType::AccessToken),
            TokenType::AccessToken if !like_id => Ok(VerifiedType::AccessToken),
            // A `nonce` alone is in access tokens of some issuers too.
            TokenType::IdToken
                if found != Some(VerifiedType::AccessToken) && (is_id || has(&HASHES) || !has(&SCOPES)) =>
            {
                Ok(VerifiedType::IdToken)
            }
            TokenType::Either => Ok(found.unwrap_or(VerifiedType::IdToken)),
            TokenType::AccessTokenStrict | TokenType::AccessToken | TokenType::IdToken => {
                Err(TokenError::Type)
            }
        }
    }

    /// What the token calls itself in its payload: `typ` as Keycloak writes it, `token_use` as Cognito does.
    fn said_to_be(&self) -> Result<Option<VerifiedType>, TokenError> {
        let text = |name: &str| self.claims.get(name).and_then(Value::as_str);
        let kind = |word: &str| match media_type(word).as_str() {
            "id" => Ok(Some(VerifiedType::IdToken)),
            "bearer" | "dpop" | "access" => Ok(Some(VerifiedType::AccessToken)),
            // For the issuer's own eyes.
            "refresh" | "offline" | "logout" => Err(TokenError::Type),
            _ => Ok(None),
        };
        let words = [text("typ"), text("token_use")].map(|word| word.map_or(Ok(None), kind));
        let [typ, usage] = words;
        match (typ?, usage?) {
            (Some(one), Some(other)) if one != other => Err(TokenError::Type),
            (one, other) => Ok(one.or(other)),
        }
    }
}

impl Expectations {
    fn names(&self, audience: &str) -> bool {
        self.audiences.iter().any(|expected| expected.as_str() == audience)
    }
}

/// `aud` as RFC 7519 §4.1.3 allows it.
fn audiences(claims: &Map<String, Value>) -> Result<Vec<&str>, TokenError> {
    match claims.get("aud") {
        Some(Value::String(one)) => Ok(vec![one]),
        Some(Value::Array(many)) if !many.is_empty() => {
            many.iter().map(|audience| audience.as_str().ok_or(TokenError::MalformedAudience)).collect()
        }
        _ => Err(TokenError::MalformedAudience),
    }
}

/// What OpenID Connect Core §2 and §3.1.3.7 demand beyond the rules for every token.
fn check_id_token(
    claims: &Map<String, Value>,
    audiences: &[&str],
    expected: &Expectations,
) -> Result<(), TokenError> {
    for name in ["sub", "iat"] {
        if !claims.contains_key(name) {
            return Err(TokenError::Missing(name));
        }
    }
    let party = claims.get("azp").and_then(Value::as_str);
    if audiences.len() > 1 && !party.is_some_and(|party| expected.names(party)) {
        return Err(TokenError::AuthorizedParty);
    }
    Ok(())
}

/// Checks `exp`, `nbf` and `iat` and gives back `exp`.
fn check_times(
    claims: &Map<String, Value>,
    expected: &Expectations,
    now: Timestamp,
) -> Result<Timestamp, TokenError> {
    let expires_at = numeric_date(claims, "exp")?.ok_or(TokenError::Missing("exp"))?;
    let not_before = numeric_date(claims, "nbf")?;
    let issued_at = numeric_date(claims, "iat")?;
    let latest = now.plus(expected.leeway);
    if expires_at.plus(expected.leeway) <= now {
        return Err(TokenError::Expired);
    }
    if not_before.is_some_and(|start| start > latest) {
        return Err(TokenError::NotYetValid);
    }
    if issued_at.is_some_and(|issued| issued > latest) {
        return Err(TokenError::IssuedInFuture);
    }
    // Without `iat` the rest of the life is all we can bound.
    if expires_at.since(issued_at.unwrap_or(now)) > expected.max_lifetime {
        return Err(TokenError::Lifetime);
    }
    Ok(expires_at)
}

/// A NumericDate (RFC 7519 §2); fractions of a second count.
fn numeric_date(claims: &Map<String, Value>, name: &'static str) -> Result<Option<Timestamp>, TokenError> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    if let Some(seconds) = value.as_u64() {
        return match i64::try_from(seconds) {
            Ok(seconds) if seconds <= LAST_SECOND => Ok(Some(Timestamp::from_unix_seconds(seconds))),
            _ => Err(TokenError::MalformedTime(name)),
        };
    }
    let seconds = value.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    match seconds {
        Some(seconds) if seconds.as_secs() <= LAST_SECOND.unsigned_abs() => {
            Ok(Some(Timestamp::from_unix_seconds(0).plus(seconds)))
        }
        _ => Err(TokenError::MalformedTime(name)),
    }
}

/// The last whole second that [`Timestamp`] can hold, in the year 2262.
const LAST_SECOND: i64 = i64::MAX / 1_000_000_000 - 1;

/// A `typ` without the `application/` that may be left out, in lower case (RFC 7515 §4.1.9).
fn media_type(typ: &str) -> String {
    let typ = typ.to_ascii_lowercase();
    typ.strip_prefix("application/").map(str::to_owned).unwrap_or(typ)
}

#[cfg(test)]
mod tests;
