//! Whether a token that another authorization server gave may go to an upstream: never the caller's own, nor one that
//! is visibly of another kind, for somebody else, for another place, or for longer than what was asked for.
//!
//! A token is the business of whoever issued it and whoever takes it; no signature is checked here. A token that cannot
//! be read as a JWT is only compared.

use std::time::Duration;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use gatehouse_identity::audience::Audience;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::{ClientId, Issuer, TokenId};
use gatehouse_identity::jose::strict_json::without_nulls;
use gatehouse_oauth::claims::texts;

use crate::authn::resource::BearerToken;
use crate::rejection::{Rejection, RejectionKind};

/// How far clocks may be apart, where the life of a token is compared.
const SKEW: Duration = Duration::from_secs(60);
/// What the answer to an exchange may say that it holds (RFC 8693 §3).
const ISSUED_TYPES: [&str; 2] =
    ["urn:ietf:params:oauth:token-type:access_token", "urn:ietf:params:oauth:token-type:jwt"];
/// What a JWT that is no access token calls itself, in `typ` of its header or claims, or in `token_use`.
const OTHER_KINDS: [&str; 14] = [
    "id",
    "id_token",
    "id+jwt",
    "refresh",
    "refresh_token",
    "rt+jwt",
    "offline",
    "logout",
    "logout+jwt",
    "dpop+jwt",
    "secevent+jwt",
    "oauth-id-jag+jwt",
    "client-authentication+jwt",
    "token-introspection+jwt",
];
/// Claims that no access token has (OpenID Connect Core §3.1.3.6, RFC 8417 §2.2).
const OTHER_CLAIMS: [&str; 3] = ["at_hash", "c_hash", "events"];

/// Reads what encoders of every kind write, also what strict ones refuse: two texts may be one token.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What was asked for, and by whom.
pub(in super::super) struct Expected<'a> {
    /// The token that was sent to be exchanged; without one the gateway asked for itself.
    pub(in super::super) subject: Option<&'a BearerToken>,
    /// The token of whoever calls, if it is one.
    pub(in super::super) caller: Option<&'a BearerToken>,
    /// The gateway's client there.
    pub(in super::super) client: &'a ClientId,
    /// Our own authorization server, which nobody else speaks for.
    pub(in super::super) own_issuer: Option<&'a Issuer>,
    /// For whom.
    pub(in super::super) audience: Option<&'a Audience>,
    /// For how long at most.
    pub(in super::super) lifetime: Option<Duration>,
    /// The time of the request.
    pub(in super::super) now: Timestamp,
}

/// A token that reads as a JWT. Nothing about it is proven.
pub(super) struct Readable {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    signature: Vec<u8>,
}

impl Readable {
    /// The parts of `token`; `None` for one that is no JWT.
    pub(super) fn read(token: &str) -> Option<Self> {
        let mut parts = token.split('.').map(|part| LENIENT.decode(part).ok());
        let (header, claims, signature) = (parts.next()??, parts.next()??, parts.next()??);
        if parts.next().is_some() {
            return None;
        }
        let object = |bytes: &[u8]| serde_json::from_slice(bytes).ok().map(without_nulls);
        Some(Self { header: object(&header)?, claims: object(&claims)?, signature })
    }

    /// `exp`.
    pub(super) fn expires_at(&self) -> Option<Timestamp> {
        #[expect(clippy::cast_possible_truncation, reason = "a fraction of a second does not count")]
        let seconds = |number: &Value| number.as_i64().or_else(|| number.as_f64().map(|float| float as i64));
        self.claims.get("exp").and_then(seconds).map(Timestamp::from_unix_seconds)
    }

    /// `jti`, when it is sound enough for the audit trail.
    pub(super) fn token_id(&self) -> Option<TokenId> {
        let id = self.text("jti")?;
        let is_sound = id.len() <= 256 && id.bytes().all(|byte| byte.is_ascii_graphic());
        is_sound.then(|| TokenId::new(id))
    }

    fn text(&self, name: &str) -> Option<&str> {
        text(&self.claims, name)
    }
}

/// The answer says that it is an access token, and does not call it something else beside.
pub(super) fn kind_of_answer(
    token: &str,
    issued_type: Option<&str>,
    beside: &[Option<String>],
) -> Result<(), Rejection> {
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong("the access token is no token (RFC 6750 section 2.1)"));
    }
    if let Some(other) = issued_type.filter(|issued| !ISSUED_TYPES.contains(issued)) {
        return Err(wrong(format!("issued_token_type is {other:?}")));
    }
    if beside.iter().flatten().any(|other| other == token) {
        return Err(wrong("the access token is also the refresh or ID token of the answer"));
    }
    Ok(())
}

