use proptest::prelude::*;
use serde_json::{Map, json};

use super::{Actor, DelegationChain, DelegationError, MAX_DEPTH};

fn claims(value: serde_json::Value) -> Map<String, serde_json::Value> {
    serde_json::from_value(value).unwrap()
}

#[test]
fn the_outermost_act_is_the_current_actor() {
    let chain = DelegationChain::from_claims(&claims(
        json!({"sub": "ada", "act": {"sub": "gw", "act": {"sub": "claude"}}}),
    ))
    .unwrap();
    let names: Vec<_> = chain.actors().iter().map(|actor| actor.subject.as_str()).collect();
    assert_eq!(names, ["gw", "claude"]);
}

#[test]
fn malformed_acts_are_refused() {
    for bad in [
        json!({"act": "x"}),
        json!({"act": {}}),
        json!({"act": {"sub": 1}}),
        json!({"act": {"sub": "a", "act": []}}),
    ] {
        assert_eq!(DelegationChain::from_claims(&claims(bad)), Err(DelegationError::Malformed));
    }
}

#[test]
fn depth_is_bounded() {
    let mut chain = DelegationChain::direct();
    for index in 0..MAX_DEPTH {
        chain = chain.extended(Actor { subject: index.to_string(), issuer: None }).unwrap();
    }
    assert_eq!(
        chain.extended(Actor { subject: "one more".into(), issuer: None }),
        Err(DelegationError::TooDeep)
    );
}

proptest! {
    #[test]
    fn writing_then_reading_gives_the_same_chain(subjects in proptest::collection::vec(("[a-z]{1,8}", proptest::option::of("[a-z]{1,8}")), 0..=MAX_DEPTH)) {
        let mut chain = DelegationChain::direct();
        for (subject, issuer) in subjects {
            chain = chain.extended(Actor { subject, issuer }).unwrap();
        }
        let mut claims = Map::new();
        if let Some(act) = chain.to_claim() {
            claims.insert("act".into(), act);
        }
        prop_assert_eq!(DelegationChain::from_claims(&claims).unwrap(), chain);
    }
}
