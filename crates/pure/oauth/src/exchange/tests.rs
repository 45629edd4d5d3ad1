use gatehouse_identity::id::TokenId;
use proptest::prelude::*;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::client::fixtures::{
    ISSUER, MCP, NOW, authenticated, form, gateway_client, public_client, scopes as set, verified,
};
use crate::client::{ClientKind, ClientOrigin, GrantType};

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const LEDGER: &str = "https://ledger.example.com";

fn request(changes: &[(&str, &str)]) -> ExchangeRequest {
    let good = [("subject_token", "t"), ("subject_token_type", ACCESS_TOKEN)];
    let kept = good.iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    ExchangeRequest::parse(&form(&kept.chain(changes).copied().collect::<Vec<_>>())).unwrap()
}

/// A token that Claude got for the MCP gateway, with `changes`; null leaves a claim out.
fn subject(changes: &Value) -> VerifiedToken {
    let mut claims = json!({
        "sub": "ada", "aud": MCP, "client_id": "claude-public", "scope": "openid pii:read",
        "auth_time": 1_700_000_000, "grant_id": "g-1", "grant_connector": "staff", "grant_login": "ref",
        "grant_generation": 2,
    });
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    verified(&claims, "at+jwt")
}

struct Case {
    client: Client,
    subject: VerifiedToken,
    actor: Option<VerifiedToken>,
    standing: Standing,
}

impl Case {
    fn new() -> Self {
        Self { client: gateway_client(), subject: subject(&json!({})), actor: None, standing: Standing::Good }
    }

    fn with_subject(changes: &Value) -> Self {
        Self { subject: subject(changes), ..Self::new() }
    }

    fn rules(&mut self) -> &mut ExchangeRules {
        self.client.exchange.as_mut().unwrap()
    }

    fn run(&self, changes: &[(&str, &str)]) -> Result<ExchangeGrant, ExchangeError> {
        self.run_at(changes, NOW)
    }

    fn run_at(&self, changes: &[(&str, &str)], now: Timestamp) -> Result<ExchangeGrant, ExchangeError> {
        let claude = public_client();
        let issuer = Issuer::new(ISSUER);
        let facts = ExchangeFacts {
            requester: authenticated(&self.client),
            subject: &self.subject,
            subject_client: Some(&claude),
            standing: self.standing,
            actor: self.actor.as_ref(),
            issuer: &issuer,
            resources: &[],
            now,
        };
        exchange(&request(changes), &facts)
    }

    fn refused(&self, changes: &[(&str, &str)]) -> ErrorCode {
        OAuthError::from(self.run(changes).unwrap_err()).code()
    }
}

fn act(grant: &ExchangeGrant) -> Option<Value> {
    grant.actors.to_claim()
}

#[test]
fn the_gateway_acts_for_the_user_on_behalf_of_the_client_that_called_it() {
    let grant = Case::new().run(&[]).unwrap();
    assert_eq!(grant.subject.as_str(), "ada");
    assert_eq!(act(&grant), Some(json!({ "sub": "gateway", "act": { "sub": "claude-public" } })));
    assert_eq!(grant.act_assurance, Some(Assurance::SelfAsserted));
    assert_eq!(grant.audiences, [Audience::new(LEDGER)]);
    assert_eq!(grant.scopes, set("pii:read"));
    assert_eq!(grant.lifetime, Duration::from_mins(5));
    assert_eq!(grant.grant, Some(GrantId::new("g-1")));
    assert_eq!(grant.lineage.tokens(), [TokenId::new("jti-1")]);
    let handed_on = json!({
        "auth_time": 1_700_000_000, "grant_connector": "staff", "grant_login": "ref", "grant_generation": 2,
    });
    assert_eq!(Value::Object(grant.sign_in), handed_on);
}

#[test]
fn check_1_2_the_requester_is_confidential_and_registered() {
    let mut public = Case::new();
    public.client.kind = ClientKind::Public;
    assert_eq!(public.refused(&[]), ErrorCode::UnauthorizedClient);
    let mut without_grant = Case::new();
    without_grant.client.grant_types.remove(&GrantType::TokenExchange);
    assert_eq!(without_grant.refused(&[]), ErrorCode::UnauthorizedClient);
    let mut without_rules = Case::new();
    without_rules.client.exchange = None;
    assert_eq!(without_rules.refused(&[]), ErrorCode::UnauthorizedClient);
}

#[test]
fn check_3_types_are_not_confused() {
    assert_eq!(
        Case::new().run(&[("subject_token_type", ID_TOKEN)]).unwrap_err(),
        ExchangeError::TypeMismatch
    );
    let id_token = verified(&json!({ "sub": "ada", "aud": "gateway", "nonce": "n" }), "JWT");
    let case = Case { subject: id_token, ..Case::new() };
    assert_eq!(case.run(&[]).unwrap_err(), ExchangeError::TypeMismatch);
    assert!(case.run(&[("subject_token_type", ID_TOKEN)]).is_ok());
}

