use proptest::prelude::*;
use serde_json::json;

use super::*;

fn claims(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// The claims of a token called `jti` that has this lineage.
fn token(jti: &str, lineage: &Lineage) -> Map<String, Value> {
    let mut claims = claims(&json!({ "jti": jti }));
    lineage.write(&mut claims);
    claims
}

#[test]
fn every_generation_names_all_before_it() {
    let first = token("a", &Lineage::none());
    assert_eq!(Value::Object(first.clone()), json!({ "jti": "a" }));
    let second = token("b", &Lineage::below(&first).unwrap());
    assert_eq!(Value::Object(second.clone()), json!({ "jti": "b", "parent_jti": "a" }));
    let third = token("c", &Lineage::below(&second).unwrap());
    assert_eq!(Value::Object(third.clone()), json!({ "jti": "c", "parent_jti": "b", "ancestor_jti": ["a"] }));
    assert_eq!(tokens_behind(&third).collect::<Vec<_>>(), ["c", "b", "a"]);
    assert!(!is_exchanged(&first) && is_exchanged(&second) && is_exchanged(&third));
    assert!(is_exchanged(&claims(&json!({ "act": { "sub": "gateway" } }))));
}

#[test]
fn what_cannot_be_read_is_never_passed_over() {
    for (wrong, claim) in [
        (json!({ "jti": "b", "parent_jti": 7 }), "parent_jti"),
        (json!({ "jti": "b", "parent_jti": "" }), "parent_jti"),
        (json!({ "jti": ["b"] }), "jti"),
        (json!({ "jti": "b", "ancestor_jti": "a" }), "ancestor_jti"),
        (json!({ "jti": "b", "ancestor_jti": ["a", null] }), "ancestor_jti"),
    ] {
        assert_eq!(Lineage::below(&claims(&wrong)), Err(LineageError::Malformed(claim)), "{wrong}");
    }
    assert_eq!(Lineage::below(&Map::new()), Ok(Lineage::none()), "an ID token has no id");
}

proptest! {
    /// However often a token is exchanged, the last result names each one before it, or there is no result.
    #[test]
    fn no_generation_is_forgotten(generations in 1_usize..12) {
        let mut newest = token("t-0", &Lineage::none());
        for generation in 1..=generations {
            match Lineage::below(&newest) {
                Ok(lineage) => newest = token(&format!("t-{generation}"), &lineage),
                Err(error) => {
                    prop_assert_eq!(error, LineageError::TooLong);
                    prop_assert_eq!(generation, MAX_DEPTH + 1);
                    return Ok(());
                }
            }
            let named: Vec<String> = tokens_behind(&newest).map(str::to_owned).collect();
            let expected: Vec<String> = (0..=generation).rev().map(|n| format!("t-{n}")).collect();
            prop_assert_eq!(named, expected);
        }
        prop_assert!(generations <= MAX_DEPTH);
    }
}
