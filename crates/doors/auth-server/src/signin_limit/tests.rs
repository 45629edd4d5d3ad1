use std::net::IpAddr;
use std::time::Duration;

use gatehouse_config::snapshot::authorization_server::SignInLimits;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::GrantId;

use super::{AT_ONCE, SHARE, SignInLimit, TooMany};

const NOW: Timestamp = Timestamp::from_unix_seconds(1_000_000);
const LIMITS: SignInLimits = SignInLimits { pending: 1_000, pending_per_network: 500, per_minute: 600 };

fn begin(signin_limit: &SignInLimit, id: u32, address: &str, now: Timestamp) -> Result<(), TooMany> {
    let id = GrantId::new(format!("{address}-{id}"));
    let place = (address.parse::<IpAddr>().unwrap(), now.plus(Duration::from_mins(10)));
    signin_limit.place(&id, place, &LIMITS, now).map(drop)
}

#[test]
fn one_network_cannot_begin_without_end_and_holds_up_nobody_else() {
    let signin_limit = SignInLimit::none();
    for n in 0..LIMITS.per_minute {
        begin(&signin_limit, n, &format!("2001:db8::{n:x}"), NOW).unwrap();
    }
    for n in 0..20_000 {
        let refused = begin(&signin_limit, n, &format!("2001:db8::1:{n:x}"), NOW);
        assert!(matches!(refused, Err(TooMany::FromNetwork(_))), "{refused:?}");
    }
    begin(&signin_limit, 0, "2001:db8:0:1::1", NOW).unwrap();
    begin(&signin_limit, 0, "192.0.2.1", NOW).unwrap();
    begin(&signin_limit, 0, "2001:db8::1", NOW.plus(Duration::from_mins(1))).unwrap();
}

#[test]
fn many_networks_together_are_bounded_and_stop_nobody() {
    let signin_limit = SignInLimit::none();
    let mut over = 0;
    for n in 0..600 {
        for network in 1..=60 {
            let address: IpAddr = format!("192.0.2.{network}").parse().unwrap();
            let id = GrantId::new(format!("{address}-{n}"));
            let place = (address, NOW.plus(Duration::from_mins(10)));
            match signin_limit.place(&id, place, &LIMITS, NOW) {
                Ok(None) => {}
                // Another gives way for it, or it does itself.
                Ok(Some(_)) | Err(TooMany::InAll(_)) => over += 1,
                Err(other) => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(over, 60 * 600 - LIMITS.pending);
    begin(&signin_limit, 0, "198.51.100.1", NOW).unwrap();
}

#[test]
fn those_that_are_being_stored_leave_room_for_other_networks() {
    let signin_limit = SignInLimit::none();
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let mut held: Vec<_> =
        (0..AT_ONCE).map(|_| signin_limit.under_way(address("192.0.2.1")).unwrap()).collect();
    assert_eq!(signin_limit.under_way(address("192.0.2.1")).map(drop), Err(TooMany::AtOnce));
    for network in 0..100 {
        for _ in 0..SHARE {
            held.push(signin_limit.under_way(address(&format!("198.51.100.{network}"))).unwrap());
        }
        let more = signin_limit.under_way(address(&format!("198.51.100.{network}")));
        assert_eq!(more.map(drop), Err(TooMany::AtOnce));
    }
    drop(held);
    let counts = signin_limit.lock();
    assert!(counts.under_way.is_empty() && counts.under_way_in_all == 0);
}
