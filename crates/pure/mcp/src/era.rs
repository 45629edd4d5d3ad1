//! Which era a client's POST belongs to, and whether its envelope is right for that era.

use serde_json::value::RawValue;

use crate::error::{ErrorCode, RpcError};
use crate::message::{Body, Message, Request};
use crate::mirror::{self, Field, HeaderFacts};
use crate::version::{Era, Version, meta};

/// What the door found out about `Mcp-Session-Id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session {
    /// No such header.
    Absent,
    /// A session of this caller, which negotiated this revision.
    Known(Version),
    /// Expired, ended, of somebody else, or never ours: all the same to the caller.
    Unknown,
}

/// How to treat a body.
#[derive(Clone, Debug)]
pub enum Front<'m> {
    /// A request that stands alone.
    Modern(ModernFacts<'m>),
    /// A notification of the modern era: accepted (202), nothing to do.
    ModernNotification,
    /// `initialize` of a legacy client.
    Initialize,
    /// A message (or batch, for 2025-03-26) inside a legacy session.
    Session(Version),
}

/// What a modern request says about its sender in `_meta`.
#[derive(Clone, Copy, Debug)]
pub struct ModernFacts<'m> {
    /// The revision it is written in.
    pub version: Version,
    /// `clientCapabilities`, an object.
    pub client_capabilities: &'m RawValue,
    /// `clientInfo`, when given. Never a basis for a security decision.
    pub client_info: Option<&'m RawValue>,
}

/// Picks the era of one POST and checks its envelope, in the order: batch, era, version header, supported
/// version, mirrored headers, client capabilities. Method and parameters are the next reader's concern.
pub fn pick<'m>(
    facts: &HeaderFacts<'_>,
    session: Session,
    body: &'m Body<'_>,
) -> Result<Front<'m>, RpcError> {
    let message = match body {
        Body::One(message) => message,
        Body::Batch(_) => return pick_batch(facts, session),
    };
    let in_body = match message {
        Message::Request(request) => request.meta().and_then(|meta| meta.get(meta::PROTOCOL_VERSION)),
        Message::Notification(note) => note.meta().and_then(|meta| meta.get(meta::PROTOCOL_VERSION)),
        Message::Response(_) => None,
    };
    if in_body.is_none() && !claims_modern(facts) {
        return pick_legacy(facts, session, message);
    }
    match message {
        Message::Request(request) => check_modern(facts, request, in_body).map(Front::Modern),
        Message::Notification(_) => Ok(Front::ModernNotification),
        Message::Response(_) => {
            Err(invalid("a response is not acceptable here: this protocol revision asks nothing of clients"))
        }
    }
}

fn claims_modern(facts: &HeaderFacts<'_>) -> bool {
    matches!(facts.protocol_version, Field::One(version) if Era::claimed_by(version) == Era::Modern)
}

fn pick_batch<'m>(facts: &HeaderFacts<'_>, session: Session) -> Result<Front<'m>, RpcError> {
    match session {
        Session::Unknown if !claims_modern(facts) => Err(RpcError::unknown_session()),
        Session::Known(Version::V2025_03_26) if !claims_modern(facts) => {
            Ok(Front::Session(Version::V2025_03_26))
        }
        _ => Err(invalid("JSON-RPC batches exist in sessions of protocol version 2025-03-26 only")),
    }
}

fn check_modern<'m>(
    facts: &HeaderFacts<'_>,
    request: &'m Request<'_>,
    in_body: Option<&RawValue>,
) -> Result<ModernFacts<'m>, RpcError> {
    let stated = match in_body {
        Some(raw) => serde_json::from_str::<String>(raw.get()).map_err(|_| {
            RpcError::bad_envelope(format!("`params._meta[\"{}\"]` must be a string", meta::PROTOCOL_VERSION))
        })?,
        None => return Err(without_meta(facts)),
    };
    let header = facts.protocol_version.required("MCP-Protocol-Version")?;
    if header != stated {
        let message =
            format!("the header `MCP-Protocol-Version` says {header:?} but the body says {stated:?}");
        return Err(RpcError::new(ErrorCode::HeaderMismatch, message));
    }
    let version = Version::parse(&stated)
        .filter(|version| version.era() == Era::Modern)
        .ok_or_else(|| RpcError::unsupported_version(&stated))?;
    mirror::check_request(facts, request)?;
    let meta = request.meta();
    let capabilities = meta.and_then(|meta| meta.get(meta::CLIENT_CAPABILITIES));
    let client_capabilities = capabilities.filter(|raw| raw.get().starts_with('{')).ok_or_else(|| {
        RpcError::bad_envelope(format!("`params._meta[\"{}\"]` must be an object", meta::CLIENT_CAPABILITIES))
    })?;
    Ok(ModernFacts {
        version,
        client_capabilities,
        client_info: meta.and_then(|meta| meta.get(meta::CLIENT_INFO)),
    })
}

/// The header names a modern version but the body carries none.
fn without_meta(facts: &HeaderFacts<'_>) -> RpcError {
    match facts.protocol_version {
        Field::One(version) if Version::parse(version).is_none() => RpcError::unsupported_version(version),
        _ => RpcError::bad_envelope(format!("`params._meta[\"{}\"]` is missing", meta::PROTOCOL_VERSION)),
    }
}

fn pick_legacy<'m>(
    facts: &HeaderFacts<'_>,
    session: Session,
    message: &Message<'_>,
) -> Result<Front<'m>, RpcError> {
    if let Message::Request(request) = message
        && request.method() == "initialize"
    {
        return Ok(Front::Initialize);
    }
    match session {
        Session::Unknown => Err(RpcError::unknown_session()),
        Session::Absent => Err(invalid(&format!(
            "no session: send `initialize` first, or a request of protocol version {} with its `_meta`",
            Version::NEWEST_MODERN
        ))),
        Session::Known(version) => match facts.protocol_version {
            Field::Absent => Ok(Front::Session(version)),
            Field::One(named) if named == version.as_str() => Ok(Front::Session(version)),
            _ => Err(invalid(&format!(
                "the header `MCP-Protocol-Version` must be {version}, as this session negotiated"
            ))),
        },
    }
}

fn invalid(message: &str) -> RpcError {
    RpcError::new(ErrorCode::InvalidRequest, message)
}

#[cfg(test)]
mod tests;
