//! Which crate may depend on which. The table is the one of docs/ARCHITECTURE.md.

use std::collections::BTreeSet;

use super::metadata::{Metadata, Package};

/// A room and the rooms it may name in `[dependencies]`.
type Arrows = (&'static str, &'static [&'static str]);

const ALLOWED: &[Arrows] = &[
    ("wire", &[]),
    ("identity", &[]),
    ("mcp", &["wire"]),
    ("llm", &[]),
    ("audit", &["identity"]),
    ("policy", &["identity"]),
    ("oauth", &["identity"]),
    ("store", &["oauth", "audit", "identity"]),
    ("config", &["oauth", "mcp", "llm", "policy", "identity"]),
    ("edge", &["config", "store", "oauth", "policy", "audit", "identity", "wire"]),
    ("store-sql", &["store", "oauth", "audit", "identity"]),
    ("telemetry", &["config", "audit"]),
    ("auth-server", &["edge", "config", "store", "oauth", "policy", "audit", "identity"]),
    ("mcp-gateway", &["edge", "config", "store", "mcp", "policy", "audit", "identity", "wire"]),
    ("llm-gateway", &["edge", "config", "store", "llm", "policy", "audit", "identity", "wire"]),
    ("console", &["edge", "config", "store", "policy", "audit", "identity"]),
];

/// Packages on top of the house, which may name all rooms.
const FREE: &[&str] = &["gatehouse", "testkit", "bench"];

/// What does IO, and so is no dependency of a pure crate.
const IMPURE: &[&str] = &[
    "axum",
    "hyper",
    "hyper-rustls",
    "hyper-util",
    "moka",
    "rand",
    "reqwest",
    "rusqlite",
    "socket2",
    "sqlx",
    "tempfile",
    "tokio",
    "tokio-rustls",
    "tokio-util",
    "tracing",
    "uuid",
];

/// Every arrow that is not in the table.
pub(super) fn check(metadata: &Metadata) -> Vec<String> {
    metadata.packages.iter().flat_map(problems_of).collect()
}

fn problems_of(package: &Package) -> Vec<String> {
    let is_pure = package.manifest_path.contains("/crates/pure/");
    let Some(room) = room(&package.name) else { return Vec::new() };
    let allowed = ALLOWED.iter().find(|(name, _)| *name == room).map(|(_, allowed)| *allowed);
    if allowed.is_none() && !FREE.contains(&room) {
        return vec![format!(
            "{}: crate `{}` has no row in the table of arrows",
            package.manifest_path, package.name
        )];
    }
    package
        .dependencies
        .iter()
        .filter_map(|dependency| {
            let is_dev = dependency.kind.as_deref() == Some("dev");
            if is_pure && !is_dev && IMPURE.contains(&dependency.name.as_str()) {
                return Some(format!("{room} is pure and may not depend on `{}`", dependency.name));
            }
            let to = self::room(&dependency.name)?;
            let is_allowed = match allowed {
                _ if to == "testkit" => is_dev,
                None => to != "bench",
                // Tests may name whatever the crate is built upon anyway.
                Some(_) if is_dev => reachable(room).contains(to) || to == room,
                Some(allowed) => allowed.contains(&to),
            };
            let section = if is_dev { "dev-dependencies" } else { "dependencies" };
            (!is_allowed).then(|| format!("{room} -> {to} in [{section}] is not an arrow of this house"))
        })
        .collect()
}

/// `edge` of `gatehouse-edge`; `None` for crates that are not rooms.
fn room(package: &str) -> Option<&str> {
    if package == "gatehouse" { Some(package) } else { package.strip_prefix("gatehouse-") }
}

/// All rooms below `room`.
fn reachable(room: &str) -> BTreeSet<&'static str> {
    let direct =
        ALLOWED.iter().filter(|(name, _)| *name == room).flat_map(|(_, allowed)| allowed.iter().copied());
    direct.flat_map(|below| std::iter::once(below).chain(reachable(below))).collect()
}

#[cfg(test)]
mod tests;
