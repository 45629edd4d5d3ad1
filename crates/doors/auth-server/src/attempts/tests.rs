use std::net::IpAddr;
use std::time::Duration;

use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::ConnectorName;

use super::{Attempt, Attempts, Locked};

const NOW: Timestamp = Timestamp::from_unix_seconds(1_000_000);

/// An attempt on a user's name, or on one that nobody has: those begin with `nobody`.
fn attempt<'a>(connector: &'a ConnectorName, username: &'a str, address: &str) -> Attempt<'a> {
    let known = !username.starts_with("nobody");
    Attempt { connector, username, known, address: address.parse::<IpAddr>().unwrap() }
}

#[test]
fn a_user_is_locked_from_every_address_and_opens_again() {
    let (attempts, staff) = (Attempts::none(), ConnectorName::new("staff"));
    for n in 0..10 {
        attempts.begin(&attempt(&staff, "ada", &format!("192.0.2.{n}")), NOW).unwrap();
    }
    let later = NOW.plus(Duration::from_secs(60));
    let another = attempt(&staff, "ada", "198.51.100.1");
    assert_eq!(attempts.begin(&another, later), Err(Locked(Duration::from_secs(240))));
    attempts.begin(&attempt(&staff, "grace", "198.51.100.1"), later).unwrap();
    attempts.begin(&another, NOW.plus(Duration::from_secs(300))).unwrap();
}

#[test]
fn an_address_is_locked_whatever_names_it_tries() {
    let (attempts, staff) = (Attempts::none(), ConnectorName::new("staff"));
    for n in 0..50 {
        attempts.begin(&attempt(&staff, &format!("nobody-{n}"), &format!("2001:db8::{n:x}")), NOW).unwrap();
    }
    assert!(attempts.begin(&attempt(&staff, "ada", "2001:db8::ffff:1"), NOW).is_err());
    attempts.begin(&attempt(&staff, "ada", "2001:db8:0:1::1"), NOW).unwrap();
}

#[test]
fn success_forgets() {
    let (attempts, staff) = (Attempts::none(), ConnectorName::new("staff"));
    let ada = attempt(&staff, "ada", "192.0.2.1");
    for _ in 0..100 {
        attempts.begin(&ada, NOW).unwrap();
        attempts.succeeded(&ada);
    }
}

#[test]
fn the_lock_does_not_tell_who_exists() {
    let (attempts, staff) = (Attempts::none(), ConnectorName::new("staff"));
    let outcomes = |name: &str| -> Vec<_> {
        (0..12).map(|n| attempts.begin(&attempt(&staff, name, &format!("192.0.2.{n}")), NOW)).collect()
    };
    assert_eq!(outcomes("ada"), outcomes("nobody"));
    assert_eq!(
        attempts.begin(&attempt(&staff, "nobody", "192.0.2.99"), NOW),
        Err(Locked(Duration::from_mins(5)))
    );
}

#[test]
fn a_flood_of_other_names_opens_no_user() {
    let (attempts, staff) = (Attempts::none(), ConnectorName::new("staff"));
    for n in 0..10 {
        attempts.begin(&attempt(&staff, "ada", &format!("192.0.2.{n}")), NOW).unwrap();
    }
    for n in 0..51_000_u32 {
        let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + n / 40).to_string();
        attempts.begin(&attempt(&staff, &format!("nobody-{n}"), &address), NOW).unwrap();
    }
    assert!(attempts.begin(&attempt(&staff, "ada", "198.51.100.1"), NOW).is_err());
}
