//! The checks of an authorization request, one function each, in the order in which they run.

use std::collections::BTreeSet;

use gatehouse_identity::audience::Audience;
use gatehouse_identity::scope::ScopeSet;

use crate::authorization::{AuthorizationError, PkceDemand, Prompt, RedirectParameter, ServerRules, words};
use crate::client::{Client, ClientOrigin, GrantType};
use crate::error::{ErrorCode, OAuthError, invalid_request};
use crate::form::Form;
use crate::pkce::Challenge;
use crate::redirect::RedirectUri;
use crate::target;

/// The longest value of a parameter that is stored and echoed, in bytes.
const MAX_ECHOED_BYTES: usize = 2048;

/// The request is for the client that the caller looked up.
pub(super) fn names_client(form: &Form, client: &Client) -> Result<(), AuthorizationError> {
    match form.one("client_id") {
        Some(id) if id == client.id.as_str() => Ok(()),
        Some(_) => Err(AuthorizationError::show(ErrorCode::InvalidRequest, "client_id names another client")),
        None => Err(AuthorizationError::show(ErrorCode::InvalidRequest, "client_id is missing")),
    }
}

/// The answer goes to a registered place; only an operator's own registration may leave it out.
pub(super) fn registered_redirect(
    form: &Form,
    client: &Client,
) -> Result<(RedirectUri, RedirectParameter), AuthorizationError> {
    if let Some(requested) = form.one("redirect_uri") {
        return match client.redirects.matches(requested, client.kind) {
            Ok(uri) => Ok((uri, RedirectParameter::Sent)),
            Err(mismatch) => Err(AuthorizationError::Show {
                error: invalid_request("redirect_uri is not registered for this client"),
                mismatch: Some(Box::new(mismatch)),
            }),
        };
    }
    let sole = if client.origin == ClientOrigin::Registered { client.redirects.sole() } else { None };
    sole.map(|uri| (uri, RedirectParameter::Omitted))
        .ok_or_else(|| AuthorizationError::show(ErrorCode::InvalidRequest, "redirect_uri is missing"))
}

/// No request objects.
pub(super) fn carries_no_request_object(form: &Form) -> Result<(), OAuthError> {
    if form.one("request").is_some() {
        Err(OAuthError::new(ErrorCode::RequestNotSupported, "request objects are not offered"))
    } else if form.one("request_uri").is_some() {
        Err(OAuthError::new(ErrorCode::RequestUriNotSupported, "request_uri is not offered"))
    } else {
        Ok(())
    }
}

/// OAuth 2.1 has one response type.
pub(super) fn response_type_is_code(form: &Form) -> Result<(), OAuthError> {
    match form.one("response_type") {
        Some("code") => Ok(()),
        Some(_) => Err(OAuthError::new(ErrorCode::UnsupportedResponseType, "response_type must be code")),
        None => Err(invalid_request("response_type is missing; it must be code")),
    }
}

/// The answer travels in the query.
pub(super) fn response_mode_is_query(form: &Form) -> Result<(), OAuthError> {
    match form.one("response_mode") {
        None | Some("query") => Ok(()),
        Some(_) => Err(invalid_request("response_mode must be query")),
    }
}

/// The grant is registered for the client.
pub(super) fn client_may_use_codes(client: &Client) -> Result<(), OAuthError> {
    if client.may_use(GrantType::AuthorizationCode) {
        Ok(())
    } else {
        Err(client.may_not_use(GrantType::AuthorizationCode))
    }
}

/// An S256 challenge.
pub(super) fn challenge(
    form: &Form,
    client: &Client,
    demand: PkceDemand,
) -> Result<Option<Challenge>, OAuthError> {
    match form.one("code_challenge") {
        Some(challenge) => Challenge::parse(challenge, form.one("code_challenge_method"))
            .map(Some)
            .map_err(|error| invalid_request(format!("code_challenge: {error}"))),
        None if form.one("code_challenge_method").is_some() => {
            Err(invalid_request("code_challenge_method stands without code_challenge"))
        }
        None if demand.applies_to(client.kind) => {
            Err(invalid_request("code_challenge with method S256 is required"))
        }
        None => Ok(None),
    }
}

/// A18 and RFC 6749 §3.3: scopes that exist here but not for this client are left out, so that asking for all of
/// `scopes_supported` is safe; scopes that do not exist are an error.
pub(super) fn scopes(form: &Form, client: &Client, rules: &ServerRules) -> Result<ScopeSet, OAuthError> {
    let invalid = |text: String| OAuthError::new(ErrorCode::InvalidScope, text);
    let beyond = |text: String, asked: &ScopeSet| invalid(text).because(client.scopes_instead_of(asked));
    let Some(text) = form.one("scope") else {
        return Ok(client.default_scopes.as_ref().unwrap_or(&client.scopes).intersection(&client.scopes));
    };
    let requested = ScopeSet::parse(text).map_err(|error| invalid(error.to_string()))?;
    let unknown = requested.difference(&rules.scopes).difference(&client.scopes);
    if !unknown.is_empty() {
        return Err(beyond(format!("unknown scope: {unknown}"), &requested));
    }
    let granted = requested.intersection(&client.scopes);
    if granted.is_empty() && !requested.is_empty() {
        return Err(beyond(format!("this client may not ask for any of: {requested}"), &requested));
    }
    Ok(granted)
}

/// Every `resource` and `audience` is one that the client may use.
pub(super) fn audiences(
    form: &Form,
    client: &Client,
    rules: &ServerRules,
) -> Result<Vec<Audience>, OAuthError> {
    target::requested(form)?.resolve(client, &rules.resources)
}

/// A11: `none` stands alone.
pub(super) fn prompt(form: &Form) -> Result<BTreeSet<Prompt>, OAuthError> {
    let known = |value: &String| match value.as_str() {
        "none" => Some(Prompt::None),
        "login" => Some(Prompt::Login),
        "consent" => Some(Prompt::Consent),
        "select_account" => Some(Prompt::SelectAccount),
        _ => None,
    };
    let values = form.one("prompt").map(words).unwrap_or_default();
    let prompt: BTreeSet<Prompt> = values.iter().filter_map(known).collect();
    if prompt.contains(&Prompt::None) && values.len() > 1 {
        return Err(invalid_request("prompt=none cannot stand with other values"));
    }
    Ok(prompt)
}

/// A number of seconds.
pub(super) fn max_age(form: &Form) -> Result<Option<u64>, OAuthError> {
    let digits =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    form.one("max_age")
        .map(|text| digits(text).ok_or_else(|| invalid_request("max_age must be a number of seconds")))
        .transpose()
}

/// A value that we keep and send on is of bounded length.
pub(super) fn bounded(form: &Form, name: &str) -> Result<Option<String>, OAuthError> {
    match form.one(name) {
        Some(value) if value.len() > MAX_ECHOED_BYTES => {
            Err(invalid_request(format!("{name} may take at most {MAX_ECHOED_BYTES} bytes")))
        }
        value => Ok(value.map(str::to_owned)),
    }
}
