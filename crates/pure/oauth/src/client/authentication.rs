//! Client authentication at the token endpoint (RFC 6749 §2.3).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatehouse_identity::assurance::Assurance;
use gatehouse_identity::id::ClientId;
use gatehouse_identity::secret::Secret;
use url::form_urlencoded::byte_serialize;

use crate::client::{Client, ClientKind};
use crate::error::{ErrorCode, OAuthError, invalid_request};
use crate::form::{Form, decode_value};

/// What a request presents to say which client sends it; nothing is proven yet.
pub struct PresentedCredentials {
    id: ClientId,
    method: Method,
}

enum Method {
    None,
    Basic(Secret),
    Post(Secret),
}

/// A client that is who it says it is, as far as [`Self::assurance`] goes.
#[derive(Clone, Copy, Debug)]
pub struct AuthenticatedClient<'a> {
    client: &'a Client,
    assurance: Assurance,
}

impl PresentedCredentials {
    /// Reads the one authentication method of a request.
    ///
    /// `authorization` is the value of the `Authorization` header.
    pub fn read(authorization: Option<&str>, form: &Form) -> Result<Self, OAuthError> {
        if form.one("client_assertion").or_else(|| form.one("client_assertion_type")).is_some() {
            return Err(invalid_client("client_assertion is not offered; authenticate with a client secret"));
        }
        let in_form = form.one("client_id").map(ClientId::new);
        match (authorization, form.one("client_secret")) {
            (Some(_), Some(_)) => Err(invalid_request(
                "use one authentication method: the Authorization header or client_secret, not both",
            )),
            (Some(header), None) => {
                let (id, secret) = read_basic(header)?;
                if in_form.is_some_and(|other| other != id) {
                    return Err(invalid_request(
                        "client_id differs between the Authorization header and the body",
                    ));
                }
                Ok(Self { id, method: Method::Basic(secret) })
            }
            (None, secret) => {
                let id = in_form.ok_or_else(|| invalid_client("no client_id and no Authorization header"))?;
                let method =
                    secret.map_or(Method::None, |secret| Method::Post(Secret::new(secret.to_owned())));
                Ok(Self { id, method })
            }
        }
    }

    /// The client that the request claims to come from.
    pub fn client_id(&self) -> &ClientId {
        &self.id
    }

    /// Whether a refusal needs `WWW-Authenticate: Basic`.
    pub fn used_header(&self) -> bool {
        matches!(self.method, Method::Basic(_))
    }
}

impl<'a> AuthenticatedClient<'a> {
    /// The client.
    pub fn client(&self) -> &'a Client {
        self.client
    }

    /// Its id.
    pub fn id(&self) -> &'a ClientId {
        &self.client.id
    }

    /// What proved it.
    pub fn assurance(&self) -> Assurance {
        self.assurance
    }
}

/// Proves that a request comes from `client`.
///
/// A public client that presents a secret is still only a public client: the secret proves nothing.
pub fn authenticate<'a>(
    client: &'a Client,
    presented: &PresentedCredentials,
) -> Result<AuthenticatedClient<'a>, OAuthError> {
    if client.id != presented.id {
        return Err(wrong_credentials());
    }
    let assurance = match (client.kind, &presented.method) {
        (ClientKind::Public, _) => client.base_assurance(),
        (ClientKind::Confidential, Method::Basic(secret) | Method::Post(secret)) => {
            // Every secret is compared, so that the time does not tell which one is close.
            let known =
                client.secrets.iter().fold(false, |known, good| known | good.matches(secret.expose()));
            if !known {
                return Err(wrong_credentials().because(format!(
                    "the secret is none of the {} that are configured for this client: it is wrong, or was rotated",
                    client.secrets.len()
                )));
            }
            client.base_assurance().max(Assurance::Secret)
        }
        (ClientKind::Confidential, Method::None) => {
            let error = invalid_client("this client must authenticate with its secret");
            return Err(error.because("no secret was sent, but the client is not `public`"));
        }
    };
    Ok(AuthenticatedClient { client, assurance })
}

/// RFC 6749 §2.3.1 over RFC 7617: strict base64 of `id:secret`, each half form-urlencoded.
fn read_basic(header: &str) -> Result<(ClientId, Secret), OAuthError> {
    let malformed =
        || invalid_client("the Authorization header must be Basic with base64 of client_id:client_secret");
    let (scheme, value) = header.split_once(' ').ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(malformed());
    }
    let decoded = zeroize_on_drop(STANDARD.decode(value).map_err(|_| malformed())?).ok_or_else(malformed)?;
    let (id, secret) = decoded.expose().split_once(':').ok_or_else(malformed)?;
    let id = decode_value(id.as_bytes()).map_err(|_| malformed())?;
    let secret = decode_value(secret.as_bytes()).map_err(|_| malformed())?;
    if id.is_empty() { Err(malformed()) } else { Ok((ClientId::new(id), Secret::new(secret))) }
}

/// The value of the `Authorization` header with which a client authenticates by its secret (RFC 6749 §2.3.1): the
/// inverse of what [`PresentedCredentials::read`] reads.
pub fn basic_authorization(id: &str, secret: &Secret) -> Secret {
    let half = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", half(id), half(secret.expose()));
    Secret::new(format!("Basic {}", STANDARD.encode(pair)))
}

fn zeroize_on_drop(bytes: Vec<u8>) -> Option<Secret> {
    String::from_utf8(bytes).ok().map(Secret::new)
}

fn invalid_client(description: &str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidClient, description)
}

/// One answer for an unknown client, a wrong secret and a client without secrets: it must not tell which.
fn wrong_credentials() -> OAuthError {
    invalid_client("the client credentials are wrong")
}
