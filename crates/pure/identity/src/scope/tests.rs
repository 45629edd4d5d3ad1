use super::ScopeSet;

#[test]
fn parses_ignoring_order_and_repetition() {
    let scopes = ScopeSet::parse("b a  b ledger:ReadPII").unwrap();
    assert_eq!(scopes.to_string(), "a b ledger:ReadPII");
    assert_eq!(scopes, ScopeSet::parse("ledger:ReadPII a b").unwrap());
}

#[test]
fn a_prefix_is_not_a_member() {
    let scopes = ScopeSet::parse("pii:readonly").unwrap();
    assert!(!scopes.contains("pii:read"));
}

#[test]
fn refuses_bytes_outside_the_grammar() {
    for bad in ["a\"b", "a\\b", "a\tb", "ä", "a\u{7f}"] {
        assert!(ScopeSet::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn set_algebra() {
    let left = ScopeSet::parse("a b").unwrap();
    let right = ScopeSet::parse("b c").unwrap();
    assert_eq!(left.intersection(&right).to_string(), "b");
    assert_eq!(left.union(&right).to_string(), "a b c");
    assert_eq!(left.difference(&right).to_string(), "a");
    assert!(ScopeSet::none().is_subset(&left));
}
