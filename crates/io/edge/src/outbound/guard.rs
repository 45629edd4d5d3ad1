//! Which addresses we may connect to on somebody else's word.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

/// The registry rows, one per block: `block,name,source`.
const SPECIAL_PURPOSE: &str = include_str!("../../data/special-purpose.csv");

/// Names that never belong to a public host, whatever they resolve to.
const LOCAL_NAMES: [&str; 6] = ["localhost", "local", "internal", "home.arpa", "onion", "localdomain"];

/// Lets only global unicast addresses through.
#[derive(Clone, Debug)]
pub struct AddressGuard {
    special: Vec<(IpNet, &'static str)>,
}

/// An address or name that we do not connect to.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Blocked {
    /// The address lies in a special-purpose block.
    #[error("{address} is not a public address ({block}: {name})")]
    Special {
        /// The address.
        address: IpAddr,
        /// Its block.
        block: IpNet,
        /// What the registry calls it.
        name: &'static str,
    },
    /// An IPv6 address outside 2000::/3, the only global unicast space in use.
    #[error("{0} is not in global unicast space")]
    NotGlobal(IpAddr),
    /// The name is reserved for local use.
    #[error("{0:?} is a local name")]
    LocalName(String),
    /// The name has no address.
    #[error("{0:?} has no address")]
    NoAddress(String),
}

impl AddressGuard {
    /// The guard over the built-in registry table.
    pub fn new() -> Self {
        let special = SPECIAL_PURPOSE
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| {
                let (block, rest) = line.split_once(',')?;
                Some((block.parse().ok()?, rest.split_once(',')?.0))
            })
            .collect();
        Self { special }
    }

    /// Whether `address` is global unicast.
    pub fn check(&self, address: IpAddr) -> Result<(), Blocked> {
        let address = address.to_canonical();
        if let Some((block, name)) = self.special.iter().find(|(block, _)| block.contains(&address)) {
            return Err(Blocked::Special { address, block: *block, name });
        }
        match address {
            IpAddr::V6(v6) if v6.to_bits() >> 125 != 0b001 => Err(Blocked::NotGlobal(address)),
            _ => Ok(()),
        }
    }

    /// Whether `host` may be looked up at all.
    pub fn check_name(&self, host: &str) -> Result<(), Blocked> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let local =
            |name: &str| host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        if LOCAL_NAMES.iter().any(|name| local(name)) { Err(Blocked::LocalName(host)) } else { Ok(()) }
    }

    /// Whether everything that a name resolved to may be connected to: a single special-purpose address among them
    /// spoils the whole answer, so a name cannot alternate between public and internal.
    pub fn check_all(&self, resolved: &[SocketAddr]) -> Result<(), Blocked> {
        resolved.iter().try_for_each(|address| self.check(address.ip()))
    }

    /// A guard that blocks `special` alone.
    #[cfg(test)]
    pub(crate) fn blocking(special: &[&str]) -> Self {
        Self { special: special.iter().map(|block| (block.parse().unwrap(), "in this test")).collect() }
    }
}

impl Default for AddressGuard {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
