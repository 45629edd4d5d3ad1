//! Whether a `sub` in `claimsMapping` tells people apart.
//!
//! The subject that a person has of their own is theirs alone. One that is mapped need not be: two people who get the
//! same `sub` from this issuer are one person to everybody who reads our tokens.

use std::collections::BTreeSet;

use gatehouse_oauth::claims::{ClaimExpression, Distinction};
use gatehouse_oauth::redirect::RegisteredRedirect;

use super::compiler::Compiler;
use super::minting::sign_in_connectors;
use crate::document::Root;
use crate::document::app::App;
use crate::document::client::ClientApp;
use crate::document::connector::Connector;
use crate::document::spot::{Entries, Placed};

/// A mapped subject, and the connectors that it is read from.
struct Mapped<'a> {
    written: &'a Placed<String>,
    connectors: BTreeSet<String>,
}

pub(crate) fn check(root: &Root, compiler: &mut Compiler<'_>) {
    check_two_ways(root, compiler);
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

/// A program that may be registered here as well as known by a document about it gives one person two subjects, depending
/// on how it comes, when the two map them differently.
fn check_two_ways(root: &Root, compiler: &mut Compiler<'_>) {
    let documents = root.oidc_provider.iter().filter_map(|provider| provider.client_metadata.as_ref());
    let Some(documents) = documents.into_iter().find(|documents| documents.enabled) else { return };
    let by_document = mapped_subject(&documents.claims_mapping);
    for app in &root.apps {
        let App::Client(client) = app else { continue };
        let hosts = &documents.allowed_hosts;
        let by_registration = mapped_subject(&client.claims_mapping);
        if !may_have_document(client, hosts) || text(by_registration) == text(by_document) {
            continue;
        }
        let said = |written: Option<&Placed<String>>| match written {
            Some(written) => format!("the subject `{}`", written.value),
            None => "the subject of their own".to_owned(),
        };
        let message = format!(
            "people have {} through the client `{}`, but {} when a program comes by a document about it",
            said(by_registration),
            client.client_id.value,
            said(by_document)
        );
        let place = by_registration.or(by_document).map_or(&client.place, |written| &written.place);
        let hint =
            "write the same `sub` here and in oidcProvider.clientIDMetadata.claimsMapping, or in neither";
        compiler.report.warning(place, message, hint);
    }
}

/// Whether the program behind a client may be one that has a document too: those of Claude, programs on people's
/// computers, and whoever is answered at a host whose documents are believed.
fn may_have_document(client: &ClientApp, hosts: &[Placed<String>]) -> bool {
    let is_at = |url: &str, host: &str| url.starts_with(&format!("https://{host}/"));
    let is_one = |url: &Placed<String>| {
        RegisteredRedirect::parse(url).is_ok_and(|redirect| redirect.is_loopback())
            || hosts.iter().any(|host| is_at(url, host))
    };
    client.preset.is_some() || client.redirect_urls.iter().any(is_one)
}

fn mapped_subject(mapping: &Entries<Placed<String>>) -> Option<&Placed<String>> {
    mapping.iter().find(|(name, _)| name.value == "sub").map(|(_, written)| written)
}

/// What a mapping gives; the subject of their own is the same whether it is written or not.
fn text(written: Option<&Placed<String>>) -> Option<&str> {
    written.map(|written| written.value.as_str()).filter(|text| *text != "user.sub")
}

/// The `sub` of one client, unless it is the person's own or shared by many, which is told at once.
fn read<'a>(
    mapping: &'a Entries<Placed<String>>,
    idps: &[Placed<String>],
    root: &Root,
    compiler: &mut Compiler<'_>,
) -> Option<Mapped<'a>> {
    let written = mapped_subject(mapping)?;
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
