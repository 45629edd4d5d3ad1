//! Where things are on the web, and where this process is.

use std::net::SocketAddr;

use url::Url;

use crate::document::Root;

/// `scheme://host[:port]` of a URL.
pub(crate) fn origin_of(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// Whether the URL's host is this computer.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The configured public URL, else the issuer's origin, else that of the first audience that is a URL of ours,
/// else the listener itself.
pub(crate) fn public_origin(root: &Root) -> String {
    if let Some(url) = &root.http.public_url {
        return origin_of(url);
    }
    let issuer = root.oidc_provider.as_ref().and_then(|provider| Url::parse(&provider.discovery.issuer).ok());
    let audience = || {
        let servers = &root.mcp_provider.as_ref()?.authorization.oauth.servers;
        let mut audiences = servers.iter().flat_map(|server| &server.token_validation.expected_audiences);
        audiences.find_map(|audience| Url::parse(audience).ok().filter(Url::has_host))
    };
    if let Some(url) = issuer.or_else(audience) {
        return origin_of(&url);
    }
    let scheme = if root.http.tls.is_some() || !root.http.hosts.is_empty() { "https" } else { "http" };
    let address = root.http.address;
    let host = if address.ip().is_unspecified() { "localhost".to_owned() } else { host_text(address) };
    format!("{scheme}://{host}:{}", address.port())
}

fn host_text(address: SocketAddr) -> String {
    if address.is_ipv6() { format!("[{}]", address.ip()) } else { address.ip().to_string() }
}
