use std::net::IpAddr;
use std::sync::Arc;

use super::{ConnectionLimits, PER_ADDRESS, PER_LISTENER};

fn address(number: usize) -> IpAddr {
    IpAddr::from(u32::try_from(number).unwrap().to_be_bytes())
}

#[test]
fn one_address_holds_so_many_connections_and_no_more() {
    let limits = Arc::<ConnectionLimits>::default();
    let mut held: Vec<_> = (0..PER_ADDRESS).map(|_| limits.admit(address(1), false).unwrap()).collect();
    assert!(limits.admit(address(1), false).is_none());
    assert!(limits.admit(address(1), true).is_some(), "a proxy carries many clients");
    assert!(limits.admit(address(2), false).is_some());
    held.pop();
    assert!(limits.admit(address(1), false).is_some(), "one that ends makes room");
}

#[test]
fn a_network_of_ipv6_is_one_address() {
    let limits = Arc::<ConnectionLimits>::default();
    let within = |network: u16, host: usize| {
        let host = u16::try_from(host).unwrap();
        IpAddr::from([0x2001, 0xdb8, 0, network, host, 0, 0, host])
    };
    let held: Vec<_> = (0..PER_ADDRESS).map(|host| limits.admit(within(1, host), false).unwrap()).collect();
    assert!(limits.admit(within(1, 9_999), false).is_none());
    assert!(limits.admit(within(2, 1), false).is_some());
    drop(held);
    assert!(limits.open.lock().unwrap().by_address.is_empty());
}

#[test]
fn a_listener_holds_so_many_connections_and_no_more() {
    let limits = Arc::<ConnectionLimits>::default();
    let mut held: Vec<_> =
        (0..PER_LISTENER).map(|number| limits.admit(address(number), false).unwrap()).collect();
    assert!(limits.admit(address(PER_LISTENER), false).is_none());
    assert!(limits.admit(address(PER_LISTENER), true).is_none(), "not even a proxy");
    held.pop();
    assert!(limits.admit(address(PER_LISTENER), false).is_some());
}

#[test]
fn addresses_without_connections_take_no_memory() {
    let limits = Arc::<ConnectionLimits>::default();
    let held: Vec<_> = (0..100).map(|number| limits.admit(address(number), false).unwrap()).collect();
    drop(held);
    assert!(limits.open.lock().unwrap().by_address.is_empty());
}
