//! How much the process takes: what is configured, and what follows from what the system lets it have.

use gatehouse_config::snapshot::Snapshot;
use gatehouse_config::snapshot::mcp::{ListLimits, McpApp, Upstream};
use gatehouse_config::snapshot::platform::HttpLimits;
use gatehouse_edge::limits::{Limit, Limits};
use gatehouse_edge::server::ConnectionLimits;

/// Files for everything but connections: store, log, certificates, the runtime.
const RESERVED_FILES: u64 = 128;
/// The most connections of a listener unless configured otherwise.
const CONNECTIONS: u64 = 10_000;
/// The fewest, however few files there may be.
const FEWEST_CONNECTIONS: u64 = 16;

/// Connections of the listener for clients where the process may have `files` open. Each may need one to an upstream.
pub(super) fn public(settings: &HttpLimits, files: u64) -> ConnectionLimits {
    let affordable = files.saturating_sub(RESERVED_FILES) / 2;
    let in_all =
        settings.connections.map_or_else(|| affordable.clamp(FEWEST_CONNECTIONS, CONNECTIONS), u64::from);
    if in_all > affordable {
        tracing::warn!(
            limit = Limit::Connections.key(),
            limit.bound = in_all,
            files,
            "few open files for this limit"
        );
    }
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let or = |written: Option<u32>, otherwise: usize| written.map_or(otherwise, |number| size(number.into()));
    let usual = ConnectionLimits::of(size(in_all));
    ConnectionLimits {
        in_all: usual.in_all,
        per_address: or(settings.per_address, usual.per_address),
        per_trusted_proxy: or(settings.per_trusted_proxy, usual.per_trusted_proxy),
        header_bytes: size(settings.header_bytes),
    }
}

/// Those of the listener for operators.
pub(super) fn admin(public: ConnectionLimits) -> ConnectionLimits {
    let in_all = (public.in_all / 10).max(16);
    ConnectionLimits { header_bytes: public.header_bytes / 10, ..ConnectionLimits::of(in_all) }
}

/// Notes what is in force.
pub(super) fn note(limits: &Limits, snapshot: &Snapshot, connections: ConnectionLimits) {
    let set = |limit, bound: usize| limits.set(limit, bound as u64);
    set(Limit::Connections, connections.in_all);
    set(Limit::PerAddress, connections.per_address);
    set(Limit::PerTrustedProxy, connections.per_trusted_proxy);
    set(Limit::HeaderBytes, connections.header_bytes);
    if let Some(mcp) = &snapshot.mcp {
        set(Limit::McpBody, mcp.limits.body);
        set(Limit::Sessions, mcp.limits.sessions);
        set(Limit::SessionsPerCaller, mcp.limits.sessions_per_caller);
        set(Limit::Tools, mcp.limits.tools);
        // Each app has its own; the largest is shown.
        let largest = |of: fn(&McpApp) -> usize| mcp.apps.iter().map(|app| of(app)).max().unwrap_or(0);
        set(Limit::AppTools, largest(|app| app.most_tools));
        set(Limit::Response, largest(|app| app.largest_response));
        set(Limit::ListBytes, largest(|app| list(app).map_or(0, |list| list.bytes)));
        set(Limit::ListPages, largest(|app| list(app).map_or(0, |list| list.pages)));
    }
    if let Some(llm) = &snapshot.llm {
        set(Limit::LlmBody, llm.body_limit);
    }
    if let Some(server) = &snapshot.authorization_server {
        set(Limit::OidcForm, server.form_limit);
        let sign_ins = server.sign_in_limits;
        limits.set(Limit::PendingSignIns, sign_ins.pending.into());
        limits.set(Limit::PendingSignInsPerNetwork, sign_ins.pending_per_network.into());
        limits.set(Limit::SignInsPerMinutePerNetwork, sign_ins.per_minute.into());
    }
}

fn list(app: &McpApp) -> Option<ListLimits> {
    match &app.upstream {
        Upstream::Proxy(proxy) => Some(proxy.list),
        Upstream::Bridge { .. } => None,
    }
}

#[cfg(test)]
mod tests;
