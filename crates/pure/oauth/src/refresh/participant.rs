//! Who presents a refresh token, as far as two of them can be told apart.

use std::net::IpAddr;

use gatehouse_identity::address::ClientIp;
use serde::{Deserialize, Serialize};

/// Longest name of a program that is kept.
const LONGEST_AGENT: usize = 64;

/// An address, and the program that it says it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// The client's address, behind trusted proxies.
    pub address: ClientIp,
    /// The first product that `User-Agent` names (RFC 9110 §10.1.5), without its version.
    pub agent: Option<String>,
}

impl Participant {
    /// Whoever sent a request from `address` with this `User-Agent`.
    pub fn new(address: ClientIp, user_agent: Option<&str>) -> Self {
        let product = user_agent.and_then(|agent| agent.split(['/', ' ']).next());
        let product = product.map(|product| product.chars().take(LONGEST_AGENT).collect::<String>());
        let agent = product.map(|product| product.to_ascii_lowercase()).filter(|product| !product.is_empty());
        Self { address, agent }
    }

    /// Whether both may be one program in one network. The processes of one login may be updated one after the other,
    /// and share a connection that changes its address.
    pub fn is_one_with(&self, other: &Self) -> bool {
        self.agent == other.agent && self.network() == other.network()
    }

    fn network(&self) -> Option<(bool, u64)> {
        self.address.known().map(network)
    }
}

/// The part of an address that a provider hands out as a whole: 24 bits of IPv4, 64 of IPv6.
fn network(address: IpAddr) -> (bool, u64) {
    match address {
        IpAddr::V4(address) => (false, u64::from(address.to_bits() >> 8)),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            (true, [a, b, c, d].into_iter().fold(0, |bits, segment| (bits << 16) | u64::from(segment)))
        }
    }
}
