//! Pages: templates, the headers that every page carries, and names as people may safely read them.

use askama::Template;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use http::{Response, StatusCode};
use url::Url;

use gatehouse_edge::rejection::Rejection;
use gatehouse_edge::server::body::{self, Body};
use gatehouse_oauth::client::{Client, ClientOrigin};

/// The longest name that is shown, in characters.
const MAX_NAME: usize = 64;

/// The sign-in form of a `local` connector.
#[derive(Template)]
#[template(path = "login.html")]
pub(crate) struct Login<'a> {
    pub(crate) nonce: &'a str,
    pub(crate) client_name: &'a str,
    pub(crate) action: &'a str,
    pub(crate) transaction: &'a str,
    pub(crate) csrf: &'a str,
    pub(crate) connector: &'a str,
    pub(crate) failed: bool,
    pub(crate) locked: bool,
}

/// The choice among connectors.
#[derive(Template)]
#[template(path = "choose.html")]
pub(crate) struct Choose<'a> {
    pub(crate) nonce: &'a str,
    pub(crate) client_name: &'a str,
    pub(crate) choices: &'a [Choice],
}

/// One connector to choose.
pub(crate) struct Choice {
    /// Its name.
    pub(crate) name: String,
    /// Where choosing it leads.
    pub(crate) link: String,
}

/// The question whether a client may act.
#[derive(Template)]
#[template(path = "consent.html")]
pub(crate) struct Consent<'a> {
    pub(crate) nonce: &'a str,
    pub(crate) client_title: &'a str,
    pub(crate) client_says: Option<&'a str>,
    pub(crate) user: &'a str,
    pub(crate) destination: &'a str,
    pub(crate) loopback: bool,
    pub(crate) resources: &'a [&'a str],
    pub(crate) scopes: &'a [&'a str],
    pub(crate) action: &'a str,
    pub(crate) transaction: &'a str,
    pub(crate) csrf: &'a str,
}

/// Who is signed in, and the button that ends it.
#[derive(Template)]
#[template(path = "signout.html")]
pub(crate) struct SignOut<'a> {
    pub(crate) nonce: &'a str,
    pub(crate) user: &'a str,
    pub(crate) action: &'a str,
    pub(crate) csrf: &'a str,
}

/// Something to read, with at most one way on.
#[derive(Template)]
#[template(path = "message.html")]
pub(crate) struct Message<'a> {
    pub(crate) nonce: &'a str,
    pub(crate) title: &'a str,
    pub(crate) sentences: &'a [&'a str],
    pub(crate) link: Option<(&'a str, &'a str)>,
    pub(crate) request_id: Option<&'a str>,
}

/// Renders a page. `nonce` is the request id, random and fresh for every answer; `form_targets` are the origins to
/// which submitting a form of the page may lead in the end, because browsers hold `form-action` against every
/// redirect that follows.
pub(crate) fn show(
    page: &impl Template,
    status: StatusCode,
    nonce: &str,
    form_targets: &[String],
) -> Result<Response<Body>, Rejection> {
    let html = page.render().map_err(|error| Rejection::internal("page_unusable", error.to_string()))?;
    let mut forms = vec!["'self'"];
    forms.extend(form_targets.iter().map(String::as_str));
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; form-action {}; frame-ancestors 'none'; base-uri 'none'",
        forms.join(" ")
    );
    let policy = HeaderValue::from_str(&policy)
        .map_err(|error| Rejection::internal("page_unusable", error.to_string()))?;
    let mut response = Response::new(body::full(html));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    guard(&mut response);
    Ok(response)
}

/// Sends the browser on; 303, so that a form is never posted again.
pub(crate) fn redirect(
    location: &str,
    cookies: impl IntoIterator<Item = HeaderValue>,
) -> Result<Response<Body>, Rejection> {
    let location = HeaderValue::from_str(location)
        .map_err(|error| Rejection::internal("location_unusable", error.to_string()))?;
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(LOCATION, location);
    for cookie in cookies {
        response.headers_mut().append(http::header::SET_COOKIE, cookie);
    }
    guard(&mut response);
    Ok(response)
}

fn guard(response: &mut Response<Body>) {
    const GUARDS: [(&str, &str); 5] = [
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("x-robots-tag", "noindex"),
    ];
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, value) in GUARDS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
}

/// The name to lead with: what is proven of the client. A metadata document proves its host and nothing more, so the
/// name that it gives itself comes second.
pub(crate) fn client_names(client: &Client) -> (String, Option<String>) {
    match &client.origin {
        ClientOrigin::Registered => (readable(&client.name), None),
        ClientOrigin::MetadataDocument { url, .. } => {
            let host = Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
            (host.unwrap_or_else(|| readable(url)), Some(readable(&client.name)))
        }
    }
}

/// A name without characters that hide or reorder others, and of bounded length.
pub(crate) fn readable(name: &str) -> String {
    let visible = |c: &char| {
        !c.is_control()
            && !matches!(c, '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
    };
    name.chars().filter(visible).take(MAX_NAME).collect()
}

/// A redirect URI as a source of `form-action`: its origin, or its scheme where an origin cannot be written.
pub(crate) fn form_target(redirect: &str) -> String {
    let scheme = redirect.split(':').next().unwrap_or_default();
    match Url::parse(redirect) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => match url.host() {
            Some(url::Host::Ipv6(_)) | None => format!("{}:", url.scheme()),
            Some(_) => url.origin().ascii_serialization(),
        },
        _ => format!("{scheme}:"),
    }
}

#[cfg(test)]
mod tests;
