//! The authorization code flow with PKCE, with the user's part at the browser.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use gatehouse_identity::rng::Rng;
use gatehouse_identity::secret::Secret;
use serde_json::Value;
use url::Url;

use super::discovery::Discovery;
use super::form::Form;
use super::http::{Answer, Call, Client, join_url};
use super::story::{Mismatch, expect};
use crate::demo::credentials::Person;
use crate::demo::traffic::TrafficLog;

/// Most pages and redirects between the client and its code.
const MAX_HOPS: usize = 12;

/// A client as it is registered.
#[derive(Clone, Copy)]
pub(super) struct Application<'a> {
    pub(super) client_id: &'a str,
    pub(super) secret: Option<&'a Secret>,
    pub(super) redirect_uri: &'a str,
}

/// Somebody who has signed in.
pub(super) struct Session {
    pub(super) token: Secret,
    /// What the access token says; the client itself has no business reading it.
    pub(super) claims: Value,
    pub(super) client_id: String,
}

/// How a walk through the pages ended.
#[derive(Debug)]
pub(super) enum Journey {
    /// At the client's redirect URI.
    Arrived(Url),
    /// At the sign-in page again, after a password was sent.
    Refused,
}

/// One client of the flow: what it remembers between its requests.
pub(super) struct Flow<'a> {
    discovery: &'a Discovery,
    application: Application<'a>,
    state: String,
    verifier: String,
}

impl<'a> Flow<'a> {
    pub(super) fn new(discovery: &'a Discovery, application: Application<'a>, rng: &dyn Rng) -> Self {
        Self { discovery, application, state: rng.token(16), verifier: rng.token(48) }
    }

    /// Opens the authorization URL in a fresh browser, signs `username` in and agrees to everything.
    pub(super) async fn walk(
        &self,
        person: &Person,
        password: &str,
        seen: &TrafficLog,
    ) -> Result<Journey, Mismatch> {
        let mut browser = Client::default();
        let mut page = self.authorization_url();
        let mut answer = browser.send(Call::get(page.clone())).await?;
        let mut sent_password = false;
        for _ in 0..MAX_HOPS {
            browser.cookies().for_each(|cookie| seen.watch(Secret::new(cookie.to_owned())));
            let next = if answer.status.is_redirection() {
                let target = join_url(&page, answer.header("location").unwrap_or_default())?;
                if target.as_str().starts_with(self.application.redirect_uri) {
                    return Ok(Journey::Arrived(target));
                }
                page = target;
                Call::get(page.clone())
            } else {
                let mut form = Form::first(&answer.text()).ok_or_else(|| no_form(&answer))?;
                if form.asks("password") {
                    if sent_password {
                        return Ok(Journey::Refused);
                    }
                    sent_password = true;
                    form.fill("username", person.username);
                    form.fill("password", password);
                } else if !form.press("decision", "approve") {
                    return Err(no_form(&answer));
                }
                let origin = page.origin().ascii_serialization();
                page = join_url(&page, &form.action)?;
                Call::form(page.clone(), &form.fields).with("origin", origin)
            };
            answer = browser.send(next).await?;
        }
        Err(Mismatch::new(
            format!("a redirect to {}", self.application.redirect_uri),
            format!("{MAX_HOPS} pages and no end"),
        ))
    }

    /// Checks the answer at the redirect URI and trades its code for tokens.
    pub(super) async fn redeem(&self, arrived: &Url, seen: &TrafficLog) -> Result<Session, Mismatch> {
        let answer = |name: &str| {
            arrived.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        expect(answer("state").as_ref() == Some(&self.state), "our `state`", arrived)?;
        expect(
            answer("iss").as_ref() == Some(&self.discovery.issuer),
            "`iss` of the authorization server",
            arrived,
        )?;
        let code = answer("code").ok_or_else(|| Mismatch::new("a code", arrived))?;
        let reply = self.token_request(code).await?.with_status(200)?;
        expect(
            reply.header("cache-control").is_some_and(|value| value.contains("no-store")),
            "Cache-Control: no-store",
            format!("{:?}", reply.headers),
        )?;
        let reply = reply.json()?;
        for name in ["access_token", "refresh_token", "id_token"] {
            if let Some(token) = reply.get(name).and_then(Value::as_str) {
                seen.watch(Secret::new(token.to_owned()));
            }
        }
        let token = reply.get("access_token").and_then(Value::as_str).unwrap_or_default();
        let claims =
            claims(token).ok_or_else(|| Mismatch::new("a signed access token (RFC 9068)", "none"))?;
        expect(reply.get("refresh_token").is_some(), "a refresh token", "none")?;
        Ok(Session {
            token: Secret::new(token.to_owned()),
            claims,
            client_id: self.application.client_id.to_owned(),
        })
    }

    async fn token_request(&self, code: String) -> Result<Answer, Mismatch> {
        let mut fields = vec![
            ("grant_type".to_owned(), "authorization_code".to_owned()),
            ("code".to_owned(), code),
            ("redirect_uri".to_owned(), self.application.redirect_uri.to_owned()),
            ("code_verifier".to_owned(), self.verifier.clone()),
            ("resource".to_owned(), self.discovery.resource.to_string()),
        ];
        let endpoint = self.discovery.token_endpoint.clone();
        let call = if let Some(secret) = self.application.secret {
            let pair = format!("{}:{}", self.application.client_id, secret.expose());
            Call::form(endpoint, &fields).with("authorization", format!("Basic {}", STANDARD.encode(pair)))
        } else {
            fields.push(("client_id".to_owned(), self.application.client_id.to_owned()));
            Call::form(endpoint, &fields)
        };
        Client::default().send(call).await
    }

    fn authorization_url(&self) -> Url {
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, self.verifier.as_bytes()));
        let mut url = self.discovery.authorization_endpoint.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", self.application.client_id)
            .append_pair("redirect_uri", self.application.redirect_uri)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256")
            .append_pair("state", &self.state)
            .append_pair("scope", "openid profile email offline_access")
            .append_pair("resource", self.discovery.resource.as_str());
        url
    }
}

fn no_form(answer: &Answer) -> Mismatch {
    let expected = "a redirect, a form with a password, or one with decision=approve";
    Mismatch::new(expected, format!("{} {}", answer.status, answer.text()))
}

/// The claims of a token, unverified.
fn claims(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}
