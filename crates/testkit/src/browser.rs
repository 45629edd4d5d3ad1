//! A person at a browser, and the application that sent them there (RFC 6749 §4.1 with PKCE).

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::authority::random;
use crate::process::Gateway;
use crate::raw_http::{Request, Response};

/// An application as it is registered.
#[derive(Clone, Copy, Debug)]
pub struct Application<'a> {
    /// Its client id.
    pub client_id: &'a str,
    /// Its secret, when it can keep one.
    pub secret: Option<&'a str>,
    /// Where it waits for its code.
    pub redirect_uri: &'a str,
    /// What it asks for.
    pub scope: &'a str,
    /// For which resource, if any.
    pub resource: Option<&'a str>,
}

/// Somebody with a password.
#[derive(Clone, Copy, Debug)]
pub struct Person<'a> {
    /// The name to sign in with.
    pub username: &'a str,
    /// The password.
    pub password: &'a str,
}

/// Everything that one sign-in brought along.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// The code, spent by now.
    pub code: String,
    /// The PKCE verifier.
    pub verifier: String,
    /// Values of all cookies.
    pub cookies: Vec<String>,
    /// The access token.
    pub access_token: String,
    /// The refresh token; empty when there is none.
    pub refresh_token: String,
    /// The ID token; empty when there is none.
    pub id_token: String,
}

/// Where every request of a browser seems to come from.
pub type Decorate<'a> = &'a dyn Fn(Request) -> Request;

/// Signs `person` in to `application`; `decorate` may add to every request on the way.
pub fn sign_in(
    gateway: &Gateway,
    application: &Application<'_>,
    person: &Person<'_>,
    decorate: Decorate<'_>,
) -> SignIn {
    let verifier = random(48);
    let (code, cookies) = authorize(gateway, application, person, &verifier, decorate);
    let response = redeem(gateway, application, &code, &verifier, decorate);
    assert_eq!(response.status, 200, "{}", response.text());
    let answer = response.json();
    let token = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    SignIn {
        access_token: token("access_token"),
        refresh_token: token("refresh_token"),
        id_token: token("id_token"),
        code,
        verifier,
        cookies,
    }
}

/// Walks from the authorization endpoint to the code, through every page on the way.
pub fn authorize(
    gateway: &Gateway,
    application: &Application<'_>,
    person: &Person<'_>,
    verifier: &str,
    decorate: Decorate<'_>,
) -> (String, Vec<String>) {
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
    let state = random(12);
    let mut query = Serializer::new(String::new());
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", application.client_id)
        .append_pair("redirect_uri", application.redirect_uri)
        .append_pair("code_challenge", &challenge)
        .append_pair("code_challenge_method", "S256")
        .append_pair("state", &state)
        .append_pair("scope", application.scope);
    if let Some(resource) = application.resource {
        query.append_pair("resource", resource);
    }
    let mut cookies: Vec<(String, String)> = Vec::new();
    let mut page = format!("/oauth2/auth?{}", query.finish());
    let mut request = Request::get(&page);
    for _ in 0..12 {
        let jar =
            cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        if !jar.is_empty() {
            request = request.header("cookie", jar);
        }
        let response = gateway.send(&decorate(request));
        keep(&mut cookies, &response);
        request = if (300..400).contains(&response.status) {
            let target = response.header("location").to_owned();
            if target.starts_with(application.redirect_uri) {
                let url = Url::parse(&target).unwrap();
                let answer =
                    |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value);
                assert_eq!(answer("state").as_deref(), Some(state.as_str()), "{target}");
                let code = answer("code").unwrap_or_else(|| panic!("no code in {target}"));
                return (code.into_owned(), cookies.into_iter().map(|(_, value)| value).collect());
            }
            page = local(gateway, &target);
            Request::get(&page)
        } else {
            filled(gateway, &response, &mut page, person)
        };
    }
    panic!("no end of pages");
}

/// Trades a code for tokens.
pub fn redeem(
    gateway: &Gateway,
    application: &Application<'_>,
    code: &str,
    verifier: &str,
    decorate: Decorate<'_>,
) -> Response {
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", application.redirect_uri),
        ("code_verifier", verifier),
    ];
    token(gateway, application, &fields, decorate)
}

/// A request to the token endpoint in the name of `application`.
pub fn token(
    gateway: &Gateway,
    application: &Application<'_>,
    fields: &[(&str, &str)],
    decorate: Decorate<'_>,
) -> Response {
    let mut fields = fields.to_vec();
    let request = match application.secret {
        None => {
            fields.push(("client_id", application.client_id));
            Request::form("/oauth2/token", &fields)
        }
        Some(secret) => Request::form("/oauth2/token", &fields)
            .header("authorization", basic(application.client_id, secret)),
    };
    gateway.send(&decorate(request))
}

/// `Authorization: Basic` for a client (RFC 6749 §2.3.1).
pub fn basic(client_id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{client_id}:{secret}")))
}

/// The claims of a token, unverified.
pub fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap_or_default();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap_or_default()).unwrap_or_default()
}

fn keep(cookies: &mut Vec<(String, String)>, response: &Response) {
    for (_, cookie) in response.headers.iter().filter(|(name, _)| name == "set-cookie") {
        let mut parts = cookie.split(';').map(str::trim);
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { continue };
        cookies.retain(|(known, _)| known != name);
        if !value.is_empty() && !parts.any(|attribute| attribute.eq_ignore_ascii_case("max-age=0")) {
            cookies.push((name.to_owned(), value.to_owned()));
        }
    }
}

/// The target of a URL of the gateway.
fn local(gateway: &Gateway, url: &str) -> String {
    url.strip_prefix(&gateway.origin).unwrap_or(url).to_owned()
}

/// The form of a page, filled in as `person` would and sent.
fn filled(gateway: &Gateway, response: &Response, page: &mut String, person: &Person<'_>) -> Request {
    let text = response.text();
    let form = text.split("<form").nth(1).unwrap_or_else(|| panic!("{} {text}", response.status));
    let form = form.split("</form").next().unwrap_or_default();
    let action = attribute(form.split('>').next().unwrap_or_default(), "action").unwrap_or_default();
    if !action.is_empty() {
        *page = local(gateway, &action);
    }
    let inputs = form.split("<input").skip(1).filter_map(|input| {
        let input = input.split('>').next().unwrap_or_default();
        Some((attribute(input, "name")?, attribute(input, "value").unwrap_or_default()))
    });
    let mut fields: Vec<(String, String)> = inputs.collect();
    let asks = |name: &str, fields: &[(String, String)]| fields.iter().any(|(field, _)| field == name);
    if asks("password", &fields) {
        fields.retain(|(name, _)| name != "username" && name != "password");
        fields.push(("username".into(), person.username.into()));
        fields.push(("password".into(), person.password.into()));
    } else {
        assert!(form.contains("decision"), "neither sign-in nor consent: {text}");
        fields.push(("decision".into(), "approve".into()));
    }
    let fields: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    Request::form(page, &fields).header("origin", &gateway.origin)
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let value = tag.split(&format!(" {name}=\"")).nth(1)?.split('"').next()?;
    let named = [("&quot;", "\""), ("&#34;", "\""), ("&#38;", "&"), ("&#x2F;", "/"), ("&amp;", "&")];
    Some(named.iter().fold(value.to_owned(), |text, (entity, plain)| text.replace(entity, plain)))
}
