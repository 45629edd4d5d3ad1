//! Client ID Metadata Documents (draft-ietf-oauth-client-id-metadata-document-02): the `client_id`
//! is the https URL of a document that describes the client.
//!
//! Fetching is the caller's business; a pinned document is just bytes that the caller already has.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatehouse_identity::audience::Audience;
use gatehouse_identity::id::{ClientId, ConnectorName};
use gatehouse_identity::jose::strict_json::{StrictJsonError, parse_object, without_nulls};
use gatehouse_identity::scope::ScopeSet;
use serde_json::{Map, Value};

use crate::claims::ClaimExpression;
use crate::client::{
    AccessTokenProfile, Client, ClientKind, ClientOrigin, ConsentMode, GrantType, RefreshProfile,
};
use crate::error::{ErrorCode, OAuthError};
use crate::redirect::{RedirectSet, RegisteredRedirect, RegistrationError};

mod url;

pub use url::{ClientMetadataUrl, ClientMetadataUrlError};

/// The longest document that is read, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 5 * 1024;
/// The longest client name that people are shown, in characters.
const MAX_NAME_CHARACTERS: usize = 64;
/// The most redirect URIs of one document.
const MAX_REDIRECTS: usize = 32;
/// Members that are links.
const LINKS: [&str; 5] = ["client_uri", "logo_uri", "tos_uri", "policy_uri", "jwks_uri"];
/// Members of a JWK that are private (RFC 7518 §6).
const PRIVATE_KEY_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A checked metadata document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataDocument {
    url: ClientMetadataUrl,
    name: String,
    redirects: RedirectSet,
    grant_types: BTreeSet<GrantType>,
    scopes: Option<ScopeSet>,
    fingerprint: String,
}

/// What clients from metadata documents may do here.
#[derive(Clone, Debug)]
pub struct DocumentClientRules {
    /// The scopes that they may be granted.
    pub scopes: ScopeSet,
    /// The scopes of a request that names none; `None` stands for all of them.
    pub default_scopes: Option<ScopeSet>,
    /// The audiences that they may ask for; when empty, every resource that this server itself protects.
    pub allowed_audiences: Vec<Audience>,
    /// The audience of a request that names none.
    pub default_audience: Option<Audience>,
    /// How their access tokens look.
    pub access_token: AccessTokenProfile,
    /// How their refresh tokens live; `None` when they get none.
    pub refresh: Option<RefreshProfile>,
    /// The connectors through which their users sign in.
    pub connectors: Vec<ConnectorName>,
    /// ID token and userinfo claims, by claim name.
    pub claims_mapping: Vec<(String, ClaimExpression)>,
}

