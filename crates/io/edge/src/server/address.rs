//! Who is at the other end: the socket peer, and the client behind trusted proxies.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

use crate::rejection::Rejection;

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
    /// Hops of `Forwarded` (RFC 7239) and of `X-Forwarded-For` are read from the right; the first that is not a
    /// trusted proxy is the client. A hop that is not an address ends the walk at the hop before it, so a
    /// forged value can never be taken for an address.
    ///
    /// A proxy that writes one of the two headers usually lets the other through as the client sent it. Nobody can
    /// tell which is which, so two headers that name different clients are refused.
    pub fn locate(&self, peer: IpAddr, headers: &HeaderMap) -> Result<ClientAddress, Rejection> {
        let peer_ip = peer.to_canonical();
        if !self.contains(peer_ip) {
            return Ok(ClientAddress { ip: peer_ip, peer_ip });
        }
        let named =
            (self.client(peer_ip, forwarded(headers)), self.client(peer_ip, x_forwarded_for(headers)));
        let ip = match named {
            (None, None) => peer_ip,
            (Some(ip), None) | (None, Some(ip)) => ip,
            (Some(one), Some(other)) if one == other => one,
            (Some(one), Some(other)) => {
                let public = "Forwarded and X-Forwarded-For name different clients.";
                return Err(Rejection::malformed("client_address_contradictory", public)
                    .because(format!("{one} and {other}, through {peer_ip}")));
            }
        };
        Ok(ClientAddress { ip, peer_ip })
    }

    /// The client that a forwarding chain names; `None` when there is no chain.
    fn client(&self, peer: IpAddr, chain: Vec<Option<IpAddr>>) -> Option<IpAddr> {
        let mut ip = (!chain.is_empty()).then_some(peer)?;
        for hop in chain.into_iter().rev() {
            let Some(address) = hop else { break };
            ip = address;
            if !self.contains(address) {
                break;
            }
        }
        Some(ip)
    }
}

/// What limits per address count: who has one IPv6 address has all of its /64.
pub fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
    }
}

/// The chain of `Forwarded`, left to right; `None` for a hop that is not an IP address.
fn forwarded(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    elements(headers, "forwarded")
        .map(|element| {
            element.split(';').find_map(|pair| {
                let (name, value) = pair.split_once('=')?;
                name.trim().eq_ignore_ascii_case("for").then(|| address(value.trim().trim_matches('"')))?
            })
        })
        .collect()
}

/// The chain of `X-Forwarded-For`, likewise.
fn x_forwarded_for(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    elements(headers, "x-forwarded-for").map(address).collect()
}

fn elements<'a>(headers: &'a HeaderMap, name: &'static str) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter();
    values.flat_map(|value| value.to_str().unwrap_or("?").split(',')).map(str::trim)
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
