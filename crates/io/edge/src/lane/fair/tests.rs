use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use tokio::time::Instant;

use super::{Asked, FairQueue, REMEMBERED, WATCHED};

fn address(number: u32) -> IpAddr {
    Ipv4Addr::from_bits(number).into()
}

/// Networks by their number, each of which asked as often as is said.
fn asked<const N: usize>(counts: [(u32, u32); N]) -> Asked {
    let now = Instant::now();
    let mut asked = Asked::nothing(now);
    for (number, count) in counts {
        (0..count).for_each(|_| asked.count(address(number), now));
    }
    asked
}

#[test]
fn who_asked_least_comes_first_and_equals_in_their_order() {
    let asked = asked([(1, 7), (2, 1), (3, 2), (4, 1)]);
    let mut queue = FairQueue::empty();
    for (from, name) in [(1, "flood"), (2, "first"), (3, "again"), (4, "second")] {
        queue.push(10, address(from), &asked, name).unwrap();
    }
    let order: Vec<_> = std::iter::from_fn(|| queue.pop(&asked)).collect();
    assert_eq!(order, ["first", "second", "again", "flood"]);
}

#[test]
fn the_newest_of_the_busiest_gives_way_and_is_refused_when_it_is_the_new_one() {
    let asked = asked([(1, 70), (2, 1), (3, 1), (4, 2), (5, 1)]);
    let mut queue = FairQueue::empty();
    for (from, name) in [(1, "flood-1"), (1, "flood-2"), (2, "person")] {
        queue.push(3, address(from), &asked, name).unwrap();
    }
    assert_eq!(queue.push(3, address(1), &asked, "flood-3"), Err("flood-3"));
    assert_eq!(queue.push(3, address(3), &asked, "another"), Ok(Some("flood-2")));
    assert_eq!(queue.push(3, address(4), &asked, "a third"), Ok(Some("flood-1")));
    assert_eq!(queue.push(3, address(5), &asked, "a fourth"), Ok(Some("a third")));
    // Nobody is sent away for one who asked as often.
    assert_eq!(queue.push(3, address(2), &asked, "a fifth"), Err("a fifth"));
}

#[test]
fn what_was_asked_is_forgotten_and_so_are_networks_beyond_the_most() {
    let start = Instant::now();
    let mut asked = Asked::nothing(start);
    let mut count = |at| {
        asked.count(address(1), at);
        asked.lately(address(1))
    };
    assert_eq!((1..=3).map(|_| count(start)).last(), Some(3));
    assert_eq!(count(start + REMEMBERED), 4);
    assert_eq!(count(start + REMEMBERED * 2), 2, "the first half is forgotten");
    assert_eq!(count(start + REMEMBERED * 4), 1, "and all of it after a pause");
    for number in 0..u32::try_from(WATCHED * 3).unwrap() {
        asked.count(address(number), start + REMEMBERED * 4 + Duration::from_secs(1));
    }
    assert!(asked.now.len() + asked.before.len() <= WATCHED * 2);
}
