//! Clients that are known by the URL of a metadata document, and the copies of documents that are held here.
//!
//! Claude's documents often answer servers with a challenge page instead of themselves, so copies of them are
//! built in; a document that the operator pins wins.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatehouse_identity::id::{ClientId, ConnectorName};
use gatehouse_oauth::cimd::{ClientMetadataUrl, DocumentClientRules, MAX_DOCUMENT_BYTES, MetadataDocument};
use gatehouse_oauth::client::RotationProfile;
use gatehouse_policy::Policy;
use url::Url;

use super::compiler::Compiler;
use super::{minting, policy};
use crate::document::Root;
use crate::document::oidc_provider::{ClientMetadata, OidcProvider};

/// Clients from metadata documents.
pub struct MetadataClients {
    /// The hosts whose documents are believed; documents of others are not fetched.
    pub allowed_hosts: Vec<String>,
    /// What such clients may do.
    pub template: DocumentClientRules,
    /// Policies of their access tokens; the first denial counts.
    pub access_token_policies: Vec<Policy>,
    /// Policies of their ID tokens; the first denial counts.
    pub id_token_policies: Vec<Policy>,
    /// Documents that are never fetched, by client id.
    pub pinned: BTreeMap<ClientId, Arc<MetadataDocument>>,
}

impl MetadataClients {
    /// Whether documents at `url` are believed.
    pub fn allows(&self, url: &Url) -> bool {
        is_allowed(url, &self.allowed_hosts)
    }

    /// Whether `id` can be a client. What its document says now is not asked.
    fn admits(&self, id: &str) -> bool {
        self.pinned.contains_key(id)
            || ClientMetadataUrl::parse(id)
                .is_ok_and(|url| Url::parse(url.as_str()).is_ok_and(|url| self.allows(&url)))
    }

    /// The connectors through which the users of client `id` sign in, if it can be one.
    pub(super) fn connectors_of(&self, id: &str) -> Option<&[ConnectorName]> {
        self.admits(id).then_some(self.template.connectors.as_slice())
    }
}

/// An allowed host says which port, or means that of https.
fn is_allowed(url: &Url, allowed_hosts: &[String]) -> bool {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default();
    allowed_hosts.iter().any(|allowed| match allowed.rsplit_once(':') {
        Some((name, allowed_port)) => name == host && allowed_port.parse().ok() == port,
        None => allowed == host && port == Some(443),
    })
}

/// Copies of the documents of Claude, as they were published in October 2026.
const BUILT_IN: [(&str, &str); 2] = [
    ("https://claude.ai/oauth/claude-code-client-metadata", include_str!("pinned/claude-code.json")),
    ("https://claude.ai/oauth/mcp-oauth-client-metadata", include_str!("pinned/claude.json")),
];

pub(crate) fn compile(
    provider: &OidcProvider,
    root: &Root,
    compiler: &mut Compiler<'_>,
) -> Option<MetadataClients> {
    let written = provider.client_metadata.as_ref().filter(|written| written.enabled)?;
    if written.allowed_hosts.is_empty() && written.pinned.is_empty() {
        let hint = "list hosts such as claude.ai, or set `enabled: false`";
        compiler.report.error_with(
            &written.place.child("allowedHosts"),
            "no document would be believed",
            hint,
        );
    }
    let mut allowed_hosts = Vec::new();
    for host in &written.allowed_hosts {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | ':');
        if host.chars().all(plain) && host.contains('.') {
            allowed_hosts.push(host.value.clone());
        } else {
            compiler.report.error(
                &host.place,
                "expected a host name such as `claude.ai`, in lower case, without wildcard",
            );
        }
    }
    let minting = &written.authorization.token_minting;
    Some(MetadataClients {
        template: template(written, root, compiler),
        access_token_policies: policy::compile_list(&minting.access_token, compiler),
        id_token_policies: policy::compile_list(&minting.id_token, compiler),
        pinned: pinned(written, &allowed_hosts, compiler),
        allowed_hosts,
    })
}

fn template(written: &ClientMetadata, root: &Root, compiler: &mut Compiler<'_>) -> DocumentClientRules {
    let connectors = minting::sign_in_connectors(&written.authentication.idps, root, compiler);
    if connectors.is_empty() {
        compiler.report.error_with(&written.place, "nobody can sign in to these clients", "add a connector");
    }
    let allowed_audiences = minting::audiences(&written.allowed_audiences);
    let asked_for_none = written.default_audience.as_ref();
    let scopes = minting::client_scopes(&written.custom_scopes.scopes, compiler);
    DocumentClientRules {
        default_scopes: minting::default_scopes(written.default_scopes.as_ref(), &scopes, compiler),
        scopes,
        default_audience: minting::default_audience(asked_for_none, &allowed_audiences, root, compiler),
        allowed_audiences,
        access_token: minting::access_token(&written.access_token, root, compiler),
        refresh: minting::refresh_token(written.refresh_token.as_ref(), RotationProfile::ClaudeNative),
        connectors,
        claims_mapping: minting::claims(&written.claims_mapping, &["sub"], root, compiler),
    }
}

fn pinned(
    written: &ClientMetadata,
    allowed_hosts: &[String],
    compiler: &mut Compiler<'_>,
) -> BTreeMap<ClientId, Arc<MetadataDocument>> {
    let mut pinned = BTreeMap::new();
    for (url, document) in BUILT_IN {
        let believed = allowed_hosts.iter().any(|host| url.starts_with(&format!("https://{host}/")));
        let parsed = ClientMetadataUrl::parse(url)
            .ok()
            .and_then(|url| MetadataDocument::parse(&url, document.as_bytes()).ok());
        if let Some(document) = parsed.filter(|_| believed) {
            pinned.insert(ClientId::new(url), Arc::new(document));
        }
    }
    for pin in &written.pinned {
        let Some(bytes) = compiler.file(&pin.document, MAX_DOCUMENT_BYTES) else { continue };
        let url = match ClientMetadataUrl::parse(&pin.url) {
            Ok(url) => url,
            Err(error) => {
                compiler.report.error(&pin.url.place, error.to_string());
                continue;
            }
        };
        match MetadataDocument::parse(&url, &bytes) {
            Ok(document) => {
                pinned.insert(ClientId::new(pin.url.value.clone()), Arc::new(document));
            }
            Err(error) => compiler.report.error(&pin.document.place, error.to_string()),
        }
    }
    pinned
}

#[cfg(test)]
mod tests;
