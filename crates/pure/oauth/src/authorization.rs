//! Authorization requests (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1): parsed once, as an ordered list of checks.

use std::collections::BTreeSet;

use gatehouse_identity::audience::Audience;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::{ClientId, Issuer};
use gatehouse_identity::scope::ScopeSet;
use serde::{Deserialize, Serialize};

use crate::client::{Client, ClientKind, ClientOrigin, ConsentMode};
use crate::error::{ErrorCode, OAuthError};
use crate::form::Form;
use crate::pkce::Challenge;
use crate::redirect::{RedirectMismatch, RedirectUri};

mod checks;

/// An authorization request that passed every check; kept with its grant.
///
/// Only [`AuthorizationRequest::parse`] makes one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AuthorizationRequest {
    /// The client.
    pub client: ClientId,
    /// Where the answer goes.
    pub redirect_uri: RedirectUri,
    /// Whether the request named the redirect; if so, the token request has to repeat it (RFC 6749 §4.1.3).
    pub redirect_parameter: RedirectParameter,
    /// `state`, returned untouched.
    pub state: Option<String>,
    /// What the client may be granted of what it asked for.
    pub scopes: ScopeSet,
    /// Where the tokens will be good.
    pub audiences: Vec<Audience>,
    /// The PKCE commitment; absent only when the server does not demand it of confidential clients.
    pub challenge: Option<Challenge>,
    /// `nonce`, for the ID token.
    pub nonce: Option<String>,
    /// What the user must or must not be shown.
    pub prompt: BTreeSet<Prompt>,
    /// The oldest acceptable sign-in, in seconds.
    pub max_age: Option<u64>,
    /// `login_hint`, as sent. Never forwarded upstream unless configured.
    pub login_hint: Option<String>,
    /// `acr_values`, most wanted first.
    pub acr_values: Vec<String>,
    /// `ui_locales`, as sent.
    pub ui_locales: Option<String>,
    /// `id_token_hint`, not verified: the door that holds the keys does that and calls [`Self::honours_hint`].
    pub id_token_hint: Option<String>,
}

/// Whether `redirect_uri` was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RedirectParameter {
    /// It was.
    Sent,
    /// It was left out and the one registered URI stands in.
    Omitted,
}

/// One value of `prompt` (OpenID Connect Core §3.1.2.1); unknown values are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// Show nothing.
    None,
    /// Sign in again.
    Login,
    /// Ask again.
    Consent,
    /// Sign in with a free choice of account.
    SelectAccount,
}

/// What the server as a whole allows.
#[derive(Clone, Debug)]
pub struct ServerRules {
    /// Our issuer identifier.
    pub issuer: Issuer,
    /// Every scope that exists here.
    pub scopes: ScopeSet,
    /// The resources that this server itself protects, such as the MCP endpoint.
    pub resources: Vec<Audience>,
    /// Who has to use PKCE.
    pub pkce: PkceDemand,
}

/// Who has to use PKCE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PkceDemand {
    /// Every client (OAuth 2.1 §4.1.1).
    Everyone,
    /// Public clients; confidential ones may.
    PublicClients,
}

/// A refused authorization request, and who may be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizationError {
    /// Nothing proves where an answer could go: show a page, never redirect (RFC 6749 §4.1.2.1).
    #[error("{error}")]
    Show {
        /// What to show.
        error: OAuthError,
        /// For the log, when the redirect URI was the reason: exactly what came and what was nearest.
        mismatch: Option<Box<RedirectMismatch>>,
    },
    /// The client may be told at its redirect URI.
    #[error("{error}")]
    Redirect {
        /// Where.
        uri: RedirectUri,
        /// `state`, untouched.
        state: Option<String>,
        /// What.
        error: OAuthError,
        /// How the browser gets there.
        via: RedirectVia,
    },
}

/// How a browser gets to an error's redirect URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedirectVia {
    /// By a redirect.
    Direct,
    /// By a page that names the destination: the client vouches for itself, so an automatic redirect would
    /// make us an open redirector.
    Interstitial,
}

/// How the sign-in of a request goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignIn {
    /// The session at hand is good enough.
    UseSession,
    /// The user has to sign in.
    Interactive,
    /// Nothing may be shown: `login_required`.
    Refused,
}

/// How the consent of a request goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsentStep {
    /// Nobody needs to be asked.
    Granted,
    /// The user has to be asked.
    Ask,
    /// Nothing may be shown: `consent_required`.
    Refused,
}

/// What is remembered about the consent of the user to this client, redirect host, scopes and resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RememberedConsent {
    /// A matching consent is on record.
    Found,
    /// None is.
    Absent,
}

