use serde_json::json;

use super::*;
use crate::client::fixtures::{CountingRng, NOW, request, scopes, user};

pub(crate) const LIFETIME: Duration = Duration::from_mins(10);

fn pending() -> Pending {
    Pending::new(GrantId::new("g-1"), request(&[]), BrowserBinding::of("cookie"), NOW, LIFETIME)
}

#[test]
fn each_stage_carries_on_what_it_has() {
    let (code, hash) = new_code(&CountingRng::default());
    let authenticated = pending().authenticate(user(), NOW).unwrap();
    let consented = authenticated.consent(scopes("openid"), hash.clone(), NOW).unwrap();
    assert!(hash.matches(code.expose()) && !hash.matches("other"));
    assert_eq!(consented.scopes, scopes("openid"));
    assert_eq!(consented.code_expires_at, NOW.plus(CODE_LIFETIME));
    let active = consented.redeemed(NOW, NOW.plus(LIFETIME));
    assert_eq!(
        (active.nonce.as_deref(), active.user.subject.as_str()),
        (Some("n-1"), "https://idp.example.com|u-1")
    );
    let revoked = active.revoked(NOW).revoked(NOW.plus(LIFETIME));
    assert_eq!(revoked.revoked_at, Some(NOW));
}

#[test]
fn a_stage_past_its_time_goes_nowhere() {
    let late = NOW.plus(LIFETIME);
    assert_eq!(pending().authenticate(user(), late).unwrap_err(), GrantError::Expired);
    let authenticated = pending().authenticate(user(), NOW).unwrap();
    assert_eq!(
        authenticated.consent(scopes("openid"), CodeHash::of("c"), late).unwrap_err(),
        GrantError::Expired
    );
}

#[test]
fn nobody_consents_to_more_than_was_asked_for() {
    let authenticated = pending().authenticate(user(), NOW).unwrap();
    let wider = authenticated.consent(scopes("openid email"), CodeHash::of("c"), NOW);
    assert_eq!(wider.unwrap_err(), GrantError::Widened);
}

#[test]
fn one_transaction_has_one_connector() {
    let leg = |connector: &str| UpstreamLeg {
        connector: ConnectorName::new(connector),
        state: StateHash::of("s"),
        nonce: "n".into(),
        pkce_verifier: "v".into(),
    };
    assert!(pending().sent_upstream(leg("upstream-idp")).authenticate(user(), NOW).is_ok());
    let mixed_up = pending().sent_upstream(leg("other-idp")).authenticate(user(), NOW);
    assert_eq!(mixed_up.unwrap_err(), GrantError::WrongConnector);
}

#[test]
fn every_stage_survives_storage() {
    let authenticated = pending().authenticate(user(), NOW).unwrap();
    let consented = authenticated.clone().consent(scopes("openid"), CodeHash::of("c"), NOW).unwrap();
    let active = consented.clone().redeemed(NOW, NOW.plus(LIFETIME));
    let stages = [
        (Grant::Pending(pending()), Stage::Pending),
        (Grant::Authenticated(authenticated), Stage::Authenticated),
        (Grant::Consented(consented), Stage::Consented),
        (Grant::Active(active), Stage::Active),
    ];
    for (grant, stage) in stages {
        let stored = serde_json::to_value(&grant).unwrap();
        assert_eq!(stored["stage"], stage.as_str());
        assert_eq!(serde_json::from_value::<Grant>(stored).unwrap(), grant);
        assert_eq!(
            (grant.stage(), grant.id().as_str(), grant.client().as_str()),
            (stage, "g-1", "claude-public")
        );
        assert_eq!(grant.code().is_some(), matches!(stage, Stage::Consented | Stage::Active));
        assert_eq!(grant.user().is_some(), stage != Stage::Pending);
        assert!(grant.expires_at() > NOW);
    }
}

/// Sign-ins that were stored before it was asked whether the groups are all there must not count as whole.
#[test]
fn a_sign_in_from_before_the_question_goes_by_its_attributes() {
    let stored = |attributes: Value, said: Value| {
        let mut user = serde_json::to_value(user()).unwrap();
        user["attributes"] = attributes;
        match said {
            Value::Null => user.as_object_mut().unwrap().remove("groups_complete"),
            said => user.as_object_mut().unwrap().insert("groups_complete".into(), said),
        };
        serde_json::from_value::<AuthenticatedUser>(user).unwrap().has_all_groups()
    };
    let overage = json!({ "_claim_names": { "groups": "src1" } });
    for (attributes, said, complete) in [
        (json!({}), Value::Null, true),
        (json!({ "groups": ["a"] }), Value::Null, true),
        (overage.clone(), Value::Null, false),
        (json!({ "hasgroups": true }), Value::Null, false),
        // What was found out at the sign-in counts: userinfo may have told the whole list.
        (overage, json!(true), true),
        (json!({}), json!(false), false),
    ] {
        assert_eq!(stored(attributes.clone(), said.clone()), complete, "{attributes} {said}");
    }
}
