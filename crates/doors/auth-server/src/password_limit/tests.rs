use std::net::IpAddr;
use std::time::Duration;

use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::{ConnectorName, SubjectId};
use gatehouse_store::fingerprint::Fingerprint;

use super::{Attempt, Locked, PER_NAME_IN_ALL, PasswordLimit};

const NOW: Timestamp = Timestamp::from_unix_seconds(1_000_000);

struct Scene {
    password_limit: PasswordLimit,
    staff: ConnectorName,
    ada: SubjectId,
    grace: SubjectId,
}

impl Scene {
    fn new() -> Self {
        Self {
            password_limit: PasswordLimit::none(),
            staff: ConnectorName::new("staff"),
            ada: SubjectId::new("u-1"),
            grace: SubjectId::new("u-2"),
        }
    }

    /// An attempt by a browser that nobody knows.
    fn attempt<'a>(&'a self, username: &'a str, address: &str) -> Attempt<'a> {
        let subject = match username {
            "ada" | "ada@example.com" => Some(&self.ada),
            "grace" => Some(&self.grace),
            _ => None,
        };
        let address = address.parse::<IpAddr>().unwrap();
        Attempt { connector: &self.staff, username, subject, address, device: None }
    }

    fn begin(&self, username: &str, address: &str, now: Timestamp) -> Result<(), Locked> {
        self.password_limit.begin(&self.attempt(username, address), now)
    }
}

#[test]
fn a_stranger_locks_out_nobody_but_the_stranger() {
    let scene = Scene::new();
    for _ in 0..10 {
        scene.begin("ada", "192.0.2.1", NOW).unwrap();
    }
    let later = NOW.plus(Duration::from_secs(60));
    assert_eq!(scene.begin("ada", "192.0.2.1", later), Err(Locked(Duration::from_secs(240))));
    scene.begin("ada", "198.51.100.1", later).unwrap();
    scene.begin("grace", "192.0.2.1", later).unwrap();
    scene.begin("ada", "192.0.2.1", NOW.plus(Duration::from_secs(300))).unwrap();
}

#[test]
fn two_names_of_one_person_have_one_count() {
    let scene = Scene::new();
    for name in ["ada", "ada@example.com"].into_iter().cycle().take(10) {
        scene.begin(name, "192.0.2.1", NOW).unwrap();
    }
    assert!(scene.begin("ada", "192.0.2.1", NOW).is_err());
    assert!(scene.begin("ada@example.com", "192.0.2.1", NOW).is_err());
}

#[test]
fn guesses_from_many_networks_are_bounded_and_a_known_browser_passes() {
    let scene = Scene::new();
    for n in 0..PER_NAME_IN_ALL {
        scene.begin("ada", &format!("192.0.2.{n}"), NOW).unwrap();
    }
    assert_eq!(scene.begin("ada", "198.51.100.1", NOW), Err(Locked(Duration::from_hours(1))));
    let known =
        |device| Attempt { device: Some(Fingerprint::of([device])), ..scene.attempt("ada", "192.0.2.1") };
    for _ in 0..10 {
        scene.password_limit.begin(&known("laptop"), NOW).unwrap();
    }
    assert!(scene.password_limit.begin(&known("laptop"), NOW).is_err(), "it has a limit of its own");
    scene.password_limit.begin(&known("phone"), NOW).unwrap();
    scene.password_limit.succeeded(&known("phone"));
    assert!(
        scene.begin("ada", "198.51.100.1", NOW).is_err(),
        "a success elsewhere opens nothing for guessers"
    );
    scene.begin("grace", "198.51.100.1", NOW).unwrap();
}

#[test]
fn a_network_is_locked_whatever_names_it_tries() {
    let scene = Scene::new();
    for n in 0..50 {
        scene.begin(&format!("nobody-{n}"), &format!("2001:db8::{n:x}"), NOW).unwrap();
    }
    assert!(scene.begin("ada", "2001:db8::ffff:1", NOW).is_err());
    scene.begin("ada", "2001:db8:0:1::1", NOW).unwrap();
    let known = Attempt { device: Some(Fingerprint::of(["d"])), ..scene.attempt("ada", "2001:db8::1") };
    scene.password_limit.begin(&known, NOW).unwrap();
}

#[test]
fn success_forgets() {
    let scene = Scene::new();
    for _ in 0..1000 {
        scene.begin("ada", "192.0.2.1", NOW).unwrap();
        scene.password_limit.succeeded(&scene.attempt("ada", "192.0.2.1"));
    }
    for _ in 0..9 {
        scene.begin("ada", "192.0.2.1", NOW).unwrap();
    }
    scene.begin("ada", "192.0.2.1", NOW).unwrap();
    scene.password_limit.succeeded(&scene.attempt("ada", "192.0.2.1"));
    scene.begin("ada", "192.0.2.1", NOW).unwrap();
}

#[test]
fn what_was_not_looked_at_does_not_count() {
    let scene = Scene::new();
    for device in [None, Some(Fingerprint::of(["d"]))] {
        let attempt = Attempt { device, ..scene.attempt("ada", "192.0.2.1") };
        for _ in 0..1000 {
            scene.password_limit.begin(&attempt, NOW).unwrap();
            scene.password_limit.withdraw(&attempt);
        }
    }
}

#[test]
fn the_lock_does_not_tell_who_exists() {
    let scene = Scene::new();
    let outcomes = |name: &str| -> Vec<_> {
        let near = (0..12).map(|_| scene.begin(name, "203.0.113.1", NOW)).collect::<Vec<_>>();
        near.into_iter().chain((0..120).map(|n| scene.begin(name, &format!("192.0.2.{n}"), NOW))).collect()
    };
    assert_eq!(outcomes("ada"), outcomes("nobody"));
    assert_eq!(scene.begin("nobody", "192.0.2.99", NOW), Err(Locked(Duration::from_hours(1))));
}

#[test]
fn a_flood_of_other_names_opens_no_user() {
    let scene = Scene::new();
    for n in 0..PER_NAME_IN_ALL {
        scene.begin("ada", &format!("192.0.2.{n}"), NOW).unwrap();
    }
    for n in 0..51_000_u32 {
        let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + n / 40).to_string();
        scene.begin(&format!("nobody-{n}"), &address, NOW).unwrap();
    }
    assert!(scene.begin("ada", "198.51.100.1", NOW).is_err());
}
