//! Doors, gates and routes of one snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use gatehouse_auth_server::AuthServer;
use gatehouse_config::document_tls::{ClientAuth, TlsVersion};
use gatehouse_config::snapshot::Snapshot;
use gatehouse_config::snapshot::platform::Listener as ListenerSettings;
use gatehouse_config::snapshot::tls::TlsProfile;
use gatehouse_console::Console;
use gatehouse_edge::authn::client::ClientDirectory;
use gatehouse_edge::authn::resource::{CredentialPlaces, ResourceServer};
use gatehouse_edge::door::{OriginRules, Running};
use gatehouse_edge::issuer::TokenIssuer;
use gatehouse_edge::issuer::revocations::Revocations;
use gatehouse_edge::outbound::Outbound;
use gatehouse_edge::outbound::delegate::Delegation;
use gatehouse_edge::server::address::TrustedProxies;
use gatehouse_edge::server::admission::HostRules;
use gatehouse_edge::server::routes::{Route, RouteTable};
use gatehouse_edge::server::tls::{
    Certificate, ClientCertificates, OldestVersion, TlsError, certificates_from_pem, server_config,
};
use gatehouse_llm_gateway::LlmGateway;
use gatehouse_mcp_gateway::McpGateway;
use gatehouse_store::Store;

use super::gates::Gatekeeper;
use super::{StartError, Surroundings, keys};

pub(super) struct Assembled {
    pub(super) public: Running,
    pub(super) admin: Running,
    pub(super) revocations: Arc<Revocations>,
}