#[test]
fn check_3_expired_and_foreign_tokens_are_invalid_requests() {
    let later = NOW.plus(Duration::from_mins(10));
    assert_eq!(Case::new().run_at(&[], later).unwrap_err(), ExchangeError::Expired);
    let foreign = Case::with_subject(&json!({ "iss": "https://other.example" }));
    assert_eq!(foreign.run(&[]).unwrap_err(), ExchangeError::ForeignIssuer);
    assert_eq!(foreign.refused(&[]), ErrorCode::InvalidRequest);
}

#[test]
fn check_3_the_token_is_for_the_requester_or_its_own() {
    let elsewhere = json!({ "aud": "https://elsewhere.example" });
    assert_eq!(Case::with_subject(&elsewhere).run(&[]).unwrap_err(), ExchangeError::NotForRequester);
    assert!(Case::with_subject(&json!({ "aud": ["https://elsewhere.example", "gateway"] })).run(&[]).is_ok());
    let own = json!({ "aud": "https://elsewhere.example", "client_id": "gateway" });
    assert!(Case::with_subject(&own).run(&[]).is_ok());
    let mut any = Case::with_subject(&elsewhere);
    any.rules().subjects = SubjectAudience::Any;
    assert!(any.run(&[]).is_ok());
}

#[test]
fn check_4_what_was_switched_off_stays_off() {
    for standing in
        [Standing::Revoked, Standing::UserDisabled, Standing::ClientDisabled, Standing::ConnectorDisabled]
    {
        let case = Case { standing, ..Case::new() };
        assert_eq!(case.run(&[]).unwrap_err(), ExchangeError::Standing(standing));
    }
}

#[test]
fn check_5_an_actor_token_speaks_for_the_requester_only() {
    let actor = |claims: &Value| Case { actor: Some(verified(claims, "at+jwt")), ..Case::new() };
    let sent = [("actor_token", "a"), ("actor_token_type", ACCESS_TOKEN)];
    let own = json!({ "sub": "gateway", "client_id": "gateway", "aud": "x" });
    assert!(actor(&own).run(&sent).is_ok());
    for foreign in [
        json!({ "sub": "other", "client_id": "gateway", "aud": "x" }),
        json!({ "sub": "gateway", "client_id": "other", "aud": "x" }),
        json!({ "sub": "gateway", "client_id": "gateway", "aud": "x", "act": { "sub": "other" } }),
        json!({ "sub": "gateway", "client_id": "gateway", "aud": "x", "iss": "https://other.example" }),
    ] {
        assert_eq!(actor(&foreign).refused(&sent), ErrorCode::AccessDenied, "{foreign}");
    }
    assert_eq!(actor(&own).run(&[]).unwrap_err(), ExchangeError::ActorUnverified);
    assert_eq!(Case::new().run(&sent).unwrap_err(), ExchangeError::ActorUnverified);
}

#[test]
fn check_6_may_act_binds_when_it_is_there() {
    for (may_act, ok) in [
        (json!({ "client_id": "gateway" }), true),
        (json!({ "sub": "gateway", "iss": ISSUER }), true),
        (json!({ "sub": "other" }), false),
        (json!({ "sub": "gateway", "client_id": "other" }), false),
        (json!({ "sub": "gateway", "iss": "https://other.example" }), false),
        (json!({ "sub": "gateway", "unknown": 1 }), false),
        (json!({ "iss": ISSUER }), false),
        (json!({}), false),
        (json!("gateway"), false),
    ] {
        let case = Case::with_subject(&json!({ "may_act": may_act }));
        assert_eq!(case.run(&[]).is_ok(), ok, "{may_act}");
        if !ok {
            assert_eq!(case.refused(&[]), ErrorCode::AccessDenied);
        }
    }
}

#[test]
fn check_7_targets_come_from_the_allow_list() {
    assert!(Case::new().run(&[("audience", LEDGER)]).is_ok());
    assert_eq!(Case::new().refused(&[("resource", "https://other.example")]), ErrorCode::InvalidTarget);
    assert_eq!(Case::new().refused(&[("resource", MCP)]), ErrorCode::InvalidTarget);
}

