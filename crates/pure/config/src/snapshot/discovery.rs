//! Where other issuers are read about, and which hosts they may send us to.

use url::{Origin, Url};

use super::compiler::Compiler;
use super::origin::is_loopback;
use crate::document::spot::Placed;

/// The metadata document of an issuer (RFC 8414 §3, OpenID Connect Discovery §4) and the hosts that it may name.
///
/// A document says where keys, tokens and claims are. It is believed when that is a public address; whoever controls
/// it must not be able to point us at a host of the internal network that the operator has not named.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Discovery {
    /// The document.
    pub url: Url,
    /// The origins, besides that of the document, for which the operator vouches.
    pub allowed: Vec<Origin>,
}

impl Discovery {
    /// The document at `url`, which may name its own origin and public addresses.
    pub fn at(url: Url) -> Self {
        Self { url, allowed: Vec::new() }
    }
}

pub(crate) fn compile(
    url: &Placed<Url>,
    allowed_hosts: &[Placed<String>],
    compiler: &mut Compiler<'_>,
) -> Discovery {
    let mut allowed = Vec::new();
    for host in allowed_hosts {
        match origins(host) {
            Some(origins) => allowed.extend(origins),
            None => compiler.report.error_with(
                &host.place,
                format!("expected a host, or a host and a port, found the text `{}`", host.value),
                "write `keys.example.com` or `keys.example.com:8443`, in lower case, without scheme, path and wildcard",
            ),
        }
    }
    Discovery { url: url.value.clone(), allowed }
}

/// The https origin of `host` or `host:port`, and the http one too if it never leaves this machine.
fn origins(host: &str) -> Option<Vec<Origin>> {
    let https = Url::parse(&format!("https://{host}/")).ok()?;
    let rest = host.strip_prefix(https.host_str()?)?;
    let port = rest.strip_prefix(':').and_then(|port| port.parse::<u16>().ok());
    let is_name = host.contains(|c: char| c.is_ascii_alphanumeric()) && !host.contains('*');
    if !is_name || (!rest.is_empty() && port.is_none()) {
        return None;
    }
    let http = if is_loopback(&https) { Url::parse(&format!("http://{host}/")).ok() } else { None };
    Some(std::iter::once(&https).chain(&http).map(Url::origin).collect())
}

#[cfg(test)]
mod tests;
