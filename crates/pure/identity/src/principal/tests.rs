use serde_json::{Value, json};

use super::{
    ClaimRules, Credential, CredentialState, Principal, PrincipalError, PrincipalKind, RefusedPrincipal,
};
use crate::clock::Timestamp;
use crate::delegation::DelegationError;
use crate::id::TokenId;
use crate::jose::algorithm::Algorithm;
use crate::jose::fixtures::{ISSUER, NOW, claims, expectations, key, key_set, now, verified};
use crate::jose::token::UnverifiedToken;

fn principal(changes: Value, rules: &ClaimRules) -> Result<Principal, PrincipalError> {
    Principal::from_token(&verified(changes), rules)
}

fn default(changes: Value) -> Result<Principal, PrincipalError> {
    principal(changes, &ClaimRules::default())
}

#[test]
fn a_token_names_its_party() {
    let ada = default(json!({"email": "ada@example.com", "groups": ["a", "b"]})).unwrap();
    assert_eq!(ada.issuer().as_str(), ISSUER);
    assert_eq!(ada.subject().as_str(), "ada");
    assert_eq!(ada.kind(), PrincipalKind::User);
    assert_eq!(ada.client().unwrap().as_str(), "cli");
    assert_eq!(ada.scopes().to_string(), "a b");
    assert_eq!(ada.groups(), ["a", "b"]);
    assert_eq!(ada.email(), Some("ada@example.com"));
    assert!(ada.actors().actors().is_empty());
    let expires_at = Timestamp::from_unix_seconds(NOW + 600);
    assert_eq!(ada.credential(), &Credential::Token { id: Some(TokenId::new("t1")), expires_at });
    assert_eq!(ada.claims()["sub"], "ada");
}

#[test]
fn the_user_claim_decides_who_it_is() {
    let entra = ClaimRules { user: "oid".into(), groups: "roles".into(), ..ClaimRules::default() };
    let user = principal(json!({"oid": "0000-1", "roles": "one", "groups": ["unused"]}), &entra).unwrap();
    assert_eq!(user.subject().as_str(), "0000-1");
    assert_eq!(user.groups(), ["one"]);
    for bad in [json!(null), json!(""), json!(7), json!(["x"]), json!({})] {
        let refused = Err(PrincipalError::NoSubject("oid".into()));
        assert_eq!(
            principal(json!({"oid": bad}), &entra).map(|_| ()),
            refused,
            "`sub` must not stand in: {bad}"
        );
        let refused = Err(PrincipalError::NoSubject("sub".into()));
        assert_eq!(default(json!({"sub": bad})).map(|_| ()), refused, "{bad}");
    }
}

#[test]
fn scopes_come_as_text_or_list() {
    let scopes = |changes: Value| default(changes).map(|party| party.scopes().to_string());
    assert_eq!(scopes(json!({"scope": "b a"})), Ok("a b".into()));
    assert_eq!(scopes(json!({"scope": null, "scp": "x y"})), Ok("x y".into()), "Entra ID");
    assert_eq!(scopes(json!({"scope": null, "scp": ["x", "y"]})), Ok("x y".into()), "Okta");
    assert_eq!(scopes(json!({"scope": "a", "scp": "b"})), Ok("a".into()), "`scope` is the standard's");
    assert_eq!(scopes(json!({"scope": null})), Ok(String::new()));
    for bad in [json!(1), json!({}), json!(true), json!("a\"b"), json!(["a", 1]), json!(["a\tb"])] {
        assert_eq!(scopes(json!({"scope": bad})), Err(PrincipalError::Scope), "{bad}");
    }
}

#[test]
fn a_token_for_its_own_client_is_a_workload() {
    let kind = |changes: Value| default(changes).unwrap().kind();
    assert_eq!(kind(json!({"sub": "cli"})), PrincipalKind::Workload);
    assert_eq!(kind(json!({"sub": "cli", "client_id": null, "azp": "cli"})), PrincipalKind::Workload);
    assert_eq!(kind(json!({"sub": "cli", "client_id": null})), PrincipalKind::User);
    let by_oid = ClaimRules { user: "oid".into(), ..ClaimRules::default() };
    let unnamed = principal(json!({"sub": null, "client_id": null, "oid": "x"}), &by_oid).unwrap();
    assert_eq!(unnamed.kind(), PrincipalKind::User, "no client and no `sub` are not the same party");
    assert!(unnamed.client().is_none());
    // Entra ID and Auth0 name a program by another id than its client's, and say what it is.
    assert_eq!(kind(json!({"idtyp": "app", "azp": "app-id", "client_id": null})), PrincipalKind::Workload);
    assert_eq!(kind(json!({"gty": "client-credentials", "sub": "cli@clients"})), PrincipalKind::Workload);
    assert_eq!(kind(json!({"idtyp": "user"})), PrincipalKind::User);
    assert_eq!(kind(json!({"gty": ["client-credentials"]})), PrincipalKind::User);
}