#[test]
fn check_8_scopes_follow_the_mode() {
    let mut case = Case::new();
    assert_eq!(case.refused(&[("scope", "ledger:ReadPII")]), ErrorCode::InvalidScope);
    assert_eq!(case.refused(&[("scope", "openid")]), ErrorCode::InvalidScope);
    let map = [("pii:read".to_owned(), ["ledger:ReadPII".to_owned(), "not:registered".to_owned()].into())];
    case.rules().scopes = ScopeMode::Mapped(map.into());
    assert_eq!(case.run(&[]).unwrap().scopes, set("ledger:ReadPII"));
    assert_eq!(case.run(&[("scope", "ledger:ReadPII")]).unwrap().scopes, set("ledger:ReadPII"));
    assert_eq!(case.refused(&[("scope", "pii:read")]), ErrorCode::InvalidScope);
    assert_eq!(case.refused(&[("scope", "not:registered")]), ErrorCode::InvalidScope);
    case.rules().scopes = ScopeMode::Explicit;
    assert_eq!(case.run(&[("scope", "ledger:Write")]).unwrap().scopes, set("ledger:Write"));
    assert_eq!(case.run(&[]).unwrap().scopes, set("pii:read"));
    assert_eq!(case.refused(&[("scope", "not:registered")]), ErrorCode::InvalidScope);
    case.rules().scopes = ScopeMode::Subset;
    case.client.scopes = set("openid offline_access pii:read");
    case.subject = subject(&json!({ "scope": "openid offline_access pii:read" }));
    assert_eq!(case.run(&[]).unwrap().scopes, set("pii:read"), "a sign-in here is nothing to the target");
    assert_eq!(case.run(&[("scope", "openid")]).unwrap().scopes, set("openid"));
    case.subject = subject(&json!({ "scope": null }));
    assert_eq!(case.run(&[]).unwrap().scopes, ScopeSet::none());
}

#[test]
fn check_9_chains_grow_by_one_hop_and_are_bounded() {
    let chained = json!({
        "client_id": "gateway-0", "act": { "sub": "gateway-0", "act": { "sub": "claude-public" } },
        "act_assurance": "secret",
    });
    let grant = Case::with_subject(&chained).run(&[]).unwrap();
    let expected =
        json!({ "sub": "gateway", "act": { "sub": "gateway-0", "act": { "sub": "claude-public" } } });
    assert_eq!(act(&grant), Some(expected));
    let mut bounded = Case::with_subject(&chained);
    bounded.rules().max_depth = 2;
    assert_eq!(bounded.run(&[]).unwrap_err(), ExchangeError::TooDeep(2));
    let deep = (0..8).fold(json!({ "sub": "a" }), |inner, _| json!({ "sub": "b", "act": inner }));
    let deep = Case::with_subject(&json!({ "act": deep }));
    assert!(matches!(deep.run(&[]).unwrap_err(), ExchangeError::Chain(DelegationError::TooDeep)));
    let malformed = Case::with_subject(&json!({ "act": "gateway" }));
    assert_eq!(malformed.refused(&[]), ErrorCode::InvalidRequest);
}

#[test]
fn check_9_the_result_names_every_token_before_it_or_is_refused() {
    let lineage = |before: &[&str]| {
        let subject = json!({ "parent_jti": "jti-0", "ancestor_jti": before });
        Case::with_subject(&subject).run(&[]).map(|grant| grant.lineage)
    };
    let named = lineage(&["a", "b", "c"]).unwrap();
    let named: Vec<&str> = named.tokens().iter().map(TokenId::as_str).collect();
    assert_eq!(named, ["jti-1", "jti-0", "a", "b", "c"]);
    assert_eq!(lineage(&["a", "b", "c", "d"]).unwrap_err(), ExchangeError::Lineage(LineageError::TooLong));
    // Impersonation adds no actor, and is bounded all the same.
    let mut silent = Case::with_subject(&json!({ "parent_jti": "p", "ancestor_jti": ["a", "b", "c", "d"] }));
    silent.rules().mode = ExchangeMode::Impersonation;
    assert_eq!(silent.refused(&[]), ErrorCode::InvalidRequest);
}

#[test]
fn programs_are_not_their_own_actors() {
    let machine = Case::with_subject(&json!({ "sub": "bedrock", "client_id": "bedrock" }));
    assert_eq!(act(&machine.run(&[]).unwrap()), Some(json!({ "sub": "gateway" })));
    let own = Case::with_subject(&json!({ "client_id": "gateway" }));
    assert_eq!(act(&own.run(&[]).unwrap()), Some(json!({ "sub": "gateway" })));
}

