use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use gatehouse_identity::clock::Timestamp;

use super::{Beginnings, IN_ALL, PER_ADDRESS, TooMany};

const NOW: Timestamp = Timestamp::from_unix_seconds(1_000_000);

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn one_network_cannot_begin_without_end_and_holds_up_nobody_else() {
    let beginnings = Beginnings::none();
    for n in 0..PER_ADDRESS {
        beginnings.count(address(&format!("2001:db8::{n:x}")), NOW).unwrap();
    }
    for n in 0..IN_ALL {
        let refused = beginnings.count(address(&format!("2001:db8::1:{n:x}")), NOW);
        assert!(matches!(refused, Err(TooMany::FromAddress(_))), "{refused:?}");
    }
    beginnings.count(address("2001:db8:0:1::1"), NOW).unwrap();
    beginnings.count(address("192.0.2.1"), NOW).unwrap();
    beginnings.count(address("2001:db8::1"), NOW.plus(Duration::from_mins(1))).unwrap();
}

#[test]
fn many_addresses_together_are_bounded_too() {
    let beginnings = Beginnings::none();
    for n in 0..IN_ALL {
        beginnings.count(Ipv4Addr::from_bits(n).into(), NOW).unwrap();
    }
    let refused = beginnings.count(address("192.0.2.1"), NOW);
    assert!(matches!(refused, Err(TooMany::InAll(full)) if full.first), "{refused:?}");
    beginnings.count(address("192.0.2.1"), NOW.plus(Duration::from_mins(1))).unwrap();
}
