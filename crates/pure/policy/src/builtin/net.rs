//! Networks and addresses, read and compared as OPA does.
//!
//! An IPv4 address is the same whether it is written as such or mapped into IPv6 (RFC 4291 §2.5.5.2), and so is a
//! network of them. A number with a leading zero is refused: some readers take it as octal.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use regorus::Value;

use super::guard::{Exceeded, Guard, Meter};

/// What comes before an IPv4 address that is mapped into IPv6.
const MAPPED: u128 = 0xffff << 32;
/// How many bits of a mapped address come before those of IPv4.
const MAPPED_BITS: u32 = 96;
/// Most bits that tell the addresses of a network apart which is listed.
const LISTED_BITS: u32 = 13;

/// A network, or a range of addresses; both ends as IPv6, IPv4 mapped into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Network {
    last: u128,
    first: u128,
}

impl Network {
    /// `address/length`.
    fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/')?;
        if length.is_empty() || !length.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let address: IpAddr = address.parse().ok()?;
        let digits = length.trim_start_matches('0');
        let length: u32 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
        let (bits, before) = match address {
            IpAddr::V4(_) => (32, MAPPED_BITS),
            IpAddr::V6(_) => (128, 0),
        };
        (length <= bits).then(|| Self::around(mapped(address), length + before))
    }

    /// A network, or one address.
    fn parse_any(text: &str) -> Option<Self> {
        match text.parse::<IpAddr>() {
            Ok(address) => Some(Self { first: mapped(address), last: mapped(address) }),
            Err(_) => Self::parse(text),
        }
    }

    /// The addresses that have the first `length` bits of `address`.
    fn around(address: u128, length: u32) -> Self {
        let rest = u128::MAX.checked_shr(length).unwrap_or(0);
        Self { first: address & !rest, last: address | rest }
    }

    /// IPv4 is no part of IPv6, though it can be written so.
    fn is_v4(self) -> bool {
        self.first >> 32 == MAPPED >> 32 && self.last >> 32 == MAPPED >> 32
    }

    fn contains(self, other: Self) -> bool {
        self.is_v4() == other.is_v4() && self.first <= other.first && other.last <= self.last
    }

    fn intersects(self, other: Self) -> bool {
        self.is_v4() == other.is_v4() && self.first <= other.last && other.first <= self.last
    }

    /// The networks that have exactly these addresses, in their order.
    fn cover(self) -> Vec<String> {
        let mut found = Vec::new();
        let mut at = self.first;
        loop {
            let aligned = at.trailing_zeros().min(128);
            let fits = |bits: &u32| {
                let rest = u128::MAX.checked_shr(128 - bits).unwrap_or(0);
                at.checked_add(rest).is_some_and(|last| last <= self.last)
            };
            let bits = (0..=aligned).rev().find(fits).unwrap_or(0);
            let network = Self::around(at, 128 - bits);
            found.push(network.written(128 - bits));
            match network.last.checked_add(1) {
                Some(next) if network.last < self.last => at = next,
                _ => return found,
            }
        }
    }

    fn written(self, length: u32) -> String {
        let length = if self.is_v4() { length.saturating_sub(MAPPED_BITS) } else { length };
        format!("{}/{length}", address(self.first))
    }
}

