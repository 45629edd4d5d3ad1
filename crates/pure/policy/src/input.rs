//! What policies see: one input per decision point, every documented field always there.

mod mcp;
mod model;
mod raw;
mod section;
mod shape;
mod sink;
mod token;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;

use gatehouse_identity::address::ClientIp;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::groups;
use regorus::Value;
use serde_json::{Map, Value as Json};

use section::Section;
use sink::{Sink, Trace, Values};

use crate::reads::Reads;

pub use mcp::{Target, ToolCall};
pub use model::ModelCall;
pub(crate) use shape::unknown;
pub use shape::{Parent, Point, UnknownFact};
pub(crate) use sink::InputDigest;
pub use token::{Client, TokenMinting};

/// What one decision point knows of one request. A policy is told of it what it reads.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    facts: Facts<'a>,
    request: &'a Request<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Facts<'a> {
    Token(&'a TokenMinting<'a>),
    Tool(&'a ToolCall<'a>),
    Model(&'a ModelCall<'a>),
}

/// The part that every decision point has.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The client's address, behind trusted proxies.
    pub source_ip: ClientIp,
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
    /// The header fields; equal names are joined with `, ` (RFC 9110 §5.3).
    pub headers: &'a dyn HeaderFields,
}

/// Header fields, read only when a policy does.
pub trait HeaderFields: std::fmt::Debug + Sync {
    /// Calls `tell` with the name, in any case, and the value of every field in their order.
    fn each(&self, tell: &mut dyn FnMut(&str, &str));
}

impl HeaderFields for &[(&str, &str)] {
    fn each(&self, tell: &mut dyn FnMut(&str, &str)) {
        self.iter().for_each(|(name, value)| tell(name, value));
    }
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
    /// Whether these are all groups that their issuer knows.
    pub groups_complete: bool,
    /// When the user signed in.
    pub auth_time: Option<Timestamp>,
    /// Authentication methods (RFC 8176).
    pub amr: Vec<&'a str>,
}

/// Headers whose values are credentials; `Authorization` stays for policies that decode it.
const CREDENTIAL_HEADERS: [&str; 5] = ["cookie", "x-api-key", "proxy-authorization", "dpop", "set-cookie"];

impl Input<'_> {
    /// The values that the engine gets for a policy that reads `reads`.
    pub(crate) fn values(&self, reads: &Reads) -> Value {
        let mut values = Values::default();
        self.tell(&mut Section::new(reads, &mut values));
        values.finish()
    }

    /// What stands for those values.
    pub(crate) fn sight(&self, reads: &Reads) -> InputDigest {
        let mut trace = Trace::new();
        self.tell(&mut Section::new(reads, &mut trace));
        trace.finish()
    }

    /// What `time.now_ns()` gives.
    pub(crate) fn now_ns(&self) -> i64 {
        self.request.now.unix_nanos()
    }

    fn tell<S: Sink>(&self, input: &mut Section<'_, S>) {
        input.object("request", |request| {
            self.request.http.tell(request);
            match self.facts {
                Facts::Token(facts) => facts.request(request),
                Facts::Tool(facts) => facts.request(request),
                Facts::Model(facts) => facts.request(request),
            }
        });
        self.request.tell(input);
        match self.facts {
            Facts::Token(facts) => facts.beside(input),
            Facts::Tool(facts) => facts.beside(input),
            Facts::Model(facts) => facts.beside(input),
        }
    }
}

impl Request<'_> {
    fn tell<S: Sink>(&self, input: &mut Section<'_, S>) {
        input.object("source", |source| {
            // Absent means unknown: a rule that asks for a network must find none, not the proxy's.
            let addresses = [("ip", self.source_ip.known()), ("peer_ip", Some(self.peer_ip))];
            for (name, address) in addresses {
                if let Some(address) = address.filter(|_| source.sees(name)) {
                    source.text(name, &normalise(address).to_string());
                }
            }
        });
        input.object("time", |time| time.number("now_ns", self.now.unix_nanos()));
        input.object("user", |user| match &self.user {
            Some(known) => known.tell(user),
            None => User::of_token("", &Map::new()).tell(user),
        });
        input.text("revision", self.revision);
    }
}

impl HttpFacts<'_> {
    fn tell<S: Sink>(&self, request: &mut Section<'_, S>) {
        request.object("http", |http| {
            http.text("method", self.method);
            http.text("path", self.path);
            http.object("headers", |headers| {
                let mut joined: BTreeMap<String, String> = BTreeMap::new();
                self.headers.each(&mut |name, value| {
                    let name = canonicalise(name);
                    if !headers.sees(&name) {
                        return;
                    }
                    let is_secret =
                        CREDENTIAL_HEADERS.iter().any(|secret| secret.eq_ignore_ascii_case(&name));
                    let value = if is_secret { "[redacted]" } else { value };
                    match joined.entry(name) {
                        Entry::Vacant(entry) => {
                            entry.insert(value.to_owned());
                        }
                        Entry::Occupied(mut entry) => entry.get_mut().extend([", ", value]),
                    }
                });
                for (name, value) in &joined {
                    headers.text(name, value);
                }
            });
        });
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
        let groups_complete = groups::are_complete(claims, "groups");
        let (groups, amr) = (texts("groups"), texts("amr"));
        Self { id, connector: "", claims, groups, groups_complete, auth_time, amr }
    }

    fn tell<S: Sink>(&self, user: &mut Section<'_, S>) {
        user.text("id", self.id);
        user.text("connector", self.connector);
        user.claims("claims", self.claims);
        user.texts("groups", self.groups.iter().copied());
        user.flag("groups_complete", self.groups_complete);
        user.texts("amr", self.amr.iter().copied());
        // Absent means unknown: a policy that asks how old a sign-in is must not read the epoch.
        if let Some(time) = self.auth_time {
            user.number("auth_time", time.unix_seconds());
        }
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
fn canonicalise(name: &str) -> String {
    let mut start = true;
    let letters = name.chars().map(|letter| {
        let letter = if start { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() };
        start = letter == '-';
        letter
    });
    letters.collect()
}

#[cfg(test)]
mod tests;
