use std::net::IpAddr;
use std::time::Duration;

use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::ConnectorName;

use super::{Attempt, Attempts, Locked};

const NOW: Timestamp = Timestamp::from_unix_seconds(1_000_000);

fn attempt<'a>(connector: &'a ConnectorName, user: Option<&'a str>, address: &str) -> Attempt<'a> {
    Attempt { connector, user, address: address.parse::<IpAddr>().unwrap() }
}

#[test]
fn a_user_is_locked_from_every_address_and_opens_again() {
    let (attempts, staff) = (Attempts::default(), ConnectorName::new("staff"));
    for n in 0..10 {
        attempts.begin(&attempt(&staff, Some("ada"), &format!("192.0.2.{n}")), NOW).unwrap();
    }
    let later = NOW.plus(Duration::from_secs(60));
    let another = attempt(&staff, Some("ada"), "198.51.100.1");
    assert_eq!(attempts.begin(&another, later), Err(Locked(Duration::from_secs(240))));
    attempts.begin(&attempt(&staff, Some("grace"), "198.51.100.1"), later).unwrap();
    attempts.begin(&another, NOW.plus(Duration::from_secs(300))).unwrap();
}

#[test]
fn an_address_is_locked_whatever_names_it_tries() {
    let (attempts, staff) = (Attempts::default(), ConnectorName::new("staff"));
    for n in 0..50 {
        attempts.begin(&attempt(&staff, None, &format!("2001:db8::{n:x}")), NOW).unwrap();
    }
    assert!(attempts.begin(&attempt(&staff, Some("ada"), "2001:db8::ffff:1"), NOW).is_err());
    attempts.begin(&attempt(&staff, Some("ada"), "2001:db8:0:1::1"), NOW).unwrap();
}

#[test]
fn success_forgets() {
    let (attempts, staff) = (Attempts::default(), ConnectorName::new("staff"));
    let ada = attempt(&staff, Some("ada"), "192.0.2.1");
    for _ in 0..100 {
        attempts.begin(&ada, NOW).unwrap();
        attempts.succeeded(&ada);
    }
}
