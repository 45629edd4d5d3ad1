//! The circumstances: what was asked, from where, of what, with which verdict and which result.

use std::net::IpAddr;
use std::time::Duration;

use gatehouse_identity::address::ClientIp;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::{GrantId, TokenId};
use serde::{Deserialize, Serialize, Serializer};

use crate::fingerprint::Fingerprint;
use crate::head::Head;
use crate::hex::Hex;
use crate::tally::{Origin, Times};

/// Longest text that enters a record, in bytes.
pub(super) const MAX_TEXT: usize = 512;

/// The request as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RequestFacts {
    /// The id under which operators find the request; see [`super::Event::with_request_id`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// HTTP method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Path without its query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// W3C trace id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// W3C span id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span_id: Option<String>,
    /// JSON-RPC id, as it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpc_id: Option<String>,
    /// Size of the body in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Stands for the arguments of a tool call, of which nothing else is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments_hash: Option<Fingerprint>,
}

/// Where the request came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Source {
    #[serde(serialize_with = "as_text")]
    pub(super) ip: ClientIp,
    pub(super) peer_ip: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user_agent: Option<String>,
}

/// What was to be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Target {
    /// The resource or audience.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// The configured app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// The protocol method, such as `tools/call`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The qualified name of the tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// The model as the client named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The provider behind the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The model as the upstream names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_model: Option<String>,
    /// Origin of the upstream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// The object of an administrative act: a key id, a revision, a client id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
}

/// One try at a route of a model: who else saw the request, or would have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// The account.
    pub app: String,
    /// What its provider speaks.
    pub provider: String,
    /// The model as the upstream names it.
    pub upstream_model: String,
    /// Origin of the upstream.
    pub upstream: String,
    /// The HTTP status that it answered with; `None` when it did not, or was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why it gave no reply; `None` for the attempt that did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// How long it took until the reply began, or failed; zero when it was not asked.
    #[serde(rename = "ms", serialize_with = "milliseconds", skip_serializing_if = "Duration::is_zero")]
    pub duration: Duration,
}

/// What the policy said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// Name of the policy that decided; empty when none is configured.
    pub name: String,
    /// Code of the verdict: `allow`, or why not.
    pub verdict: &'static str,
    /// Its message for operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub internal_message: Option<String>,
    /// Its message for the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_message: Option<String>,
    /// How long it took.
    #[serde(rename = "ms", serialize_with = "milliseconds", skip_serializing_if = "Duration::is_zero")]
    pub duration: Duration,
}

/// How many items a policy kept out of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HiddenItems {
    /// Name of the policy.
    pub policy: String,
    /// Code of its verdict.
    pub verdict: &'static str,
    /// How many.
    pub count: u64,
}

/// What a model call used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TokenUsage {
    /// Input tokens that were not in the cache.
    pub input: u64,
    /// Output tokens.
    pub output: u64,
    /// Input tokens written to the cache.
    pub cache_write: u64,
    /// Input tokens read from the cache.
    pub cache_read: u64,
    /// What it cost, in millionths of a US dollar, when the model has a price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_micro_usd: Option<u64>,
}

/// Somebody else than who sent the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OtherParty {
    /// The client's address, behind trusted proxies.
    pub ip: ClientIp,
    /// What it said it is, without a version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

/// The token that was issued, refreshed or exchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Exchange {
    /// `grant_type` as it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant_type: Option<String>,
    /// The grant it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantId>,
    /// `jti` of the new token.
    #[serde(rename = "jti", skip_serializing_if = "Option::is_none")]
    pub issued: Option<TokenId>,
    /// `aud` of the new token.
    #[serde(rename = "aud", skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
    /// `scope` of the new token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Actors of the new token, the current one first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actors: Vec<String>,
    /// Who else presented the same refresh token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared_with: Option<OtherParty>,
    /// `exp` of the new token.
    #[serde(rename = "exp", serialize_with = "unix_seconds", skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// What the client got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Response {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bytes: Option<u64>,
    #[serde(rename = "ms", serialize_with = "maybe_milliseconds", skip_serializing_if = "Option::is_none")]
    pub(super) duration: Option<Duration>,
    #[serde(
        rename = "upstream_ms",
        serialize_with = "maybe_milliseconds",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) upstream: Option<Duration>,
}