#[test]
fn whoever_came_too_late_is_known_and_nothing_more() {
    let former = |changes: Value| {
        let token = key(Algorithm::Es256).sign("at+jwt", &claims(changes)).unwrap();
        let token = UnverifiedToken::parse(&token).unwrap();
        let expired = token.expired(&key_set(), &expectations(), now())?;
        Some(RefusedPrincipal::of_expired(&expired, &ClaimRules::default()).unwrap())
    };
    let over = json!({"iat": NOW - 900, "exp": NOW - 300, "groups": ["a"]});
    let ada = former(over.clone()).unwrap();
    let was = ada.attribution();
    assert_eq!(
        (was.subject().as_str(), &**was.groups(), was.credential_is()),
        ("ada", &["a".to_owned()][..], CredentialState::Expired)
    );
    // Only of a token that would have been good.
    assert!(former(json!({})).is_none(), "it is good");
    for wrong in [json!({"aud": "other"}), json!({"iss": "https://other.example"}), json!({"nonce": "n"})] {
        let mut changes = over.clone();
        changes.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
        assert!(former(changes).is_none(), "{wrong}");
    }
    let token = key(Algorithm::Es256).sign("at+jwt", &claims(over)).unwrap();
    let forged = format!("{}AAAA", token.split_at(token.len() - 4).0);
    assert!(UnverifiedToken::parse(&forged).unwrap().expired(&key_set(), &expectations(), now()).is_none());
}

#[test]
fn groups_that_were_left_out_are_known_to_be_missing() {
    let complete = |changes: Value, rules: &ClaimRules| principal(changes, rules).unwrap().groups_complete();
    let roles = ClaimRules { groups: "roles".into(), ..ClaimRules::default() };
    let overage =
        json!({"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://g"}}});
    assert!(complete(json!({"groups": ["a"]}), &ClaimRules::default()));
    assert!(!complete(overage.clone(), &ClaimRules::default()));
    assert!(!complete(json!({"hasgroups": true}), &ClaimRules::default()));
    assert!(complete(overage, &roles), "another claim counts");
}

#[test]
fn the_client_is_found_under_each_vendors_name() {
    for name in ["client_id", "azp", "appid", "cid"] {
        let party = default(json!({"client_id": null})).unwrap();
        assert!(party.client().is_none());
        let mut changes = json!({"client_id": null});
        changes[name] = json!("vendor");
        assert_eq!(default(changes).unwrap().client().unwrap().as_str(), "vendor", "{name}");
    }
}

#[test]
fn the_act_chain_comes_along_or_the_token_is_refused() {
    let chain = json!({"act": {"sub": "agent", "act": {"sub": "gateway", "iss": "https://other.example"}}});
    let party = default(chain).unwrap();
    let actors: Vec<_> = party.actors().actors().iter().map(|actor| actor.subject.as_str()).collect();
    assert_eq!(actors, ["agent", "gateway"]);
    assert_eq!(
        default(json!({"act": "agent"})).map(|_| ()),
        Err(PrincipalError::Delegation(DelegationError::Malformed))
    );
    let deep = (0..6).fold(json!({"sub": "a"}), |act, _| json!({"sub": "a", "act": act}));
    assert_eq!(
        default(json!({"act": deep})).map(|_| ()),
        Err(PrincipalError::Delegation(DelegationError::TooDeep))
    );
}

#[test]
fn malformed_group_claims_give_no_groups() {
    for odd in [json!(null), json!(1), json!({}), json!([])] {
        assert!(default(json!({"groups": odd})).unwrap().groups().is_empty(), "{odd}");
    }
    assert_eq!(default(json!({"groups": ["a", 1, null]})).unwrap().groups(), ["a"]);
}
