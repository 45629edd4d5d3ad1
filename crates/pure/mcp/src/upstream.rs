//! Requests to upstream MCP servers: headers and body for the upstream's revision.

use serde_json::value::RawValue;

use crate::arguments::Arguments;
use crate::message::{Id, RawObject, Request, compose, json_text};
use crate::mirror::{self, Field, HeaderFacts};
use crate::tool::Tool;
use crate::version::{Era, Version, meta};

/// A message ready to POST. `Content-Type`, `Accept`, session and credential headers are the sender's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamRequest {
    /// Protocol headers; names as the specification writes them, values safe for the wire.
    pub headers: Vec<(String, String)>,
    /// The JSON-RPC message.
    pub body: String,
}

/// What an upstream is told about the client side.
#[derive(Clone, Copy, Debug)]
pub struct ClientFacts<'a> {
    /// `clientCapabilities`: never more than the gateway can carry through.
    pub capabilities: &'a RawValue,
    /// `clientInfo`: the gateway's own, or the client's.
    pub info: &'a RawValue,
}

/// How to speak to one upstream.
#[derive(Clone, Copy, Debug)]
pub struct Peer<'a> {
    /// Its revision, as [`crate::detect`] found it.
    pub version: Version,
    /// Who it is told that it talks to.
    pub client: ClientFacts<'a>,
}

/// What changes between a client's call and the upstream's.
#[derive(Clone, Copy, Debug)]
pub struct Retarget<'a> {
    /// The id in the gateway's own id space.
    pub id: &'a Id,
    /// The tool, under the upstream's name for it.
    pub tool: &'a Tool,
    /// The call's arguments, parsed from the same request.
    pub arguments: Arguments<'a>,
    /// The client's headers, for `Mcp-Param-*` that the schema does not know.
    pub received: &'a HeaderFacts<'a>,
    /// A progress token of the gateway's own; replaces the client's if it sent one.
    pub progress_token: Option<&'a RawValue>,
    /// The trace context of the gateway's own span.
    pub traceparent: Option<&'a str>,
}

/// `server/discover` in the newest modern revision, the probe of era detection.
pub fn discover(id: &Id, client: ClientFacts<'_>) -> UpstreamRequest {
    let peer = Peer { version: Version::NEWEST_MODERN, client };
    peer.request(id, "server/discover", RawObject::default())
}

/// `initialize` of a legacy session.
pub fn initialize(id: &Id, peer: Peer<'_>) -> UpstreamRequest {
    let mut params = RawObject::default();
    params.set("protocolVersion", json_text::raw_string(peer.version.as_str()));
    params.set_borrowed("capabilities", peer.client.capabilities);
    params.set_borrowed("clientInfo", peer.client.info);
    // The version is still being negotiated, so no header names it.
    UpstreamRequest { headers: Vec::new(), body: compose::request(id, "initialize", &params) }
}

/// `notifications/initialized`, which opens a legacy session for use.
pub fn initialized(version: Version) -> UpstreamRequest {
    let body = compose::notification("notifications/initialized", &RawObject::default());
    UpstreamRequest { headers: version_header(version), body }
}

/// `notifications/cancelled` for a request of ours that a legacy server is working on.
pub fn cancelled(id: &Id, version: Version) -> UpstreamRequest {
    let mut params = RawObject::default();
    params.set("requestId", json_text::raw(id.as_json().to_owned()));
    let body = compose::notification("notifications/cancelled", &params);
    UpstreamRequest { headers: version_header(version), body }
}

/// The answer to a `ping` of a legacy server.
pub fn pong(id: &Id, version: Version) -> UpstreamRequest {
    let body = compose::result(id, &RawObject::default());
    UpstreamRequest { headers: version_header(version), body }
}

