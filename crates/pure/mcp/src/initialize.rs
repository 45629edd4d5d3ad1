//! The legacy handshake: `initialize`, `notifications/initialized`, `ping`.

use serde_json::value::RawValue;

use crate::discover::ServerFacts;
use crate::error::{ErrorCode, RpcError};
use crate::message::{RawObject, Request, json_text};
use crate::version::{Era, Version};

/// What a session starts from.
#[derive(Clone, Debug)]
pub struct Initialized {
    /// The negotiated revision.
    pub version: Version,
    /// The client's `capabilities`, an object.
    pub client_capabilities: Box<RawValue>,
    /// The client's `clientInfo`, when given. Never a basis for a security decision.
    pub client_info: Option<Box<RawValue>>,
}

impl Initialized {
    /// Negotiates: the revision that the client asks for if it is a legacy one we speak, else our newest
    /// legacy one, which the client may then decline.
    pub fn negotiate(request: &Request<'_>) -> Result<Self, RpcError> {
        let asked = request.text_param("protocolVersion")?.ok_or_else(|| {
            RpcError::new(ErrorCode::InvalidParams, "`params.protocolVersion` is missing from `initialize`")
        })?;
        let version = Version::parse(&asked)
            .filter(|version| version.era() == Era::Legacy)
            .unwrap_or(Version::NEWEST_LEGACY);
        let object =
            |name: &str| request.param(name).filter(|raw| raw.get().starts_with('{')).map(ToOwned::to_owned);
        let client_capabilities = object("capabilities").ok_or_else(|| {
            RpcError::new(ErrorCode::InvalidParams, "`params.capabilities` of `initialize` must be an object")
        })?;
        Ok(Self { version, client_capabilities, client_info: object("clientInfo") })
    }

    /// The result that answers the handshake.
    pub fn result(&self, server: &ServerFacts) -> RawObject<'static> {
        let mut result = RawObject::default();
        result.set("protocolVersion", json_text::to_raw(&self.version.as_str()));
        result.set_borrowed("capabilities", json_text::constant(r#"{"tools":{}}"#));
        result.set("serverInfo", server.implementation(self.version));
        if let Some(instructions) = &server.instructions {
            result.set("instructions", json_text::to_raw(instructions));
        }
        result
    }
}

/// The result of a legacy `ping`.
pub fn pong() -> RawObject<'static> {
    RawObject::default()
}

#[cfg(test)]
mod tests;