/// What became of the object of an administrative act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It was made.
    Made,
    /// It is used from now on.
    Activated,
}

/// What a writer mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Recovery {
    /// Bytes of an unfinished last record that were cut off.
    pub cut_bytes: u64,
}

/// How many refusals a record stands for, and whose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Counts {
    count: u64,
    #[serde(serialize_with = "super::rfc3339")]
    first: Timestamp,
    #[serde(serialize_with = "super::rfc3339")]
    last: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    networks: Option<usize>,
}

/// A record that another place remembers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remembered {
    seq: u64,
    hash: String,
}

/// A signature over the log up to the record before the one that holds it; see [`crate::checkpoint`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The run of the process that signed.
    pub run: String,
    /// The public key, base64url.
    pub key: String,
    /// The signature, base64url.
    pub signature: String,
}

impl Counts {
    pub(super) fn new(origin: Origin, times: Times) -> Self {
        let Times { count, first, last } = times;
        let (network, networks) = match origin {
            Origin::One(network) => (Some(network.to_string()), None),
            Origin::Many(networks) => (None, Some(networks)),
        };
        Self { count, first, last, network, networks }
    }
}

impl Remembered {
    pub(super) fn new(head: Head) -> Self {
        Self { seq: head.seq, hash: Hex(&head.hash).to_string() }
    }
}

impl RequestFacts {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These, and `other` where they say nothing.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            id: self.id.or(other.id),
            method: self.method.or(other.method),
            path: self.path.or(other.path),
            trace_id: self.trace_id.or(other.trace_id),
            span_id: self.span_id.or(other.span_id),
            rpc_id: self.rpc_id.or(other.rpc_id),
            bytes: self.bytes.or(other.bytes),
            arguments_hash: self.arguments_hash.or(other.arguments_hash),
        }
    }

    pub(super) fn bounded(mut self) -> Self {
        for text in [&mut self.id, &mut self.method, &mut self.path, &mut self.trace_id] {
            cut_option(text);
        }
        cut_option(&mut self.span_id);
        cut_option(&mut self.rpc_id);
        self
    }
}

impl Target {
    pub(super) fn bounded(mut self) -> Self {
        for text in [&mut self.audience, &mut self.app, &mut self.method, &mut self.tool] {
            cut_option(text);
        }
        for text in [&mut self.model, &mut self.provider, &mut self.upstream_model, &mut self.upstream] {
            cut_option(text);
        }
        cut_option(&mut self.object);
        self
    }
}

impl Attempt {
    pub(super) fn bounded(mut self) -> Self {
        for text in [&mut self.app, &mut self.provider, &mut self.upstream_model, &mut self.upstream] {
            cut(text);
        }
        self
    }
}

impl Policy {
    pub(super) fn bounded(mut self) -> Self {
        cut(&mut self.name);
        cut_option(&mut self.internal_message);
        cut_option(&mut self.external_message);
        self
    }
}

impl Exchange {
    pub(super) fn bounded(mut self) -> Self {
        cut_option(&mut self.grant_type);
        cut_option(&mut self.scope);
        self.audiences.iter_mut().for_each(cut);
        self.actors.iter_mut().for_each(cut);
        self
    }
}

impl Response {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// `text`, cut at [`MAX_TEXT`].
pub(super) fn bounded(text: &str) -> String {
    prefix(text).to_owned()
}

/// As much of `text` as a record has room for.
pub(super) fn prefix(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or_default()
}

fn cut(text: &mut String) {
    text.truncate(text.floor_char_boundary(MAX_TEXT));
}

fn cut_option(text: &mut Option<String>) {
    if let Some(text) = text {
        cut(text);
    }
}

/// Milliseconds with microsecond precision.
fn as_text<S: Serializer>(ip: &ClientIp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(ip)
}

fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((duration.as_secs_f64() * 1_000_000.0).round() / 1000.0)
}

#[expect(clippy::ref_option, reason = "serde passes references")]
fn maybe_milliseconds<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => milliseconds(duration, serializer),
        None => serializer.serialize_none(),
    }
}

#[expect(clippy::ref_option, reason = "serde passes references")]
fn unix_seconds<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.serialize_some(&time.unix_seconds()),
        None => serializer.serialize_none(),
    }
}