#[test]
fn a_chain_is_as_sure_as_its_least_proven_link() {
    let assurance = |changes: &Value| Case::with_subject(changes).run(&[]).unwrap().act_assurance;
    assert_eq!(assurance(&json!({})), Some(Assurance::SelfAsserted));
    assert_eq!(assurance(&json!({ "sub": "m", "client_id": "m" })), Some(Assurance::Secret));
    let carried =
        json!({ "sub": "m", "client_id": "m", "act": { "sub": "x" }, "act_assurance": "redirect_bound" });
    assert_eq!(assurance(&carried), Some(Assurance::RedirectBound));
    let unreadable = json!({ "sub": "m", "client_id": "m", "act": { "sub": "x" }, "act_assurance": "very" });
    assert_eq!(assurance(&unreadable), Some(Assurance::SelfAsserted));
    assert_eq!(public_client().origin, ClientOrigin::Registered);
}

#[test]
fn impersonation_is_an_operators_word_and_keeps_earlier_actors_visible() {
    let mut case = Case::new();
    case.rules().mode = ExchangeMode::Impersonation;
    let grant = case.run(&[]).unwrap();
    assert_eq!((act(&grant), grant.act_assurance), (None, None));
    case.subject = subject(&json!({ "act": { "sub": "earlier" }, "act_assurance": "secret" }));
    let grant = case.run(&[]).unwrap();
    assert_eq!(
        (act(&grant), grant.act_assurance),
        (Some(json!({ "sub": "earlier" })), Some(Assurance::Secret))
    );
}

#[test]
fn check_11_the_shortest_lifetime_holds() {
    let seconds = |changes: &[(&str, &str)], passed: u64| {
        Case::new().run_at(changes, NOW.plus(Duration::from_secs(passed))).unwrap().lifetime.as_secs()
    };
    assert_eq!(seconds(&[], 0), 300);
    assert_eq!(seconds(&[], 590), 10);
    assert_eq!(seconds(&[("expires_in", "30")], 0), 30);
    assert_eq!(seconds(&[("expires_in", "86400")], 0), 300);
    assert_eq!(seconds(&[("expires_in", "30")], 590), 10);
}

fn any_scopes() -> impl Strategy<Value = BTreeSet<&'static str>> {
    let names = vec!["pii:read", "ledger:ReadPII", "ledger:Write", "openid", "admin", "other"];
    proptest::sample::subsequence(names, 0..=6).prop_map(|names| names.into_iter().collect())
}

fn joined(names: &BTreeSet<&str>) -> String {
    names.iter().copied().collect::<Vec<_>>().join(" ")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    /// Whatever is asked for, the result stays within the subject token, the registration and time.
    #[test]
    fn exchange_never_widens_authority(
        held in any_scopes(), wanted in any_scopes(), registered in any_scopes(), mapped in any::<bool>(),
        lifetime in 1_u32..2000, passed in 0_u64..599, depth in 0_usize..4,
    ) {
        let chain = (0..depth).fold(Value::Null, |inner, hop| {
            let mut act = json!({ "sub": format!("hop-{hop}") });
            if !inner.is_null() {
                act["act"] = inner;
            }
            act
        });
        let mut case = Case::with_subject(&json!({ "scope": joined(&held), "act": chain }));
        case.client.scopes = set(&joined(&registered));
        let map: BTreeMap<String, BTreeSet<String>> = [("pii:read".to_owned(), ["ledger:ReadPII".to_owned()].into())].into();
        if mapped {
            case.rules().scopes = ScopeMode::Mapped(map.clone());
        }
        let now = NOW.plus(Duration::from_secs(passed));
        let lifetime_text = lifetime.to_string();
        let wanted = joined(&wanted);
        let mut asked = vec![("expires_in", lifetime_text.as_str())];
        if !wanted.is_empty() {
            asked.push(("scope", &wanted));
        }
        let Ok(grant) = case.run_at(&asked, now) else { return Ok(()) };

        let reachable = if mapped {
            if held.contains("pii:read") { set("ledger:ReadPII") } else { ScopeSet::none() }
        } else {
            set(&joined(&held))
        };
        prop_assert!(grant.scopes.is_subset(&reachable));
        prop_assert!(grant.scopes.is_subset(&case.client.scopes));
        prop_assert!(wanted.is_empty() || grant.scopes == set(&wanted));
        prop_assert_eq!(grant.subject.as_str(), "ada");
        prop_assert!(now.plus(grant.lifetime) <= case.subject.expires_at());
        prop_assert!(grant.lifetime <= Duration::from_secs(lifetime.into()).min(Duration::from_mins(5)));
        prop_assert!(grant.audiences.iter().all(|audience| case.client.allowed_audiences.contains(audience)));
        let before = DelegationChain::from_claims(case.subject.claims()).unwrap();
        prop_assert!(grant.actors.actors().ends_with(before.actors()), "earlier actors stay");
        prop_assert_eq!(&grant.actors.actors()[0].subject, "gateway");
        prop_assert!(grant.actors.actors().len() <= 4);
    }
}