impl<'p> Peer<'p> {
    /// `tools/list`, from the start or from a cursor of the upstream.
    pub fn list_tools(&self, id: &Id, cursor: Option<&str>) -> UpstreamRequest {
        let mut params = RawObject::default();
        if let Some(cursor) = cursor {
            params.set("cursor", json_text::to_raw(&cursor));
        }
        self.request(id, "tools/list", params)
    }

    /// A client's `tools/call`, under the upstream's name of the tool and in the upstream's revision; whatever
    /// the gateway does not act on stays as the client wrote it.
    pub fn call_tool(&self, call: &Request<'_>, to: Retarget<'_>) -> UpstreamRequest {
        let mut params = call.params().cloned().unwrap_or_default();
        params.set("name", json_text::raw_string(to.tool.name()));
        // Task augmentation changes the shape of the answer and is not declared to upstreams.
        params.remove("task");
        // They answer questions of upstreams, and none is relayed.
        params.remove("inputResponses");
        params.remove("requestState");
        let mut meta = call.meta().cloned().unwrap_or_default();
        if let Some(token) = to.progress_token
            && meta.get(meta::PROGRESS_TOKEN).is_some()
        {
            meta.set_borrowed(meta::PROGRESS_TOKEN, token);
        }
        if let Some(traceparent) = to.traceparent {
            meta.set("traceparent", json_text::raw_string(traceparent));
        }
        self.address(&mut meta);
        if meta.is_empty() {
            params.remove("_meta");
        } else {
            params.set("_meta", meta.to_raw());
        }
        let mut headers = self.headers("tools/call", Some(to.tool.name()));
        if self.version.era() == Era::Modern {
            headers.extend(mirror::param_headers(to.tool.bindings(), &to.arguments));
            headers.extend(unbound_params(to.tool, to.received));
        }
        UpstreamRequest { headers, body: call.rebuild(to.id, Some(&params)) }
    }

    fn request(&self, id: &Id, method: &str, mut params: RawObject<'_>) -> UpstreamRequest {
        let mut meta = RawObject::default();
        self.address(&mut meta);
        if !meta.is_empty() {
            params.set("_meta", meta.to_raw());
        }
        UpstreamRequest { headers: self.headers(method, None), body: compose::request(id, method, &params) }
    }

    /// Makes `_meta` say what this upstream's era wants said.
    fn address(&self, meta: &mut RawObject<'p>) {
        meta.retain(|name| !meta::MODERN.contains(&name));
        if self.version.era() == Era::Modern {
            meta.set(meta::PROTOCOL_VERSION, json_text::raw_string(self.version.as_str()));
            meta.set_borrowed(meta::CLIENT_CAPABILITIES, self.client.capabilities);
            meta.set_borrowed(meta::CLIENT_INFO, self.client.info);
        }
    }

    fn headers(&self, method: &str, name: Option<&str>) -> Vec<(String, String)> {
        let mut headers = version_header(self.version);
        if self.version.era() == Era::Modern {
            headers.push(("Mcp-Method".to_owned(), method.to_owned()));
            headers.extend(name.map(|name| ("Mcp-Name".to_owned(), mirror::encode(name))));
        }
        headers
    }
}

fn version_header(version: Version) -> Vec<(String, String)> {
    if version < Version::V2025_06_18 {
        return Vec::new();
    }
    vec![("MCP-Protocol-Version".to_owned(), version.as_str().to_owned())]
}

/// Argument headers that the upstream's schema does not explain pass as they came.
fn unbound_params(tool: &Tool, received: &HeaderFacts<'_>) -> Vec<(String, String)> {
    let bound = |name: &str| {
        let rest = name.strip_prefix(mirror::PARAM_PREFIX).unwrap_or(name);
        tool.bindings().iter().any(|binding| binding.header().eq_ignore_ascii_case(rest))
    };
    let pass = |(name, field): &(String, Field<'_>)| match field {
        Field::One(value) if !bound(name) => Some((name.clone(), (*value).to_owned())),
        _ => None,
    };
    received.params.iter().filter_map(pass).collect()
}

#[cfg(test)]
mod tests;
