use gatehouse_identity::clock::Timestamp;

use super::{Apps, Seen, State};

const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds)
}

#[test]
fn a_state_lasts_since_it_began() {
    let apps = Apps::default();
    assert_eq!(apps.of("ledger"), None);
    apps.lists("ledger", 3, at(1));
    apps.lists("ledger", 4, at(2));
    assert_eq!(apps.of("ledger"), Some(Seen { state: State::Works { tools: 4 }, since: at(1) }));
    apps.fails("ledger", "upstream_unreachable", at(3));
    apps.fails("ledger", "upstream_timeout", at(4));
    assert_eq!(apps.of("ledger"), Some(Seen { state: State::Fails("upstream_timeout"), since: at(3) }));
    apps.lists("ledger", 4, at(5));
    assert_eq!(apps.of("ledger"), Some(Seen { state: State::Works { tools: 4 }, since: at(5) }));
}

#[test]
fn an_answer_ends_a_failure_and_nothing_else() {
    let apps = Apps::default();
    apps.lists("directory", 2, at(1));
    apps.fails("ledger", "upstream_timeout", at(1));
    apps.answers("directory");
    assert_eq!(apps.of("directory"), Some(Seen { state: State::Works { tools: 2 }, since: at(1) }));
    assert!(apps.of("ledger").is_some());
    apps.answers("ledger");
    assert_eq!(apps.of("ledger"), None);
}
