//! Whether a `sub` in `claimsMapping` tells people apart.
//!
//! The subject that a person has of their own is theirs alone. One that is mapped need not be: two people who get the
//! same `sub` from this issuer are one person to everybody who reads our tokens.

use std::collections::BTreeSet;

use gatehouse_oauth::claims::{ClaimExpression, Distinction};

use super::compiler::Compiler;
use super::minting::sign_in_connectors;
use crate::document::Root;
use crate::document::app::App;
use crate::document::connector::Connector;
use crate::document::spot::{Entries, Placed};

/// A mapped subject, and the connectors that it is read from.
struct Mapped<'a> {
    written: &'a Placed<String>,
    connectors: BTreeSet<String>,
}

pub(crate) fn check(root: &Root, compiler: &mut Compiler<'_>) {
    let mut mapped = Vec::new();
    for app in &root.apps {
        if let App::Client(client) = app {
            mapped.extend(read(&client.claims_mapping, &client.authentication.idps, root, compiler));
        }
    }
    for rules in root.oidc_provider.iter().filter_map(|provider| provider.client_metadata.as_ref()) {
        mapped.extend(read(&rules.claims_mapping, &rules.authentication.idps, root, compiler));
    }
    let connectors: BTreeSet<&String> = mapped.iter().flat_map(|one| &one.connectors).collect();
    let names: Vec<String> = connectors.iter().map(|name| format!("`{name}`")).collect();
    if names.len() < 2 {
        return;
    }
    for one in &mapped {
        let message = format!(
            "people of {} may get the same subject: it does not say whose they are",
            names.join(" and ")
        );
        let hint = "leave `sub` out, which names the issuer too, or map it for people of one connector only";
        compiler.report.warning(&one.written.place, message, hint);
    }
}

/// The `sub` of one client, unless it is the person's own or shared by many, which is told at once.
fn read<'a>(
    mapping: &'a Entries<Placed<String>>,
    idps: &[Placed<String>],
    root: &Root,
    compiler: &mut Compiler<'_>,
) -> Option<Mapped<'a>> {
    let (_, written) = mapping.iter().find(|(name, _)| name.value == "sub")?;
    let expression = ClaimExpression::parse(written).ok()?;
    let connectors = match (expression.distinguishes(), expression.connector()) {
        (Distinction::Everybody, _) => return None,
        (Distinction::Nobody, _) => {
            let message = format!("many people would have the subject `{}`", written.value);
            compiler.report.warning(
                &written.place,
                message,
                "leave `sub` out, or name an attribute of a person",
            );
            return None;
        }
        (Distinction::PeopleOfOneConnector, Some(connector)) => {
            if is_own_subject(connector, written, root) {
                return None;
            }
            BTreeSet::from([connector.to_owned()])
        }
        (Distinction::PeopleOfOneConnector, None) => {
            let names = sign_in_connectors(idps, root, compiler);
            names.iter().map(|name| name.as_str().to_owned()).collect()
        }
    };
    Some(Mapped { written, connectors })
}

/// The attribute `sub` of users of the configuration is their subject.
fn is_own_subject(connector: &str, written: &str, root: &Root) -> bool {
    let local = |one: &Connector| matches!(one, Connector::Local(local) if local.name.value == connector);
    root.connectors.iter().any(local) && written.strip_prefix(connector) == Some(".sub")
}
