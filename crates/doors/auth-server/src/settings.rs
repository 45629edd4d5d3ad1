//! What a handler needs of the configuration that its request entered with, and of a store that fails.

use gatehouse_config::snapshot::authorization_server::AuthorizationServer;
use gatehouse_edge::context::{Context, Public};
use gatehouse_edge::rejection::Rejection;
use gatehouse_store::error::StoreError;

/// The authorization server of the snapshot that the request entered with.
pub(crate) fn configured(context: &Context<Public>) -> Result<&AuthorizationServer, Rejection> {
    context
        .snapshot
        .authorization_server
        .as_ref()
        .ok_or_else(|| Rejection::internal("no_authorization_server", "the route outlived its configuration"))
}

/// A store that fails: down is our trouble now, anything else is our fault.
pub(crate) fn store_failed(error: StoreError) -> Rejection {
    match error {
        StoreError::Unavailable { reason } => Rejection::unavailable("store_unavailable", reason),
        other => Rejection::internal("store_failed", other.to_string()),
    }
}
