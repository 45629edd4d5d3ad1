use serde_json::json;

use super::*;

#[test]
fn providers_say_that_groups_are_left_out_in_several_ways() {
    let table = [
        (json!({}), true),
        (json!({"groups": ["a"]}), true),
        (
            json!({"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://g"}}}),
            false,
        ),
        (json!({"groups": ["a"], "_claim_names": {"groups": ["src1", "src2"]}}), false),
        (json!({"_claim_names": {"address": "src1"}}), true),
        (json!({"_claim_names": "groups"}), true),
        (json!({"hasgroups": true}), false),
        (json!({"hasgroups": "true"}), false),
        (json!({"hasgroups": false}), true),
        (json!({"groups": "src1", "_claim_sources": {"src1": {}}}), false),
        (json!({"groups": "one", "_claim_sources": {"src1": {}}}), true),
        (json!({"groups_complete": false}), false),
        (json!({"groups_complete": true}), true),
    ];
    for (claims, complete) in table {
        assert_eq!(are_complete(claims.as_object().unwrap(), "groups"), complete, "{claims}");
    }
}

#[test]
fn the_claim_that_counts_is_the_configured_one() {
    let claims = json!({"hasgroups": true, "_claim_names": {"teams": "src1"}});
    let claims = claims.as_object().unwrap();
    assert!(!are_complete(claims, "teams"));
    assert!(are_complete(claims, "roles"), "nothing is said of roles");
}
