//! An OAuth client.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Map, Value};
use url::form_urlencoded::byte_serialize;

use gatehouse_identity::audience::Audience;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::Issuer;
use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::jose::jwk::KeySet;
use gatehouse_identity::jose::strict_json::parse_object;
use gatehouse_identity::jose::token::UnverifiedToken;
use gatehouse_identity::jose::verify::{Expectations, TokenType};

use crate::answer::{Answer, form, send};
use crate::browser::Browser;
use crate::server::{SECRET, Server};

/// RFC 7636 appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// RFC 7636 appendix B.
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// The grant type of RFC 8693.
pub(crate) const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// The type of access tokens in RFC 8693.
pub(crate) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Parameters of a request.
pub(crate) type Parameters = Vec<(String, String)>;

/// An OAuth client.
#[derive(Clone)]
pub(crate) struct Client<'a> {
    server: &'a Server,
    pub(crate) id: String,
    pub(crate) redirect: String,
    pub(crate) proof: Proof,
    agent: Option<String>,
}

/// How a client proves who it is.
#[derive(Clone, Debug)]
pub(crate) enum Proof {
    Nothing,
    Basic(String),
    Post(String),
}

impl<'a> Client<'a> {
    pub(crate) fn public(server: &'a Server, id: &str, redirect: &str) -> Self {
        Self { server, id: id.into(), redirect: redirect.into(), proof: Proof::Nothing, agent: None }
    }

    pub(crate) fn confidential(server: &'a Server, id: &str, redirect: &str) -> Self {
        Self {
            server,
            id: id.into(),
            redirect: redirect.into(),
            proof: Proof::Basic(SECRET.into()),
            agent: None,
        }
    }

    pub(crate) fn with_proof(&self, proof: Proof) -> Self {
        Self { proof, ..self.clone() }
    }

    /// The same client, as this program.
    pub(crate) fn with_agent(&self, agent: &str) -> Self {
        Self { agent: Some(agent.into()), ..self.clone() }
    }

    pub(crate) fn with_redirect(&self, redirect: &str) -> Self {
        Self { redirect: redirect.into(), ..self.clone() }
    }

    /// The parameters of a good authorization request.
    pub(crate) fn request(&self) -> Parameters {
        pairs(&[
            ("response_type", "code"),
            ("client_id", &self.id),
            ("redirect_uri", &self.redirect),
            ("state", "st-1"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ])
    }

    /// The URL of an authorization request with these parameters added, or replaced, or removed where empty.
    pub(crate) fn authorization_url(&self, changes: &[(&str, &str)]) -> String {
        let parameters = changed(self.request(), changes);
        format!("/oauth2/auth?{}", form(&parameters))
    }

    /// A code for `username`, who signs in and agrees where asked.
    pub(crate) async fn code_for(&self, username: &str, changes: &[(&str, &str)]) -> String {
        let mut browser = Browser::new(self.server);
        self.code_in(&mut browser, username, changes).await
    }

    /// A code for `username` in this browser.
    pub(crate) async fn code_in(
        &self,
        browser: &mut Browser<'_>,
        username: &str,
        changes: &[(&str, &str)],
    ) -> String {
        let answer = browser.approve_as(username, &self.authorization_url(changes)).await;
        answer.redirected_with("code").unwrap_or_else(|| panic!("no code: {answer:#?}"))
    }

    /// The parameters that redeem `code`.
    pub(crate) fn redemption(&self, code: &str) -> Parameters {
        pairs(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect),
            ("code_verifier", VERIFIER),
        ])
    }

    /// Redeems a code.
    pub(crate) async fn redeem(&self, code: &str) -> Answer {
        self.token(&self.redemption(code)).await
    }

    /// The whole code flow: the token response for `username`.
    pub(crate) async fn tokens_for(&self, username: &str, changes: &[(&str, &str)]) -> Value {
        let code = self.code_for(username, changes).await;
        self.redeem(&code).await.ok()
    }

    /// Refreshes.
    pub(crate) async fn refresh(&self, token: &str, changes: &[(&str, &str)]) -> Answer {
        let parameters = pairs(&[("grant_type", "refresh_token"), ("refresh_token", token)]);
        self.token(&changed(parameters, changes)).await
    }

    /// Exchanges a token.
    pub(crate) async fn exchange(&self, subject_token: &str, changes: &[(&str, &str)]) -> Answer {
        let parameters = pairs(&[
            ("grant_type", EXCHANGE),
            ("subject_token", subject_token),
            ("subject_token_type", ACCESS_TOKEN),
            ("audience", "https://tools.example/api"),
        ]);
        self.token(&changed(parameters, changes)).await
    }

    /// Posts to the token endpoint.
    pub(crate) async fn token(&self, parameters: &[(String, String)]) -> Answer {
        self.post("/oauth2/token", parameters).await
    }

    /// Posts to an endpoint, proving who the client is.
    pub(crate) async fn post(&self, path: &str, parameters: &[(String, String)]) -> Answer {
        let mut parameters = parameters.to_vec();
        let mut request = Request::post(path)
            .header("host", self.server.address.to_string())
            .header("content-type", "application/x-www-form-urlencoded");
        if let Some(agent) = &self.agent {
            request = request.header("user-agent", agent);
        }
        match &self.proof {
            Proof::Nothing => parameters.push(("client_id".into(), self.id.clone())),
            Proof::Post(secret) => {
                parameters.push(("client_id".into(), self.id.clone()));
                parameters.push(("client_secret".into(), secret.clone()));
            }
            Proof::Basic(secret) => request = request.header("authorization", basic(&self.id, secret)),
        }
        let body = Full::new(Bytes::from(form(&parameters)));
        send(self.server.address, request.body(body).unwrap()).await
    }
}

