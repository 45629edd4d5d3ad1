//! The redemption of an authorization code (RFC 6749 §4.1.3).
//!
//! The order matters: who cannot prove that the code is theirs learns nothing and changes nothing, so nobody can
//! burn another's code or revoke another's tokens. Only a redemption that proves everything consumes the code,
//! and only a second one that proves everything counts as reuse.

use std::time::Duration;

use gatehouse_identity::audience::Audience;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::GrantId;

use crate::authorization::RedirectParameter;
use crate::client::AuthenticatedClient;
use crate::error::{ErrorCode, OAuthError};
use crate::grant::{Active, Consented, Grant, RedemptionProof};
use crate::token_request::CodeRequest;

/// How soon after the first redemption a second proven one is taken for a retry of the same request, which is
/// refused without revoking anything.
pub const RETRY_WINDOW: Duration = Duration::from_secs(2);

/// What to do with a presented code.
#[derive(Debug)]
pub enum Redemption {
    /// Move the stored grant from consented to this, with one conditional write; who loses the write is refused
    /// with [`RedemptionError::Spent`].
    Proceed(Box<Redeemed>),
    /// Refuse and change nothing.
    Refuse(RedemptionError),
    /// The code was redeemed before by someone who proved the same: refuse and revoke the grant.
    Reuse(GrantId),
}

/// A redemption that may proceed.
#[derive(Debug)]
pub struct Redeemed {
    /// The grant to write.
    pub grant: Active,
    /// The audiences of the first access token; refresh tokens keep all of the grant's.
    pub audiences: Vec<Audience>,
}

/// Why a code is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedemptionError {
    /// No code of that value waits to be redeemed, or it is another client's.
    #[error("the code is unknown or was issued to another client")]
    Unknown,
    /// The code is older than a minute.
    #[error("the code has expired")]
    Expired,
    /// The code was redeemed a moment ago.
    #[error("the code was already redeemed")]
    Spent,
    /// `redirect_uri` is not the one of the authorization request.
    #[error("redirect_uri differs from the one of the authorization request")]
    RedirectUri,
    /// `code_verifier` is missing although there was a challenge.
    #[error("code_verifier is missing")]
    VerifierMissing,
    /// `code_verifier` is present although there was no challenge.
    #[error("code_verifier was sent, but the authorization request had no code_challenge")]
    VerifierUnexpected,
    /// `code_verifier` does not open the challenge.
    #[error("code_verifier does not match code_challenge")]
    VerifierWrong,
    /// A target outside the grant.
    #[error(transparent)]
    Target(OAuthError),
}

/// Decides about the redemption of the code by which `grant` was found.
pub fn redeem(
    grant: Grant,
    request: &CodeRequest,
    client: &AuthenticatedClient<'_>,
    now: Timestamp,
) -> Redemption {
    match grant {
        Grant::Consented(grant) => match check_first(&grant, request, client, now) {
            Ok(audiences) => {
                let expires_at = last_breath(client, now);
                Redemption::Proceed(Box::new(Redeemed { grant: grant.redeemed(now, expires_at), audiences }))
            }
            Err(error) => Redemption::Refuse(error),
        },
        Grant::Active(grant) => match check_second(&grant, request, client, now) {
            Ok(()) => Redemption::Reuse(grant.id),
            Err(error) => Redemption::Refuse(error),
        },
        Grant::Pending(_) | Grant::Authenticated(_) => Redemption::Refuse(RedemptionError::Unknown),
    }
}

fn check_first(
    grant: &Consented,
    request: &CodeRequest,
    client: &AuthenticatedClient<'_>,
    now: Timestamp,
) -> Result<Vec<Audience>, RedemptionError> {
    if !grant.code.matches(request.code.expose()) || client.id() != &grant.client {
        return Err(RedemptionError::Unknown);
    }
    if now >= grant.code_expires_at {
        return Err(RedemptionError::Expired);
    }
    check_proof(&grant.proof(), request)?;
    request.targets.within(&grant.audiences).map_err(RedemptionError::Target)
}

fn check_second(
    grant: &Active,
    request: &CodeRequest,
    client: &AuthenticatedClient<'_>,
    now: Timestamp,
) -> Result<(), RedemptionError> {
    if !grant.code.matches(request.code.expose()) || client.id() != &grant.client {
        return Err(RedemptionError::Unknown);
    }
    check_proof(&grant.proof, request)?;
    if now.since(grant.redeemed_at) <= RETRY_WINDOW { Err(RedemptionError::Spent) } else { Ok(()) }
}

/// The redirect is repeated if it was sent, and verifier and challenge stand or fall together.
fn check_proof(proof: &RedemptionProof, request: &CodeRequest) -> Result<(), RedemptionError> {
    match (&request.redirect_uri, proof.redirect_parameter) {
        (Some(uri), _) if uri != proof.redirect_uri.as_str() => return Err(RedemptionError::RedirectUri),
        // OAuth 2.1 §10.2 lets clients drop the parameter; then the verifier is what binds the code to them.
        (None, RedirectParameter::Sent) if proof.challenge.is_none() => {
            return Err(RedemptionError::RedirectUri);
        }
        _ => {}
    }
    match (&proof.challenge, &request.verifier) {
        (Some(challenge), Some(verifier)) if challenge.is_met_by(verifier) => Ok(()),
        (Some(_), Some(_)) => Err(RedemptionError::VerifierWrong),
        (Some(_), None) => Err(RedemptionError::VerifierMissing),
        (None, Some(_)) => Err(RedemptionError::VerifierUnexpected),
        (None, None) => Ok(()),
    }
}

/// When nothing issued from a grant can be alive any more: after the last access token of the last refresh.
fn last_breath(client: &AuthenticatedClient<'_>, now: Timestamp) -> Timestamp {
    let refresh = client.client().refresh.as_ref().map_or(Duration::ZERO, |profile| profile.lifetime);
    now.plus(refresh).plus(client.client().access_token.lifetime)
}

impl From<RedemptionError> for OAuthError {
    fn from(error: RedemptionError) -> Self {
        match error {
            RedemptionError::Target(error) => error,
            other => Self::new(ErrorCode::InvalidGrant, other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