/// A document that is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Longer than [`MAX_DOCUMENT_BYTES`].
    #[error("the client metadata document takes {0} bytes; at most {MAX_DOCUMENT_BYTES} are read")]
    TooLong(usize),
    /// Not one JSON object without repeated members.
    #[error("the client metadata document cannot be read: {0}")]
    Json(#[from] StrictJsonError),
    /// `client_id` is not, byte for byte, the URL of the document.
    #[error("client_id of the document must be its own URL {expected}; found {found:?}")]
    ClientId {
        /// The URL of the document.
        expected: String,
        /// What it says.
        found: Option<String>,
    },
    /// A member has another JSON type than it must have.
    #[error("member {0} of the client metadata document must be {1}")]
    Type(&'static str, &'static str),
    /// A symmetric secret has no place in a public document.
    #[error("member {0} is refused: a public document cannot hold a secret")]
    Secret(&'static str),
    /// An authentication method other than `none`.
    #[error("token_endpoint_auth_method {0:?} is not served for metadata documents; served is none")]
    AuthMethod(String),
    /// `jwks` shows a private key.
    #[error("jwks holds private key material")]
    PrivateKey,
    /// A link is not an https URL.
    #[error("member {0} must be an https URL")]
    Link(&'static str),
    /// No usable redirect URI.
    #[error("redirect_uris must list between 1 and {MAX_REDIRECTS} URIs")]
    Redirects,
    /// A redirect URI that may not be registered.
    #[error("redirect_uris: {0}")]
    Redirect(#[from] RegistrationError),
    /// No supported grant or response type is left.
    #[error("the document must allow grant type authorization_code and response type code")]
    Unsupported,
}

impl MetadataDocument {
    /// Checks the document that was found at `url`.
    pub fn parse(url: &ClientMetadataUrl, bytes: &[u8]) -> Result<Self, DocumentError> {
        if bytes.len() > MAX_DOCUMENT_BYTES {
            return Err(DocumentError::TooLong(bytes.len()));
        }
        let document = without_nulls(parse_object(bytes)?);
        check_client_id(&document, url)?;
        check_no_secrets(&document)?;
        check_auth_method(&document)?;
        check_keys(&document)?;
        check_links(&document)?;
        let redirects = redirects(&document)?;
        let grant_types = grant_types(&document)?;
        Ok(Self {
            url: url.clone(),
            name: name(&document, url)?,
            redirects,
            grant_types,
            scopes: scopes(&document)?,
            fingerprint: fingerprint(&document),
        })
    }

    /// What a remembered consent is bound to: it changes with the name, redirects, keys and authentication method.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The client, within `rules`. It is public, and asked about by its host, not by the name it gives itself.
    pub fn into_client(self, rules: &DocumentClientRules) -> Client {
        let scopes = self.scopes.map_or_else(|| rules.scopes.clone(), |own| own.intersection(&rules.scopes));
        Client {
            id: ClientId::new(self.url.as_str()),
            name: self.name,
            kind: ClientKind::Public,
            secrets: Vec::new(),
            redirects: self.redirects,
            grant_types: self.grant_types,
            allowed_audiences: rules.allowed_audiences.clone(),
            default_audience: rules.default_audience.clone(),
            scopes,
            default_scopes: rules.default_scopes.clone(),
            access_token: rules.access_token.clone(),
            refresh: rules.refresh.clone(),
            connectors: rules.connectors.clone(),
            claims_mapping: rules.claims_mapping.clone(),
            origin: ClientOrigin::MetadataDocument {
                url: self.url.as_str().to_owned(),
                fingerprint: self.fingerprint,
            },
            consent: ConsentMode::Remembered,
            exchange: None,
        }
    }
}

/// Byte for byte, so no default port or case is normalised away.
fn check_client_id(document: &Map<String, Value>, url: &ClientMetadataUrl) -> Result<(), DocumentError> {
    let found = text(document, "client_id")?;
    if found == Some(url.as_str()) {
        return Ok(());
    }
    Err(DocumentError::ClientId { expected: url.as_str().to_owned(), found: found.map(str::to_owned) })
}

/// C4.
fn check_no_secrets(document: &Map<String, Value>) -> Result<(), DocumentError> {
    let secret =
        ["client_secret", "client_secret_expires_at"].into_iter().find(|name| document.contains_key(*name));
    secret.map_or(Ok(()), |name| Err(DocumentError::Secret(name)))
}

/// Only `none`, also when the member is absent, because the default of RFC 7591 would be a shared secret.
fn check_auth_method(document: &Map<String, Value>) -> Result<(), DocumentError> {
    match text(document, "token_endpoint_auth_method")? {
        None | Some("none") => Ok(()),
        Some(other) => Err(DocumentError::AuthMethod(other.to_owned())),
    }
}

/// Nobody shows a private key on purpose.
fn check_keys(document: &Map<String, Value>) -> Result<(), DocumentError> {
    let Some(jwks) = document.get("jwks") else { return Ok(()) };
    let keys = jwks
        .get("keys")
        .and_then(Value::as_array)
        .ok_or(DocumentError::Type("jwks", "a JSON Web Key Set"))?;
    let private = |key: &Value| PRIVATE_KEY_MEMBERS.iter().any(|member| key.get(member).is_some());
    if keys.iter().any(private) { Err(DocumentError::PrivateKey) } else { Ok(()) }
}

/// C5.
fn check_links(document: &Map<String, Value>) -> Result<(), DocumentError> {
    for name in LINKS {
        let https = text(document, name)?.is_none_or(url::is_https);
        if !https {
            return Err(DocumentError::Link(name));
        }
    }
    Ok(())
}

fn redirects(document: &Map<String, Value>) -> Result<RedirectSet, DocumentError> {
    let uris = texts(document, "redirect_uris")?.unwrap_or_default();
    if uris.is_empty() || uris.len() > MAX_REDIRECTS {
        return Err(DocumentError::Redirects);
    }
    Ok(RedirectSet::new(uris.into_iter().map(RegisteredRedirect::parse).collect::<Result<_, _>>()?))
}

/// What we do not serve is left out; the code grant has to remain.
fn grant_types(document: &Map<String, Value>) -> Result<BTreeSet<GrantType>, DocumentError> {
    let served = |name: &str| match GrantType::parse(name) {
        Ok(grant @ (GrantType::AuthorizationCode | GrantType::RefreshToken)) => Some(grant),
        _ => None,
    };
    let grants = match texts(document, "grant_types")? {
        None => BTreeSet::from([GrantType::AuthorizationCode]),
        Some(names) => names.into_iter().filter_map(served).collect(),
    };
    let code = texts(document, "response_types")?.is_none_or(|types| types.contains(&"code"));
    if code && grants.contains(&GrantType::AuthorizationCode) {
        Ok(grants)
    } else {
        Err(DocumentError::Unsupported)
    }
}

/// The name as people see it: bounded, and without characters that hide or reorder others.
fn name(document: &Map<String, Value>, url: &ClientMetadataUrl) -> Result<String, DocumentError> {
    let visible = |c: &char| {
        !c.is_control()
            && !matches!(c, '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
    };
    let written = text(document, "client_name")?.unwrap_or_default();
    let shown: String = written.chars().filter(visible).take(MAX_NAME_CHARACTERS).collect();
    Ok(if shown.trim().is_empty() { url.host().to_owned() } else { shown.trim().to_owned() })
}

fn scopes(document: &Map<String, Value>) -> Result<Option<ScopeSet>, DocumentError> {
    let scopes = text(document, "scope")?.map(ScopeSet::parse).transpose();
    scopes.map_err(|_| DocumentError::Type("scope", "a scope string"))
}

fn fingerprint(document: &Map<String, Value>) -> String {
    let bound = ["client_name", "redirect_uris", "jwks", "jwks_uri", "token_endpoint_auth_method"];
    let facts: Vec<Option<&Value>> = bound.into_iter().map(|name| document.get(name)).collect();
    URL_SAFE_NO_PAD.encode(digest(&SHA256, serde_json::json!(facts).to_string().as_bytes()))
}

fn text<'a>(document: &'a Map<String, Value>, name: &'static str) -> Result<Option<&'a str>, DocumentError> {
    match document.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or(DocumentError::Type(name, "a string")),
    }
}

fn texts<'a>(
    document: &'a Map<String, Value>,
    name: &'static str,
) -> Result<Option<Vec<&'a str>>, DocumentError> {
    let refused = DocumentError::Type(name, "a list of strings");
    match document.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(values)) => {
            values.iter().map(Value::as_str).collect::<Option<_>>().map(Some).ok_or(refused)
        }
        Some(_) => Err(refused),
    }
}

impl From<DocumentError> for OAuthError {
    fn from(error: DocumentError) -> Self {
        Self::new(ErrorCode::InvalidClientMetadata, error.to_string())
    }
}

#[cfg(test)]
mod tests;
