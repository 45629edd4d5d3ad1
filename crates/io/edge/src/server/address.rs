//! Who is at the other end: the socket peer, and the client behind trusted proxies.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

/// The addresses of one request, IPv4-mapped IPv6 already folded to IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress {
    /// The client: the socket peer, or the right-most untrusted hop when the peer is a trusted proxy.
    pub ip: IpAddr,
    /// The socket peer.
    pub peer_ip: IpAddr,
}

/// The proxies whose forwarding headers are believed. Empty by default: nobody's are.
#[derive(Clone, Debug)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Trusts exactly these networks.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Whether `ip` is a trusted proxy.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|network| network.contains(&ip))
    }

    /// The addresses of a request that arrived from `peer`.
    ///
    /// `Forwarded` (RFC 7239) wins over `X-Forwarded-For`. Hops are read from the right; the first that is not a
    /// trusted proxy is the client. A hop that is not an address ends the walk at the hop before it, so a
    /// forged value can never be taken for an address.
    pub fn locate(&self, peer: IpAddr, headers: &HeaderMap) -> ClientAddress {
        let peer_ip = peer.to_canonical();
        let mut ip = peer_ip;
        if self.contains(peer_ip) {
            for hop in hops(headers).into_iter().rev() {
                let Some(address) = hop else { break };
                ip = address;
                if !self.contains(address) {
                    break;
                }
            }
        }
        ClientAddress { ip, peer_ip }
    }
}

/// The forwarding chain as written, left to right; `None` for a hop that is not an IP address.
fn hops(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let list = |name: &str| -> Vec<String> {
        headers
            .get_all(name)
            .iter()
            .flat_map(|value| value.to_str().unwrap_or("?").split(','))
            .map(|part| part.trim().to_owned())
            .collect()
    };
    let forwarded = list("forwarded");
    if forwarded.is_empty() {
        return list("x-forwarded-for").iter().map(|hop| address(hop)).collect();
    }
    forwarded
        .iter()
        .map(|element| {
            element.split(';').find_map(|pair| {
                let (name, value) = pair.split_once('=')?;
                name.trim().eq_ignore_ascii_case("for").then(|| address(value.trim().trim_matches('"')))?
            })
        })
        .collect()
}

/// An address with or without port, brackets or zone id.
fn address(text: &str) -> Option<IpAddr> {
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map(|(inside, _)| inside)?,
        None if text.matches(':').count() == 1 => text.split_once(':').map(|(host, _)| host)?,
        None => text,
    };
    let bare = bare.split_once('%').map_or(bare, |(address, _zone)| address);
    bare.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests;
