//! Who is at the other end: the socket peer, and the client behind trusted proxies.

mod forwarded;
mod ignored;

use std::net::IpAddr;

use gatehouse_identity::address::ClientIp;
use http::HeaderMap;
use ipnet::IpNet;

pub use self::ignored::IgnoredForwarding;
use crate::rejection::Rejection;

/// The addresses of one request, IPv4-mapped IPv6 already folded to IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress {
    /// The client: the socket peer, or the right-most untrusted hop when the peer is a trusted proxy.
    pub ip: ClientIp,
    /// The socket peer.
    pub peer_ip: IpAddr,
}

impl ClientAddress {
    /// The address that limits count: the client's, or that of the proxy that does not name its clients.
    pub fn counted(&self) -> IpAddr {
        self.ip.known().unwrap_or(self.peer_ip)
    }
}

/// The proxies whose forwarding headers are believed. Empty by default: nobody's are.
#[derive(Clone, Debug)]
pub struct TrustedProxies(Vec<IpNet>);

/// One hop of a forwarding chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hop {
    /// An address.
    At(IpAddr),
    /// A proxy that does not tell: `unknown`, an obfuscated identifier, or no word at all.
    Hidden,
    /// No node that anybody defined.
    Unreadable,
}

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
    /// trusted proxy is the client. A hop that a trusted proxy hides leaves the client unknown: neither what stands
    /// before it nor the proxy's own address says who it is. A trusted proxy that sends none of the two asks for
    /// itself.
    ///
    /// A proxy that writes one of the two headers usually lets the other through as the client sent it. Nobody can
    /// tell which is which, so two headers that name different clients are refused; so is a `Forwarded` that has
    /// no reading, and an `X-Forwarded-For` whose last hops have none.
    pub fn locate(&self, peer: IpAddr, headers: &HeaderMap) -> Result<ClientAddress, Rejection> {
        let peer_ip = peer.to_canonical();
        if !self.contains(peer_ip) {
            return Ok(ClientAddress { ip: peer_ip.into(), peer_ip });
        }
        let forwarded = forwarded::hops(headers).map_err(|why| malformed("Forwarded", why))?;
        let named = (self.client(&forwarded), self.client(&x_forwarded_for(headers)));
        let ip = match named {
            (None, None) => peer_ip.into(),
            (Some(one), None) | (None, Some(one)) => one?,
            (Some(one), Some(other)) => {
                let (one, other) = (one?, other?);
                if one != other {
                    let public = "Forwarded and X-Forwarded-For name different clients.";
                    return Err(Rejection::malformed("client_address_contradictory", public)
                        .because(format!("{one} and {other}, through {peer_ip}")));
                }
                one
            }
        };
        Ok(ClientAddress { ip, peer_ip })
    }

    /// The client that a forwarding chain names; `None` when there is no chain.
    fn client(&self, chain: &[Hop]) -> Option<Result<ClientIp, Rejection>> {
        let mut farthest = None;
        for hop in chain.iter().rev() {
            match hop {
                Hop::At(ip) => farthest = Some(Ok(ClientIp::from(*ip))),
                Hop::Hidden => return Some(Ok(ClientIp::Unknown)),
                Hop::Unreadable => {
                    return Some(Err(malformed("X-Forwarded-For", "a hop that is no address")));
                }
            }
            if let Hop::At(ip) = hop
                && !self.contains(*ip)
            {
                break;
            }
        }
        farthest
    }
}

/// What limits per address count: who has one IPv6 address has all of its /64.
pub fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
    }
}

/// The chain of `X-Forwarded-For`, left to right. There is no grammar for it: a hop is an address with or without
/// port, brackets or zone id, or one of the words of RFC 7239 that some proxies write here as well.
fn x_forwarded_for(headers: &HeaderMap) -> Vec<Hop> {
    let lines = headers.get_all("x-forwarded-for").iter();
    lines
        .flat_map(|line| line.to_str().unwrap_or("?").split(','))
        .map(str::trim)
        .map(|hop| match address(hop) {
            Some(ip) => Hop::At(ip),
            // Somebody appended nothing: what stands before it is not what they saw.
            None if hop.is_empty() => Hop::Hidden,
            None => forwarded::hidden(hop),
        })
        .collect()
}

fn address(text: &str) -> Option<IpAddr> {
    let bare = match text.strip_prefix('[') {
        Some(rest) => {
            let (inside, port) = rest.split_once(']')?;
            if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_port) {
                return None;
            }
            inside
        }
        None if text.matches(':').count() == 1 => {
            let (host, port) = text.split_once(':')?;
            is_port(port).then_some(host)?
        }
        None => text,
    };
    let bare = bare.split_once('%').map_or(bare, |(address, _zone)| address);
    bare.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

/// A port number of up to five digits (RFC 7239 §6, `port`).
fn is_port(text: &str) -> bool {
    (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn malformed(header: &str, why: &'static str) -> Rejection {
    Rejection::malformed("client_address_malformed", format!("{header} cannot be read.")).because(why)
}

#[cfg(test)]
mod tests;