fn mapped(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => MAPPED | u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn address(bits: u128) -> IpAddr {
    IpAddr::V6(Ipv6Addr::from_bits(bits)).to_canonical()
}

/// `net.cidr_is_valid`: whether the value is a network; nothing but a text is.
#[expect(clippy::unnecessary_wraps, reason = "has the shape of every function of the table")]
pub(super) fn is_valid(arguments: &[Value], _: &Meter) -> Result<Value, Exceeded> {
    Ok(Value::from(text(arguments, 0).is_some_and(|text| Network::parse(text).is_some())))
}

/// `net.cidr_contains`: whether the network has all of an address or of another network.
#[expect(clippy::unnecessary_wraps, reason = "has the shape of every function of the table")]
pub(super) fn contains(arguments: &[Value], _: &Meter) -> Result<Value, Exceeded> {
    let networks =
        text(arguments, 0).and_then(Network::parse).zip(text(arguments, 1).and_then(Network::parse_any));
    Ok(networks.map_or(Value::Undefined, |(network, other)| Value::from(network.contains(other))))
}

/// `net.cidr_intersects`: whether two networks have an address in common.
#[expect(clippy::unnecessary_wraps, reason = "has the shape of every function of the table")]
pub(super) fn intersects(arguments: &[Value], _: &Meter) -> Result<Value, Exceeded> {
    let networks =
        text(arguments, 0).and_then(Network::parse).zip(text(arguments, 1).and_then(Network::parse));
    Ok(networks.map_or(Value::Undefined, |(network, other)| Value::from(network.intersects(other))))
}

/// `net.cidr_expand`: the set of the addresses of a network.
pub(super) fn expand(arguments: &[Value], meter: &Meter) -> Result<Value, Exceeded> {
    let Some(Network { first, last }) = text(arguments, 0).and_then(Network::parse) else {
        return Ok(Value::Undefined);
    };
    if (last - first) >> LISTED_BITS != 0 {
        return Err(Exceeded::Result);
    }
    meter.take(usize::try_from(last - first).unwrap_or(usize::MAX).saturating_mul(128))?;
    let addresses = (first..=last).map(|bits| Value::from(address(bits).to_string()));
    Ok(Value::from(addresses.collect::<BTreeSet<Value>>()))
}

/// `net.cidr_merge`: the fewest networks with the addresses of all. As in OPA, an IPv4 address without a length
/// stands for its network of the old classes.
pub(super) fn merge(arguments: &[Value], meter: &Meter) -> Result<Value, Exceeded> {
    Guard::Linear.check(arguments, meter)?;
    let networks: Option<Vec<(Network, String)>> = match arguments.first() {
        Some(Value::Array(items)) => items.iter().map(classed).collect(),
        Some(Value::Set(items)) => items.iter().map(classed).collect(),
        _ => None,
    };
    let Some(mut networks) = networks else { return Ok(Value::Undefined) };
    networks.sort();
    // From the last on: what begins within, or right after, what ends before it.
    let mut merged: Vec<(Network, Option<String>)> = Vec::new();
    for (network, written) in networks.into_iter().rev() {
        match merged.last_mut() {
            Some((last, name)) if last.first.saturating_sub(1) <= network.last => {
                last.first = last.first.min(network.first);
                *name = None;
            }
            _ => merged.push((network, Some(written))),
        }
    }
    let names = merged
        .into_iter()
        .flat_map(|(network, written)| written.map_or_else(|| network.cover(), |written| vec![written]));
    Ok(Value::from(names.map(Value::from).collect::<BTreeSet<Value>>()))
}

/// A network with its name, with the length of its class where none is written.
fn classed(value: &Value) -> Option<(Network, String)> {
    let text = value.as_string().ok()?;
    if let Some(network) = Network::parse(text) {
        let length = (network.last - network.first).leading_zeros();
        return Some((network, network.written(length)));
    }
    let IpAddr::V4(v4) = address(mapped(text.parse().ok()?)) else { return None };
    let length = match v4.octets() {
        [0..=127, ..] => 8,
        [128..=191, ..] => 16,
        _ => 24,
    };
    Some((Network::around(mapped(IpAddr::V4(v4)), length + MAPPED_BITS), format!("{v4}/{length}")))
}

/// `net.cidr_contains_matches`: which of the networks have which of the others, by the keys of both.
pub(super) fn contains_matches(arguments: &[Value], meter: &Meter) -> Result<Value, Exceeded> {
    Guard::Pairs.check(arguments, meter)?;
    let (Some(networks), Some(others)) =
        (keyed(arguments.first(), Network::parse), keyed(arguments.get(1), Network::parse_any))
    else {
        return Ok(Value::Undefined);
    };
    let mut found = BTreeSet::new();
    for (key, network) in &networks {
        for (other_key, other) in &others {
            let (Some(network), Some(other)) = (network, other) else { return Ok(Value::Undefined) };
            if network.contains(*other) {
                meter.take(256)?;
                found.insert(Value::from(vec![key.clone(), other_key.clone()]));
            }
        }
    }
    Ok(Value::from(found))
}

/// Networks by their keys: the index in an array, the key in an object, the element of a set, the text itself. An
/// element is a text, or an array that begins with one. `None` where an element is neither.
fn keyed(
    value: Option<&Value>,
    parse: fn(&str) -> Option<Network>,
) -> Option<BTreeMap<Value, Option<Network>>> {
    let element = |value: &Value| {
        let first = value.as_array().ok().and_then(|items| items.first()).unwrap_or(value);
        first.as_string().ok().map(|text| parse(text))
    };
    match value? {
        Value::String(text) => Some(BTreeMap::from([(Value::String(text.clone()), parse(text))])),
        Value::Array(items) => {
            items.iter().enumerate().map(|(at, item)| Some((Value::from(at), element(item)?))).collect()
        }
        Value::Set(items) => items.iter().map(|item| Some((item.clone(), element(item)?))).collect(),
        Value::Object(members) => {
            members.iter().map(|(key, item)| Some((key.clone(), element(item)?))).collect()
        }
        _ => Some(BTreeMap::new()),
    }
}

fn text(arguments: &[Value], at: usize) -> Option<&str> {
    arguments.get(at)?.as_string().ok().map(AsRef::as_ref)
}
