//! From the code that an OpenID Connect provider sent back to the user that it vouches for (§3.1.3).

use http::HeaderValue;
use serde::Deserialize;
use serde_json::Value;
use url::Url;
use url::form_urlencoded::Serializer;

use gatehouse_config::snapshot::connector::OidcConnector;
use gatehouse_edge::outbound::fetch::{Fetcher, Trust};
use gatehouse_edge::outbound::jwks::Metadata;
use gatehouse_edge::rejection::{Rejection, RejectionKind, excerpt, loggable};
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::groups::IncompleteGroups;
use gatehouse_identity::secret::Secret;
use gatehouse_oauth::claims::texts;
use gatehouse_oauth::client::basic_authorization;
use gatehouse_oauth::error::{ErrorCode, OAuthError};
use gatehouse_oauth::form::Form;
use gatehouse_oauth::grant::{AuthenticatedUser, federated_subject};

use super::expected::{Beside, Expected, LIMIT, refused};
use super::userinfo::{self, Attributes};
use super::{Upstreams, id_token, unreachable_provider};

/// Why there is no user.
pub(crate) enum NoUser {
    /// The provider says so itself; the client is told.
    Refused(UpstreamError),
    /// There is no answer that can be believed.
    Rejected(Box<Rejection>),
}

/// What a provider said instead of sending a code.
pub(crate) struct UpstreamError {
    /// What the client is told, in words that mean something to it.
    pub(crate) error: OAuthError,
    /// The provider's own words, for operators.
    pub(crate) said: String,
}

impl From<Rejection> for NoUser {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(Box::new(rejection))
    }
}

#[derive(Deserialize)]
struct Tokens {
    id_token: Option<String>,
    access_token: Option<String>,
}

/// Redeems the code of an authorization response and verifies what comes back.
///
/// In order: the issuer of the response (RFC 9207), an error in it, the code, the ID token (signature, issuer, our
/// client id, times, nonce, and that the tokens beside it are those that it came with), userinfo where the ID token says
/// too little, whether all groups are known.
pub(crate) async fn user(
    upstreams: &Upstreams,
    fetcher: &Fetcher,
    response: &Form,
    expected: &Expected<'_>,
) -> Result<AuthenticatedUser, NoUser> {
    let connector = expected.connector;
    let published = upstreams.published(connector, None).await?;
    check_issuer(response, &published.metadata)?;
    check_no_error(response).map_err(NoUser::Refused)?;
    let code = response.one("code").ok_or_else(|| refused(connector, "the response has no code"))?;
    let tokens = redeem(fetcher, &published.metadata, code, expected).await?;
    let id_token = tokens.id_token.ok_or_else(|| refused(connector, "the token response has no id_token"))?;
    let access_token = tokens.access_token.map(Secret::new);
    let beside = Beside {
        access_token: access_token.as_ref().map(Secret::expose),
        code,
        state: response.one("state"),
    };
    let proven = id_token::verify(upstreams, &id_token, &beside, expected).await?;
    let subject = proven.claims.get("sub").and_then(Value::as_str).filter(|sub| !sub.is_empty());
    let subject = subject.ok_or_else(|| refused(connector, "the ID token has no sub"))?.to_owned();
    let asking = userinfo::Asking { fetcher, published: &published, connector, snapshot: expected.snapshot };
    let known = userinfo::complete(&asking, access_token.as_ref(), proven.claims).await?;
    check_groups(&known, &subject, connector)?;
    let Attributes { claims, groups_complete } = known;
    let auth_time = claims.get("auth_time").and_then(Value::as_i64).map(Timestamp::from_unix_seconds);
    // §2: required when max_age was sent; without it the sign-in may be of any age.
    let unknown = if expected.max_age.is_some() { Timestamp::from_unix_seconds(0) } else { expected.now };
    Ok(AuthenticatedUser {
        subject: federated_subject(&proven.issuer, &subject),
        connector: connector.name.clone(),
        upstream_issuer: Some(proven.issuer),
        upstream_subject: subject,
        groups: texts(claims.get("groups")),
        groups_complete: Some(groups_complete),
        auth_time: auth_time.unwrap_or(unknown).min(expected.now),
        amr: texts(claims.get("amr")),
        attributes: claims,
        session: None,
    })
}

/// RFC 9207 §2.4: whoever says that it names itself must do so, and whoever names itself must be the one we asked.
fn check_issuer(response: &Form, metadata: &Metadata) -> Result<(), Rejection> {
    match response.one("iss") {
        Some(iss) if iss == metadata.issuer.as_str() => Ok(()),
        Some(iss) => {
            Err(mixed_up(format!("iss is {iss:?}, the provider states {:?}", metadata.issuer.as_str())))
        }
        None if metadata.authorization_response_iss_parameter_supported => {
            Err(mixed_up("iss is missing although the provider promises it".to_owned()))
        }
        None => Ok(()),
    }
}

