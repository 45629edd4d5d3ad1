use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr};

use gatehouse_identity::clock::Timestamp;
use proptest::prelude::*;

use super::{Counted, Handful, MOST_NETWORKS, Network, OWN_COUNTS, Origin, Room, Tally, Times, Verdict};

fn at(second: i64) -> Timestamp {
    Timestamp::from_unix_seconds(second)
}

fn tally<Kind: Clone + Eq + Hash>() -> Tally<Kind> {
    Tally::new(Handful { per_network: 5, in_all: 100 })
}

fn network(number: u32) -> Network {
    Network::of(IpAddr::V4(Ipv4Addr::from_bits(number)))
}

/// Notes `times` of `kind` and returns how many were told whole.
fn note(tally: &mut Tally<&'static str>, kind: &'static str, from: u32, times: u32) -> u32 {
    let verdicts = (0..times).map(|time| tally.note(&kind, network(from), at(time.into()), Room::Ample));
    verdicts.filter(|verdict| *verdict == Verdict::Whole).count().try_into().unwrap()
}

#[test]
fn a_handful_is_told_whole_and_the_rest_is_counted() {
    let mut tally = tally();
    assert_eq!(note(&mut tally, "key_refused", 1, 1_000), 5);
    let times = Times { count: 995, first: at(5), last: at(999) };
    assert_eq!(tally.take(), [Counted { kind: "key_refused", origin: Origin::One(network(1)), times }]);
    assert_eq!(tally.take(), []);
    assert_eq!(note(&mut tally, "key_refused", 1, 1_000), 5, "of each span");
}

#[test]
fn another_kind_and_another_network_have_handfuls_of_their_own() {
    let mut tally = tally();
    for (kind, from) in [("key_refused", 1), ("key_refused", 2), ("host_unknown", 1)] {
        assert_eq!(note(&mut tally, kind, from, 100), 5, "{kind} {from}");
    }
    assert_eq!(tally.take().len(), 3);
}

#[test]
fn what_is_told_whole_is_bounded_in_all() {
    let mut tally = tally();
    let whole: u32 = (0..10_000).map(|from| note(&mut tally, "key_refused", from, 3)).sum();
    assert_eq!(whole, 100);
    let counted = tally.take();
    assert!(counted.len() <= OWN_COUNTS + 1, "{}", counted.len());
    let counts: u64 = counted.iter().map(|counted| counted.times.count).sum();
    assert_eq!(counts + u64::from(whole), 30_000);
    let shared: Vec<_> = counted.iter().filter(|counted| matches!(counted.origin, Origin::Many(_))).collect();
    assert_eq!(shared.len(), 1);
    assert_eq!(shared[0].origin, Origin::Many(MOST_NETWORKS));
    assert_eq!(shared[0].times.count, 3 * (10_000 - u64::try_from(OWN_COUNTS).unwrap()));
}

#[test]
fn the_networks_behind_a_shared_count_are_told_apart() {
    let mut tally = tally();
    for from in 0..u32::try_from(OWN_COUNTS).unwrap() + 7 {
        note(&mut tally, "key_refused", from, 2);
    }
    let counted = tally.take();
    let shared = counted.iter().find(|counted| matches!(counted.origin, Origin::Many(_))).unwrap();
    assert_eq!((shared.origin, shared.times.count), (Origin::Many(7), 14));
}

#[test]
fn nothing_is_told_whole_where_room_is_scarce() {
    let mut tally = tally();
    for second in 0..3 {
        assert_eq!(tally.note(&"key_refused", network(1), at(second), Room::Scarce), Verdict::Counted);
    }
    assert_eq!(tally.note(&"key_refused", network(1), at(3), Room::Ample), Verdict::Whole);
    assert_eq!(tally.take()[0].times, Times { count: 3, first: at(0), last: at(2) });
}

#[test]
fn a_network_is_an_address_or_a_64() {
    let of = |ip: &str| Network::of(ip.parse().unwrap()).to_string();
    assert_eq!(of("192.0.2.7"), "192.0.2.7");
    assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
    assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
    assert_eq!(of("2001:db8:1:2::9"), "2001:db8:1:2::/64");
}

proptest! {
    /// Whatever comes in whatever order: nothing is lost, nothing is counted twice.
    #[test]
    fn the_sum_is_the_number_of_what_happened(
        happened in prop::collection::vec((0..4_u8, 0..400_u32, any::<bool>(), 0..50_u8), 0..3_000)
    ) {
        let mut tally = tally();
        let (mut whole, mut counted) = (0, 0);
        for (second, (kind, from, is_ample, ends)) in happened.iter().enumerate() {
            let room = if *is_ample { Room::Ample } else { Room::Scarce };
            let verdict = tally.note(kind, network(*from), at(i64::try_from(second).unwrap()), room);
            whole += u64::from(verdict == Verdict::Whole);
            if *ends == 0 {
                counted += tally.take().iter().map(|counted| counted.times.count).sum::<u64>();
            }
        }
        counted += tally.take().iter().map(|counted| counted.times.count).sum::<u64>();
        prop_assert_eq!(whole + counted, happened.len() as u64);
    }
}
