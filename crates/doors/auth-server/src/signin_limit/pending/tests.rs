use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use gatehouse_config::snapshot::authorization_server::SignInLimits;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::GrantId;

use super::Pending;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_000_000);
const LIFE: Duration = Duration::from_mins(10);

struct Scene {
    pending: Pending,
    limits: SignInLimits,
    now: Timestamp,
}

impl Scene {
    fn with(pending: u32, pending_per_network: u32) -> Self {
        let limits = SignInLimits { pending, pending_per_network, per_minute: u32::MAX };
        Self { pending: Pending::none(), limits, now: NOW }
    }

    /// Begins a sign-in from the network with this number; says who gave way.
    fn begin(&mut self, id: &str, from: u32) -> Result<Option<String>, Duration> {
        let network: IpAddr = Ipv4Addr::from_bits(from).into();
        let place = (network, self.now.plus(LIFE));
        let gave_way = self.pending.begin(&GrantId::new(id), place, &self.limits, self.now)?;
        Ok(gave_way.map(|(id, _)| id.to_string()))
    }

    fn begin_many(&mut self, from: u32, count: u32) {
        for n in 0..count {
            self.begin(&format!("{from}-{n}"), from).unwrap();
        }
    }
}

#[test]
fn the_newest_of_the_busiest_network_gives_way() {
    let mut scene = Scene::with(10, 100);
    scene.begin_many(1, 6);
    scene.begin_many(2, 4);
    assert_eq!(scene.begin("person", 3), Ok(Some("1-5".into())));
    assert_eq!(scene.begin("another", 4), Ok(Some("1-4".into())));
    // Both floods have four now; they are refused, and people are not.
    for flood in [1, 2] {
        assert_eq!(scene.begin("more", flood), Err(LIFE));
    }
    assert!(scene.begin("a third", 5).unwrap().is_some());
    assert_eq!(scene.pending.all.len(), 10);
}

#[test]
fn a_flood_from_many_networks_stops_nobody_at_a_fresh_one() {
    let mut scene = Scene::with(20_000, 2_000);
    for round in 0..400 {
        for network in 0..60 {
            let _full = scene.begin(&format!("{network}-{round}"), network);
        }
    }
    assert_eq!(scene.pending.all.len(), 20_000);
    for person in 1_000..2_000 {
        let gave_way = scene.begin(&format!("person-{person}"), person).unwrap().unwrap();
        assert!(!gave_way.starts_with("person"), "{gave_way}");
    }
}

#[test]
fn where_all_have_one_the_longest_quiet_gives_way() {
    let mut scene = Scene::with(3, 100);
    for network in [9, 8, 7] {
        scene.begin(&network.to_string(), network).unwrap();
    }
    assert_eq!(scene.begin("7-again", 7), Err(LIFE));
    assert_eq!(scene.begin("6", 6), Ok(Some("9".into())));
}

#[test]
fn in_a_network_that_has_all_it_may_have_the_oldest_gives_way() {
    let mut scene = Scene::with(10, 3);
    scene.begin_many(1, 3);
    assert_eq!(scene.begin("fourth", 1), Ok(Some("1-0".into())));
    assert_eq!(scene.begin("fifth", 1), Ok(Some("1-1".into())));
    assert_eq!(scene.pending.all.len(), 3);
}

#[test]
fn what_is_over_frees_its_place() {
    let mut scene = Scene::with(2, 100);
    scene.begin_many(1, 2);
    scene.pending.end(&GrantId::new("1-0"));
    scene.pending.end(&GrantId::new("1-0"));
    scene.pending.end(&GrantId::new("unknown"));
    assert_eq!(scene.begin("next", 2), Ok(None));
    scene.now = NOW.plus(LIFE);
    assert_eq!(scene.begin("later", 1), Ok(None));
    assert_eq!(scene.pending.all.len(), 1);
    let Pending { numbers, networks, busiest, .. } = &scene.pending;
    assert_eq!((numbers.len(), networks.len(), busiest.len()), (1, 1, 1));
}
