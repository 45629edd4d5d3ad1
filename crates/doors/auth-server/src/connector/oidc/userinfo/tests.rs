use serde_json::json;

use super::*;

fn merged(id_token: &Value, userinfo: &Value) -> Result<Attributes, &'static str> {
    let object = |value: &Value| value.as_object().unwrap().clone();
    let (mut id_token, mut userinfo) = (object(id_token), object(userinfo));
    for claims in [&mut id_token, &mut userinfo] {
        claims.entry("sub").or_insert_with(|| json!("u-1"));
    }
    merge(id_token, userinfo)
}

#[test]
fn userinfo_adds_and_never_replaces() {
    let known =
        merged(&json!({"email": "a@x"}), &json!({"email": "b@x", "name": "A", "amr": ["mfa"]})).unwrap();
    assert_eq!((&known.claims["email"], &known.claims["name"]), (&json!("a@x"), &json!("A")));
    assert!(!known.claims.contains_key("amr"), "what happened at the sign-in the ID token alone says");
    assert!(merged(&json!({}), &json!({"sub": "u-2"})).is_err());
    assert!(merged(&json!({}), &json!({"sub": ["u-1"]})).is_err());
}

#[test]
fn groups_that_the_id_token_leaves_out_may_stand_in_userinfo() {
    let overage = json!({"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {}}});
    let partial = json!({"groups": ["a"], "hasgroups": true});
    let table = [
        // ID token, userinfo, the groups, whether these are all
        (json!({"groups": ["a"]}), json!({}), json!(["a"]), true),
        (json!({"groups": ["a"]}), overage.clone(), json!(["a"]), true),
        (json!({}), json!({"groups": ["b"]}), json!(["b"]), true),
        (json!({}), json!({}), json!(null), true),
        (json!({}), overage.clone(), json!(null), false),
        (overage.clone(), json!({}), json!(null), false),
        (overage.clone(), json!({"groups": ["b"]}), json!(["b"]), true),
        (overage.clone(), overage.clone(), json!(null), false),
        (partial.clone(), json!({}), json!(["a"]), false),
        (partial.clone(), json!({"groups": ["a", "b"]}), json!(["a", "b"]), true),
        (partial, json!({"groups": ["b"], "hasgroups": true}), json!(["a"]), false),
    ];
    for (id_token, userinfo, groups, complete) in table {
        let known = merged(&id_token, &userinfo).unwrap();
        let found = known.claims.get("groups").cloned().unwrap_or_default();
        assert_eq!((found, known.groups_complete), (groups, complete), "{id_token} {userinfo}");
    }
}
