//! What policies see: one input per decision point, every documented field always there.

mod document;
mod mcp;
mod model;
mod token;

use std::net::IpAddr;

use gatehouse_identity::clock::Timestamp;
use regorus::Value;
use serde_json::{Map, Value as Json};

use document::{Document, claims, strings, text};

pub use mcp::{Target, ToolCall};
pub use model::ModelCall;
pub use token::{Client, TokenMinting};

/// A finished input.
#[derive(Clone, Debug)]
pub struct Input {
    value: Value,
    now_ns: i64,
}

/// The part that every decision point has.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The client's address, behind trusted proxies.
    pub source_ip: IpAddr,
    /// The address of the socket's other end.
    pub peer_ip: IpAddr,
    /// The HTTP request.
    pub http: HttpFacts<'a>,
    /// Who is signed in, where someone is.
    pub user: Option<User<'a>>,
    /// The time that `time.now_ns()` gives.
    pub now: Timestamp,
    /// The configuration revision in force.
    pub revision: &'a str,
}

/// The HTTP request as policies see it.
#[derive(Clone, Debug)]
pub struct HttpFacts<'a> {
    /// The method.
    pub method: &'a str,
    /// The path without query.
    pub path: &'a str,
    /// Names in any case, and values; equal names are joined with `, ` (RFC 9110 §5.3).
    pub headers: &'a [(&'a str, &'a str)],
}

/// The signed-in user.
#[derive(Clone, Debug)]
pub struct User<'a> {
    /// The subject.
    pub id: &'a str,
    /// The connector that signed the user in; empty when a token names the user.
    pub connector: &'a str,
    /// Attributes or token claims.
    pub claims: &'a Map<String, Json>,
    /// Group names.
    pub groups: Vec<&'a str>,
    /// When the user signed in.
    pub auth_time: Option<Timestamp>,
    /// Authentication methods (RFC 8176).
    pub amr: Vec<&'a str>,
}

/// Headers whose values are credentials; `Authorization` stays for policies that decode it.
const CREDENTIAL_HEADERS: [&str; 5] = ["cookie", "x-api-key", "proxy-authorization", "dpop", "set-cookie"];

impl Input {
    pub(crate) fn value(&self) -> &Value {
        &self.value
    }

    pub(crate) fn now_ns(&self) -> i64 {
        self.now_ns
    }
}

impl Request<'_> {
    /// The common document; `request` holds what the decision point adds under `input.request`.
    fn document(&self, mut request: Document) -> Document {
        request.put("http", self.http.document().value());
        let mut source = Document::new();
        source.put("ip", text(&normalise(self.source_ip).to_string()));
        source.put("peer_ip", text(&normalise(self.peer_ip).to_string()));
        let mut time = Document::new();
        time.put("now_ns", Value::from(self.now.unix_nanos()));
        let mut input = Document::new();
        input.put("request", request.value());
        input.put("source", source.value());
        input.put("time", time.value());
        input.put("user", self.user.as_ref().map_or_else(User::nobody, User::document).value());
        input.put("revision", text(self.revision));
        input
    }

    fn finish(&self, document: Document) -> Input {
        Input { value: document.value(), now_ns: self.now.unix_nanos() }
    }
}

impl HttpFacts<'_> {
    fn document(&self) -> Document {
        let mut headers = Document::new();
        let mut canonical = String::with_capacity(64);
        for (name, value) in self.headers {
            let is_secret = CREDENTIAL_HEADERS.iter().any(|secret| secret.eq_ignore_ascii_case(name));
            canonicalise(name, &mut canonical);
            headers.join(&canonical, if is_secret { "[redacted]" } else { value });
        }
        let mut http = Document::new();
        http.put("method", text(self.method));
        http.put("path", text(self.path));
        http.put("headers", headers.value());
        http
    }
}

impl<'a> User<'a> {
    /// The user whom the claims of a token name; which connector signed them in is not in it.
    pub fn of_token(id: &'a str, claims: &'a Map<String, Json>) -> Self {
        let texts = |name: &str| {
            let values = claims.get(name).and_then(Json::as_array);
            values.into_iter().flatten().filter_map(Json::as_str).collect()
        };
        let auth_time = claims.get("auth_time").and_then(Json::as_i64).map(Timestamp::from_unix_seconds);
        Self { id, connector: "", claims, groups: texts("groups"), auth_time, amr: texts("amr") }
    }

    fn document(&self) -> Document {
        let mut user = Document::new();
        user.put("id", text(self.id));
        user.put("connector", text(self.connector));
        user.put("claims", claims(self.claims));
        user.put("groups", strings(&self.groups));
        user.put("amr", strings(&self.amr));
        // Absent means unknown: a policy that asks how old a sign-in is must not read the epoch.
        if let Some(time) = self.auth_time {
            user.put("auth_time", Value::from(time.unix_seconds()));
        }
        user
    }

    fn nobody() -> Document {
        User::of_token("", &Map::new()).document()
    }
}

/// The address that policies compare: IPv4 also when it came mapped into IPv6 (RFC 4291 §2.5.5.2).
pub fn normalise(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Reads an address as proxies write it: in brackets or not, with a zone id (RFC 4007 §11) or not.
pub fn parse_address(written: &str) -> Option<IpAddr> {
    let bare = written.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(written);
    let bare = bare.split_once('%').map_or(bare, |(address, _zone)| address);
    bare.parse().ok().map(normalise)
}

/// Writes `x-request-id` as `X-Request-Id`.
fn canonicalise(name: &str, canonical: &mut String) {
    canonical.clear();
    let mut start = true;
    canonical.extend(name.chars().map(|letter| {
        let letter = if start { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() };
        start = letter == '-';
        letter
    }));
}

#[cfg(test)]
mod tests;
