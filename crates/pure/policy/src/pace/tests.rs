use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::{Ended, HITS_OF_ALL, HITS_OF_ONE, LONGEST_PAUSE, MOST_NETWORKS, Pace, TRUST_AFTER, Turn};

const QUICK: Duration = Duration::from_micros(50);
const SLOW: Duration = Duration::from_millis(5);
const LIMIT: Duration = Duration::from_millis(25);

fn network(number: u32) -> IpAddr {
    Ipv4Addr::from_bits(number).into()
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(1_000 + seconds)
}

#[test]
fn a_policy_is_trusted_after_a_quick_answer_and_less_readily_after_each_slow_one() {
    let pace = Pace::unknown();
    assert!(!pace.is_quick(), "nobody knows it yet");
    pace.ended(network(1), QUICK, Ended::Answered, at(0));
    assert!(pace.is_quick());
    for relapse in 0..4 {
        pace.ended(network(1), SLOW, Ended::Answered, at(0));
        for _ in 0..TRUST_AFTER << relapse {
            assert!(!pace.is_quick());
            pace.ended(network(1), QUICK, Ended::Answered, at(0));
        }
        assert!(pace.is_quick());
    }
    for _ in 0..100 {
        pace.ended(network(1), SLOW, Ended::Answered, at(0));
    }
    assert!(!pace.is_quick());
}

#[test]
fn whose_requests_hit_the_limit_is_cut_short_and_others_are_asked_about() {
    let pace = Pace::unknown();
    for hit in 1..=HITS_OF_ONE {
        assert!(pace.begin(network(1), at(0)));
        let turn = pace.ended(network(1), LIMIT, Ended::AtLimit, at(0));
        let pause = Duration::from_secs(1);
        let expected = (hit == HITS_OF_ONE).then_some(Turn::CutForNetwork { network: network(1), pause });
        assert_eq!(turn, expected);
    }
    assert!(pace.is_cut(network(1), at(0)) && !pace.begin(network(1), at(0)));
    assert!(!pace.is_cut(network(2), at(0)) && pace.begin(network(2), at(0)));
    pace.ended(network(2), SLOW, Ended::Answered, at(0));
    // After the pause one request is tried, and no second one beside it.
    assert!(pace.begin(network(1), at(1)) && !pace.begin(network(1), at(1)));
    assert_eq!(pace.ended(network(1), LIMIT, Ended::AtLimit, at(1)), None, "it was told before");
    assert!(pace.is_cut(network(1), at(2)), "the second pause is longer");
    assert!(pace.begin(network(1), at(3)));
    assert_eq!(pace.ended(network(1), SLOW, Ended::Answered, at(3)), Some(Turn::Restored));
    assert!(pace.begin(network(1), at(3)) && pace.begin(network(1), at(3)));
}

#[test]
fn a_policy_that_fails_for_everybody_is_cut_short_for_everybody() {
    let pace = Pace::unknown();
    for hit in 1..=HITS_OF_ALL {
        assert!(pace.begin(network(hit), at(0)));
        let turn = pace.ended(network(hit), LIMIT, Ended::AtLimit, at(0));
        assert_eq!(matches!(turn, Some(Turn::CutForAll { .. })), hit == HITS_OF_ALL, "{turn:?}");
    }
    assert!(pace.is_cut(network(99), at(0)));
    assert!(pace.begin(network(99), at(1)) && !pace.begin(network(98), at(1)));
    assert_eq!(pace.ended(network(99), QUICK, Ended::Answered, at(1)), Some(Turn::Restored));
    assert!(pace.begin(network(98), at(1)));
}

#[test]
fn a_limit_that_is_reached_quickly_cuts_nobody_short() {
    let pace = Pace::unknown();
    for _ in 0..100 {
        assert_eq!(pace.ended(network(1), QUICK, Ended::AtLimit, at(0)), None);
    }
    assert!(pace.is_quick() && !pace.is_cut(network(1), at(0)));
}

#[test]
fn pauses_and_the_networks_that_are_counted_have_an_end() {
    let pace = Pace::unknown();
    let mut now = at(0);
    for _ in 0..20 {
        assert!(pace.begin(network(1), now));
        pace.ended(network(1), LIMIT, Ended::AtLimit, now);
        now += LONGEST_PAUSE;
    }
    for other in 0..u32::try_from(MOST_NETWORKS * 3).unwrap() {
        pace.ended(network(other), LIMIT, Ended::AtLimit, now);
    }
    assert!(pace.trouble().networks.len() <= MOST_NETWORKS);
}