/// RFC 6749 §2.3.1: both halves form-urlencoded, then base64.
pub(crate) fn basic(id: &str, secret: &str) -> String {
    let half = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", half(id), half(secret))))
}

/// Owned parameters.
pub(crate) fn pairs(parameters: &[(&str, &str)]) -> Parameters {
    parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// `parameters` with these replaced, added, or removed where empty. A name that stands in `changes` more than once
/// stands there as often.
pub(crate) fn changed(mut parameters: Parameters, changes: &[(&str, &str)]) -> Parameters {
    parameters.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    parameters.extend(pairs(changes).into_iter().filter(|(_, value)| !value.is_empty()));
    parameters
}

/// The text of a member of a token response.
#[track_caller]
pub(crate) fn text<'v>(answer: &'v Value, member: &str) -> &'v str {
    answer[member].as_str().unwrap_or_else(|| panic!("no {member}: {answer:#}"))
}

/// The claims of a token whose signature `keys` verify.
#[track_caller]
pub(crate) fn verified_claims(token: &str, keys: &KeySet) -> Map<String, Value> {
    let unverified = UnverifiedToken::parse(token).unwrap();
    let claims = payload(token);
    let audiences = match &claims["aud"] {
        Value::String(one) => vec![Audience::new(one.clone())],
        many => many.as_array().unwrap().iter().map(|one| Audience::new(one.as_str().unwrap())).collect(),
    };
    let forever = Duration::from_hours(24 * 365 * 50);
    let expectations = Expectations {
        issuer: Issuer::new(claims["iss"].as_str().unwrap()),
        audiences,
        algorithms: Algorithm::ALL.to_vec(),
        token_type: TokenType::Either,
        leeway: forever,
        max_lifetime: forever,
    };
    let issued_at = Timestamp::from_unix_seconds(claims["iat"].as_i64().unwrap());
    unverified.verify(keys, &expectations, issued_at).unwrap().claims().clone()
}

/// The claims of a token, unverified.
#[track_caller]
pub(crate) fn payload(token: &str) -> Map<String, Value> {
    part(token, 1)
}

/// The header of a token.
#[track_caller]
pub(crate) fn header(token: &str) -> Map<String, Value> {
    part(token, 0)
}

#[track_caller]
fn part(token: &str, index: usize) -> Map<String, Value> {
    let part = token.split('.').nth(index).unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(part).unwrap();
    parse_object(&bytes).unwrap()
}
