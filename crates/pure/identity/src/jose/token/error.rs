//! Why a token is refused.

use std::fmt;

use crate::jose::strict_json::StrictJsonError;

/// One of the three parts of a compact token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The part before the first dot.
    Header,
    /// The part between the dots.
    Payload,
    /// The part after the last dot.
    Signature,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Payload => "payload",
            Self::Signature => "signature",
        })
    }
}

/// The first rule that a token breaks.
///
/// The texts are for operators; what a caller is told is the door's decision.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Longer than [`super::MAX_TOKEN_BYTES`].
    #[error("the token is longer than {} bytes", super::MAX_TOKEN_BYTES)]
    TooLong,
    /// Not three parts with a dot between each two.
    #[error("a signed token has exactly three parts; is this an opaque token?")]
    Parts,
    /// Five parts: a JWE, which we never decrypt here.
    #[error("encrypted tokens are not accepted")]
    Encrypted,
    /// A part is not strict unpadded base64url.
    #[error("the {0} is not unpadded base64url")]
    Encoding(Part),
    /// The decoded header is longer than [`super::MAX_HEADER_BYTES`].
    #[error("the header is longer than {} bytes", super::MAX_HEADER_BYTES)]
    HeaderTooLong,
    /// A part is not an unambiguous JSON object.
    #[error("the {0} is unreadable: {1}")]
    Json(Part, StrictJsonError),
    /// The header has `crit`.
    #[error("the header demands extensions (`crit`), and none is supported")]
    Critical,
    /// `alg` is `none`.
    #[error("the token is not signed (`alg` is `none`)")]
    Unsigned,
    /// `alg` is a shared-secret algorithm.
    #[error("tokens signed with a shared secret are not accepted")]
    Symmetric,
    /// `alg` is absent, not a string, or not one that we know.
    #[error("`alg` is absent or not supported")]
    UnknownAlgorithm,
    /// `kid` is not a string of 1 to 256 printable ASCII characters.
    #[error("`kid` must be 1 to 256 printable characters")]
    KeyId,
    /// `typ` is not a string, or says that the token is of another kind than expected.
    #[error("the token is not of the expected type")]
    Type,
    /// The issuer may not use this algorithm here.
    #[error("the token's algorithm is not allowed for its issuer")]
    AlgorithmNotAllowed,
    /// No key of the issuer has the token's `kid` and algorithm.
    #[error("the issuer has no key with the token's `kid` and algorithm")]
    UnknownKey,
    /// The signature is not that key's signature of this token.
    #[error("the signature does not verify")]
    Signature,
    /// `iss` is absent, not a string or another issuer.
    #[error("`iss` is not the expected issuer")]
    Issuer,
    /// `aud` is absent, or neither a string nor a non-empty array of strings.
    #[error("`aud` must be a string or an array of strings")]
    MalformedAudience,
    /// `aud` names none of the expected audiences.
    #[error("the token is for another audience")]
    Audience,
    /// `azp` does not name the party that an ID token for several audiences was issued to.
    #[error("`azp` must name the expected party when an ID token has several audiences")]
    AuthorizedParty,
    /// A claim that this type of token must have is absent.
    #[error("the claim `{0}` is required")]
    Missing(&'static str),
    /// A time claim is not a finite number of seconds in a sensible range.
    #[error("the claim `{0}` must be a number of seconds since 1970")]
    MalformedTime(&'static str),
    /// `exp` is past.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `iat` is in the future.
    #[error("the token was issued in the future")]
    IssuedInFuture,
    /// The token lives longer than its issuer may grant here.
    #[error("the token's lifetime is longer than allowed")]
    Lifetime,
}

impl TokenError {
    /// The stable code for audit records and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLong => "token_too_long",
            Self::Parts => "token_not_jwt",
            Self::Encrypted => "token_encrypted",
            Self::Encoding(_) => "token_bad_encoding",
            Self::HeaderTooLong => "token_header_too_long",
            Self::Json(_, StrictJsonError::Duplicate(_)) => "token_duplicate_member",
            Self::Json(..) => "token_bad_json",
            Self::Critical => "token_crit",
            Self::Unsigned => "token_unsigned",
            Self::Symmetric => "token_symmetric",
            Self::UnknownAlgorithm => "token_unknown_alg",
            Self::KeyId => "token_bad_kid",
            Self::Type => "token_wrong_type",
            Self::AlgorithmNotAllowed => "token_alg_not_allowed",
            Self::UnknownKey => "token_unknown_key",
            Self::Signature => "token_bad_signature",
            Self::Issuer => "token_wrong_issuer",
            Self::MalformedAudience => "token_bad_aud",
            Self::Audience => "token_wrong_audience",
            Self::AuthorizedParty => "token_wrong_azp",
            Self::Missing(_) => "token_missing_claim",
            Self::MalformedTime(_) => "token_bad_time",
            Self::Expired => "token_expired",
            Self::NotYetValid => "token_not_yet_valid",
            Self::IssuedInFuture => "token_issued_in_future",
            Self::Lifetime => "token_lifetime_too_long",
        }
    }
}
