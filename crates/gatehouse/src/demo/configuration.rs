//! The demo's configuration file.

use gatehouse_identity::static_key::KeyHash;

use super::credentials::Credentials;
use super::peers::Peers;
use super::ports::Ports;

/// Name of the file in the demo's folder.
pub(crate) const FILE: &str = "gatehouse.yaml";
/// Name of the API description beside it.
pub(crate) const OPENAPI_FILE: &str = "directory.openapi.json";
/// Name of the audit log beside it.
pub(crate) const AUDIT_FILE: &str = "audit.jsonl";
/// The client with which the gateway exchanges tokens.
pub(crate) const GATEWAY_CLIENT: &str = "mcp-gateway";

const TEMPLATE: &str = include_str!("configuration/gatehouse.yaml");

/// The text of the file.
pub(crate) fn text(
    ports: Ports,
    cast: &Credentials,
    peers: &Peers,
) -> Result<String, argon2::password_hash::Error> {
    let values = [
        ("port", ports.public.to_string()),
        ("admin_port", ports.admin.to_string()),
        ("ada_password_hash", cast.ada.password_hash()?),
        ("bob_password_hash", cast.bob.password_hash()?),
        ("confidential_secret", cast.confidential_secret.expose().to_owned()),
        ("exchange_secret", cast.exchange_secret.expose().to_owned()),
        ("provider_key", cast.provider_key.expose().to_owned()),
        ("audit_key", cast.audit_key.expose().to_owned()),
        ("api_key_hash", KeyHash::of(cast.api_key.expose()).to_string()),
        ("directory_url", peers.directory.clone()),
        ("ledger_url", peers.ledger.to_string()),
        ("provider_url", peers.provider.clone()),
    ];
    Ok(values
        .iter()
        .fold(TEMPLATE.to_owned(), |text, (name, value)| text.replace(&format!("@{name}@"), value)))
}

#[cfg(test)]
mod tests;