impl AuthorizationRequest {
    /// Checks the parameters of a request by `client`, which the caller looked up by its `client_id`.
    pub fn parse(form: &Form, client: &Client, rules: &ServerRules) -> Result<Self, AuthorizationError> {
        checks::names_client(form, client)?;
        let (redirect_uri, redirect_parameter) = checks::registered_redirect(form, client)?;
        let state = form.one("state").map(str::to_owned);
        let refuse = |error| AuthorizationError::redirect(client, redirect_uri.clone(), state.clone(), error);

        checks::carries_no_request_object(form).map_err(refuse)?;
        checks::response_type_is_code(form).map_err(refuse)?;
        checks::response_mode_is_query(form).map_err(refuse)?;
        checks::client_may_use_codes(client).map_err(refuse)?;
        let challenge = checks::challenge(form, client, rules.pkce).map_err(refuse)?;
        let scopes = checks::scopes(form, client, rules).map_err(refuse)?;
        let audiences = checks::audiences(form, client, rules).map_err(refuse)?;
        let prompt = checks::prompt(form).map_err(refuse)?;
        let max_age = checks::max_age(form).map_err(refuse)?;
        let nonce = checks::bounded(form, "nonce").map_err(refuse)?;
        let login_hint = checks::bounded(form, "login_hint").map_err(refuse)?;
        let ui_locales = checks::bounded(form, "ui_locales").map_err(refuse)?;

        Ok(Self {
            client: client.id.clone(),
            redirect_uri: redirect_uri.clone(),
            redirect_parameter,
            state: state.clone(),
            scopes,
            audiences,
            challenge,
            nonce,
            prompt,
            max_age,
            login_hint,
            acr_values: form.one("acr_values").map(words).unwrap_or_default(),
            ui_locales,
            id_token_hint: form.one("id_token_hint").map(str::to_owned),
        })
    }

    /// How to go on, given when the user of the browser's session signed in.
    pub fn sign_in(&self, session: Option<Timestamp>, now: Timestamp) -> SignIn {
        let fresh = |since: Timestamp| self.max_age.is_none_or(|limit| now.since(since).as_secs() <= limit);
        let good = session.is_some_and(fresh)
            && !self.prompted(Prompt::Login)
            && !self.prompted(Prompt::SelectAccount);
        match (good, self.prompted(Prompt::None)) {
            (true, _) => SignIn::UseSession,
            (false, true) => SignIn::Refused,
            (false, false) => SignIn::Interactive,
        }
    }

    /// How to go on, once the user is known.
    ///
    /// A metadata-document client with a loopback redirect is asked for every time: its `client_id` is shared
    /// by everyone, so any local program could borrow a remembered consent.
    pub fn consent(&self, client: &Client, remembered: RememberedConsent) -> ConsentStep {
        let borrowable = client.origin != ClientOrigin::Registered && self.redirect_uri.is_loopback();
        let silent = match client.consent {
            _ if self.prompted(Prompt::Consent) || borrowable => false,
            ConsentMode::Preapproved => true,
            ConsentMode::Remembered => remembered == RememberedConsent::Found,
            ConsentMode::EveryTime => false,
        };
        match (silent, self.prompted(Prompt::None)) {
            (true, _) => ConsentStep::Granted,
            (false, true) => ConsentStep::Refused,
            (false, false) => ConsentStep::Ask,
        }
    }

    /// Whether a consent to this request may be remembered at all: never for loopback or private-use redirects,
    /// behind which any local program can stand.
    pub fn consent_is_memorable(&self, client: &Client) -> bool {
        client.consent == ConsentMode::Remembered && self.redirect_uri.as_str().starts_with("https://")
    }

    /// Checks the verified subject of `id_token_hint` against the user who is signed in.
    pub fn honours_hint(&self, hinted: &str, signed_in: &str) -> Result<(), OAuthError> {
        if hinted == signed_in {
            Ok(())
        } else {
            Err(OAuthError::new(
                ErrorCode::LoginRequired,
                "another user than the one of id_token_hint is signed in",
            ))
        }
    }

    /// The URL of the success response: `code`, `state` and `iss` (RFC 9207).
    pub fn success_location(&self, code: &str, issuer: &Issuer) -> String {
        let mut parameters = vec![("code", code)];
        parameters.extend(self.state.as_deref().map(|state| ("state", state)));
        parameters.push(("iss", issuer.as_str()));
        self.redirect_uri.with_query(&parameters)
    }

    fn prompted(&self, value: Prompt) -> bool {
        self.prompt.contains(&value)
    }

    /// A refusal that was decided after the request had been accepted, such as a denied consent.
    pub fn refuse(&self, client: &Client, error: OAuthError) -> AuthorizationError {
        AuthorizationError::redirect(client, self.redirect_uri.clone(), self.state.clone(), error)
    }
}

impl AuthorizationError {
    pub(crate) fn show(code: ErrorCode, description: &str) -> Self {
        Self::Show { error: OAuthError::new(code, description), mismatch: None }
    }

    fn redirect(client: &Client, uri: RedirectUri, state: Option<String>, error: OAuthError) -> Self {
        let via = match client.origin {
            ClientOrigin::Registered => RedirectVia::Direct,
            ClientOrigin::MetadataDocument { .. } => RedirectVia::Interstitial,
        };
        Self::Redirect { uri, state, error, via }
    }

    /// What is wrong.
    pub fn error(&self) -> &OAuthError {
        match self {
            Self::Show { error, .. } | Self::Redirect { error, .. } => error,
        }
    }

    /// The URL of the error response with `state` and `iss`; `None` when only a page may be shown.
    pub fn location(&self, issuer: &Issuer) -> Option<String> {
        let Self::Redirect { uri, state, error, .. } = self else { return None };
        let mut parameters =
            vec![("error", error.code().as_str()), ("error_description", error.description())];
        parameters.extend(state.as_deref().map(|state| ("state", state)));
        parameters.push(("iss", issuer.as_str()));
        Some(uri.with_query(&parameters))
    }
}

impl PkceDemand {
    pub(crate) fn applies_to(self, kind: ClientKind) -> bool {
        self == Self::Everyone || kind == ClientKind::Public
    }
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