/// A policy that denies by group must not let somebody pass whose groups nobody here knows.
fn check_groups(known: &Attributes, subject: &str, connector: &OidcConnector) -> Result<(), Rejection> {
    if known.groups_complete {
        return Ok(());
    }
    let (name, user) = (&connector.name, loggable(excerpt(subject)));
    if connector.incomplete_groups == IncompleteGroups::Allow {
        tracing::warn!(connector = %name, user = %user, "groups of a user are not all known");
        return Ok(());
    }
    let public = "Your identity provider did not say which groups you are in: there are too many of them. Ask whoever \
                  administers it to send only those that matter here.";
    Err(Rejection::new(RejectionKind::Forbidden, "groups_incomplete", public).because(format!(
        "connector {name}: the groups of {user} were left out; let the provider send fewer of them, or write \
         `onIncompleteGroups: allow`"
    )))
}

/// Errors about the person or the moment are the client's to know; the others are between the provider and us.
fn check_no_error(response: &Form) -> Result<(), UpstreamError> {
    let Some(code) = response.one("error") else { return Ok(()) };
    let description = response.one("error_description").unwrap_or_default();
    let (told, text) = match code {
        "access_denied"
        | "login_required"
        | "interaction_required"
        | "consent_required"
        | "account_selection_required" => {
            (ErrorCode::AccessDenied, "the identity provider says that access was denied")
        }
        "temporarily_unavailable" => {
            (ErrorCode::TemporarilyUnavailable, "the identity provider is temporarily unavailable")
        }
        _ => (ErrorCode::ServerError, "the identity provider refused this sign-in"),
    };
    Err(UpstreamError { error: OAuthError::new(told, text), said: format!("{code:?} {description:?}") })
}

async fn redeem(
    fetcher: &Fetcher,
    metadata: &Metadata,
    code: &str,
    expected: &Expected<'_>,
) -> Result<Tokens, Rejection> {
    let connector = expected.connector;
    let failed = |why: String| unreachable_provider(connector, &why);
    let endpoint =
        metadata.token_endpoint.as_deref().ok_or_else(|| failed("no token_endpoint".to_owned()))?;
    let endpoint = Url::parse(endpoint).map_err(|error| failed(error.to_string()))?;
    let (form, authorization) = token_form(metadata, code, expected)?;
    let trust = Trust::configured(&connector.discovery);
    let answer = fetcher.post_form(&endpoint, &trust, form, authorization, LIMIT).await;
    let (status, body) = answer.map_err(|error| failed(error.to_string()))?;
    if !status.is_success() {
        let head: String = String::from_utf8_lossy(&body).chars().take(300).collect();
        return Err(refused(connector, &format!("the token endpoint answered {status}: {head:?}")));
    }
    serde_json::from_slice(&body).map_err(|error| failed(format!("token response: {error}")))
}

/// The token request, and the header that authenticates it where the provider takes one.
fn token_form(
    metadata: &Metadata,
    code: &str,
    expected: &Expected<'_>,
) -> Result<(String, Option<HeaderValue>), Rejection> {
    let connector = expected.connector;
    let failed = |why: String| unreachable_provider(connector, &why);
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "authorization_code")
        .append_pair("code", code)
        .append_pair("redirect_uri", expected.redirect_uri);
    if connector.pkce {
        form.append_pair("code_verifier", &expected.leg.pkce_verifier);
    }
    let offered = &metadata.token_endpoint_auth_methods_supported;
    let offers = |method: &str| offered.iter().any(|known| known == method);
    let mut authorization = None;
    match &connector.client_secret {
        None => {
            form.append_pair("client_id", &connector.client_id);
        }
        // Not stated means Basic (RFC 8414 §2).
        Some(secret) if offered.is_empty() || offers("client_secret_basic") => {
            let header = basic_authorization(&connector.client_id, secret);
            authorization =
                Some(HeaderValue::from_str(header.expose()).map_err(|error| failed(error.to_string()))?);
        }
        Some(secret) if offers("client_secret_post") => {
            form.append_pair("client_id", &connector.client_id).append_pair("client_secret", secret.expose());
        }
        Some(_) => return Err(failed(format!("it takes no client secret, only {offered:?}"))),
    }
    Ok((form.finish(), authorization))
}

fn mixed_up(why: String) -> Rejection {
    Rejection::malformed(
        "upstream_issuer_mismatch",
        "The answer comes from another identity provider than the one that was asked.",
    )
    .because(why)
}