/// The token is not the one that was sent, nor the one that the caller came with, in whatever dress.
pub(super) fn not_returned(
    token: &str,
    readable: Option<&Readable>,
    expected: &Expected<'_>,
) -> Result<(), Rejection> {
    for own in [expected.subject, expected.caller].into_iter().flatten() {
        let returned = |what: &str| {
            let public = "No token for this tool could be obtained for you.";
            let story = format!("the authorization server answered with the caller's own token: {what}");
            Err(Rejection::new(RejectionKind::UpstreamFailed, "exchange_returned_token", public)
                .because(story))
        };
        if token.contains(own.text.expose()) {
            return returned("the same text");
        }
        let Some((given, known)) = readable.zip(Readable::read(own.text.expose())) else { continue };
        if given.signature == known.signature {
            return returned("the same signature");
        }
        if given.claims == known.claims {
            return returned("the same claims");
        }
        if given.text("jti").is_some_and(|id| !id.is_empty() && known.text("jti") == Some(id)) {
            return returned("the same jti");
        }
    }
    Ok(())
}

/// A token that can be read says nothing else than what was asked for.
pub(super) fn meant_for_this(token: &Readable, expected: &Expected<'_>) -> Result<(), Rejection> {
    kind(token)?;
    if token.text("iss").is_some_and(|issuer| expected.own_issuer.is_some_and(|own| own.as_str() == issuer)) {
        return Err(wrong("it names us as its issuer"));
    }
    match expected.subject {
        Some(subject) => same_subject(token, subject.verified.claims())?,
        None => the_gateways_own(token, expected.client)?,
    }
    audience(token, expected.audience)?;
    life(token, expected)
}

fn kind(token: &Readable) -> Result<(), Rejection> {
    let names = [text(&token.header, "typ"), token.text("typ"), token.text("token_use")];
    for name in names.into_iter().flatten() {
        let name = name.to_ascii_lowercase();
        let name = name.strip_prefix("application/").unwrap_or(&name);
        if OTHER_KINDS.contains(&name) {
            return Err(wrong(format!("it calls itself {name:?}")));
        }
    }
    match OTHER_CLAIMS.iter().find(|claim| token.claims.contains_key(**claim)) {
        Some(claim) => Err(wrong(format!("it has the claim `{claim}`, which no access token has"))),
        None => Ok(()),
    }
}

/// Within one issuer a subject has one name. Where every client knows a person by another `sub` (Entra ID), `oid` is
/// the one that stays.
fn same_subject(token: &Readable, subject: &Map<String, Value>) -> Result<(), Rejection> {
    if token.text("iss").is_none() || token.text("iss") != text(subject, "iss") {
        return Ok(());
    }
    let (name, given, sent) = match (token.text("oid"), text(subject, "oid")) {
        (Some(given), Some(sent)) => ("oid", Some(given), Some(sent)),
        _ => ("sub", token.text("sub"), text(subject, "sub")),
    };
    if given.is_some() && given != sent {
        return Err(wrong(format!("`{name}` is that of another subject")));
    }
    Ok(())
}

/// A client that asks for itself gets a token that names it, and no sign-in of a person.
fn the_gateways_own(token: &Readable, client: &ClientId) -> Result<(), Rejection> {
    if token.text("sub") == Some(client.as_str()) {
        return Ok(());
    }
    if token.claims.contains_key("auth_time") {
        return Err(wrong("it comes from the sign-in of a person"));
    }
    let named: Vec<&str> =
        ["client_id", "azp", "appid", "cid"].into_iter().filter_map(|claim| token.text(claim)).collect();
    let is_named = named.iter().all(|name| *name == client.as_str());
    if !is_named || (named.is_empty() && token.claims.contains_key("sub")) {
        return Err(wrong("it is about somebody else than the gateway's client"));
    }
    Ok(())
}

/// `aud` names what was asked for, whatever else it names; the end of a URL may be written in two ways.
fn audience(token: &Readable, asked: Option<&Audience>) -> Result<(), Rejection> {
    let (Some(asked), Some(named)) = (asked, token.claims.get("aud")) else { return Ok(()) };
    let bare = |audience: &str| audience.trim_end_matches('/').to_owned();
    if texts(Some(named)).iter().any(|audience| bare(audience) == bare(asked.as_str())) {
        return Ok(());
    }
    Err(wrong(format!("`aud` does not name {:?}", asked.as_str())))
}

fn life(token: &Readable, expected: &Expected<'_>) -> Result<(), Rejection> {
    let Some(ends) = token.expires_at() else { return Ok(()) };
    if ends.plus(SKEW) <= expected.now {
        return Err(wrong("it has expired"));
    }
    match expected.lifetime {
        Some(asked) if ends > expected.now.plus(asked).plus(SKEW) => {
            Err(wrong(format!("it lives for longer than the {} s that were asked for", asked.as_secs())))
        }
        _ => Ok(()),
    }
}

fn wrong(why: impl Into<String>) -> Rejection {
    let public = "No token for this tool could be obtained for you.";
    let story = format!("the authorization server gave another token than was asked for: {}", why.into());
    Rejection::new(RejectionKind::UpstreamFailed, "exchange_wrong_token", public).because(story)
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str)
}

#[cfg(test)]
mod tests;
