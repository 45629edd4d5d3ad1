use gatehouse_config::snapshot::connector::Connector;
use gatehouse_config::source::loader::MemoryLoader;
use gatehouse_testkit::configuration::snapshot_with;

use super::measure;

const TEXT: &str = r#"
http: { address: "127.0.0.1:9420", publicURL: "http://127.0.0.1:9420" }
store: { type: sqlite, sqlite: { path: unused.db } }
oidcProvider: { discovery: { issuer: "http://127.0.0.1:9420" } }
connectors:
  - name: staff
    type: local
    users:
      - { username: cheap, passwordHash: "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh" }
      - { username: dear, passwordHash: "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJi" }
      - { username: alike, passwordHash: "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$Y2NjY2NjY2NjY2NjY2NjY2NjY2NjY2Nj" }
      - { username: passes, passwordHash: "$argon2id$v=19$m=8,t=9,p=1$c29tZXNhbHRzb21lc2FsdA$ZGRkZGRkZGRkZGRkZGRkZGRkZGRkZGRk" }
"#;

/// Whoever is named, and whether anybody is: one hash of each cost.
#[test]
fn every_attempt_costs_the_same() {
    let snapshot = snapshot_with(TEXT, &MemoryLoader::default());
    let Some(Connector::Local(staff)) = snapshot.connectors.values().next().map(AsRef::as_ref) else {
        panic!("no local connector");
    };
    for name in ["cheap", "dear", "alike", "passes", "nobody", ""] {
        let user = staff.users.get(name);
        let measure = measure(staff, user);
        let hashes = measure.own.iter().chain(&measure.others);
        let mut costs: Vec<String> =
            hashes.map(|hash| hash.expose().split('$').nth(3).unwrap().to_owned()).collect();
        costs.sort();
        assert_eq!(costs, ["m=19456,t=2,p=1", "m=8,t=1,p=1", "m=8,t=9,p=1"], "{name:?}");
        assert_eq!(
            measure.own.map(|hash| hash.expose().to_owned()),
            user.map(|user| user.password_hash.expose().to_owned())
        );
    }
}
