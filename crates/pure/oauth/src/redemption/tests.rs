use gatehouse_identity::id::ClientId;

use super::*;
use crate::client::Client;
use crate::client::fixtures::{
    MCP, NOW, VERIFIER, authenticated, form, public_client, request, scopes, user,
};
use crate::grant::{BrowserBinding, CodeHash, Pending};
use crate::token_request::TokenRequest;

fn consented(changes: &[(&str, &str)]) -> Grant {
    let minute = Duration::from_mins(1);
    let pending = Pending::new(GrantId::new("g-1"), request(changes), BrowserBinding::of("b"), NOW, minute);
    let authenticated = pending.authenticate(user(), NOW).unwrap();
    let scopes = authenticated.request.scopes.intersection(&scopes("openid pii:read"));
    Grant::Consented(authenticated.consent(scopes, CodeHash::of("c0de"), NOW).unwrap())
}

fn code_request(changes: &[(&str, &str)]) -> CodeRequest {
    let good = [
        ("grant_type", "authorization_code"),
        ("code", "c0de"),
        ("redirect_uri", "http://localhost:29352/callback"),
        ("code_verifier", VERIFIER),
    ];
    let kept = good.iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    let replaced = changes.iter().filter(|(_, value)| !value.is_empty());
    match TokenRequest::parse(&form(&kept.chain(replaced).copied().collect::<Vec<_>>())).unwrap() {
        TokenRequest::AuthorizationCode(request) => request,
        _ => panic!("must be a code request"),
    }
}

fn after(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

fn redeem_at(grant: Grant, changes: &[(&str, &str)], now: Timestamp) -> Redemption {
    redeem(grant, &code_request(changes), &authenticated(&public_client()), now)
}

fn redeemed() -> Active {
    match redeem_at(consented(&[]), &[], NOW) {
        Redemption::Proceed(redeemed) => redeemed.grant,
        other => panic!("must proceed: {other:?}"),
    }
}

fn refused(redemption: Redemption) -> RedemptionError {
    match redemption {
        Redemption::Refuse(error) => error,
        other => panic!("must be refused: {other:?}"),
    }
}

const WRONG_VERIFIER: &str = "wrong-wrong-wrong-wrong-wrong-wrong-wrong-wrong";

#[test]
fn a_proven_redemption_proceeds_once() {
    let Redemption::Proceed(first) = redeem_at(consented(&[]), &[], after(59)) else {
        panic!("must proceed")
    };
    assert_eq!(first.audiences, [Audience::new(MCP)]);
    assert!(first.grant.expires_at > after(30 * 24 * 3600));
    assert_eq!(refused(redeem_at(consented(&[]), &[], after(60))), RedemptionError::Expired);
}

#[test]
fn t7_t8_an_unproven_redemption_changes_nothing() {
    for (changes, error) in [
        ([("code", "other")], RedemptionError::Unknown),
        ([("redirect_uri", "http://localhost:1/callback")], RedemptionError::RedirectUri),
        ([("code_verifier", "")], RedemptionError::VerifierMissing),
        ([("code_verifier", WRONG_VERIFIER)], RedemptionError::VerifierWrong),
    ] {
        assert_eq!(refused(redeem_at(consented(&[]), &changes, NOW)), error);
        // The same against a code that was redeemed: no revocation either.
        assert_eq!(refused(redeem_at(Grant::Active(redeemed()), &changes, after(10))), error);
    }
    let other = Client { id: ClientId::new("other"), ..public_client() };
    let error = refused(redeem(consented(&[]), &code_request(&[]), &authenticated(&other), NOW));
    assert_eq!(error, RedemptionError::Unknown);
    assert_eq!(OAuthError::from(error).code(), ErrorCode::InvalidGrant);
}

#[test]
fn t7_an_omitted_redirect_is_bound_by_the_verifier() {
    assert!(matches!(redeem_at(consented(&[]), &[("redirect_uri", "")], NOW), Redemption::Proceed(_)));
}

#[test]
fn t7_a_verifier_without_a_challenge_is_refused() {
    let Grant::Consented(mut grant) = consented(&[]) else { panic!("must be consented") };
    grant.request.challenge = None;
    let refuse = |changes: &[(&str, &str)]| refused(redeem_at(Grant::Consented(grant.clone()), changes, NOW));
    assert_eq!(refuse(&[]), RedemptionError::VerifierUnexpected);
    assert_eq!(refuse(&[("code_verifier", ""), ("redirect_uri", "")]), RedemptionError::RedirectUri);
    let proven = redeem_at(Grant::Consented(grant.clone()), &[("code_verifier", "")], NOW);
    assert!(matches!(proven, Redemption::Proceed(_)));
}

#[test]
fn t9_a_second_proven_redemption_is_reuse_unless_it_is_an_immediate_retry() {
    assert_eq!(refused(redeem_at(Grant::Active(redeemed()), &[], after(2))), RedemptionError::Spent);
    let Redemption::Reuse(grant) = redeem_at(Grant::Active(redeemed()), &[], after(3)) else {
        panic!("must be reuse")
    };
    assert_eq!(grant.as_str(), "g-1");
    let days_later = redeem_at(Grant::Active(redeemed()), &[], after(3 * 24 * 3600));
    assert!(matches!(days_later, Redemption::Reuse(_)));
}

#[test]
fn t10_the_token_is_for_a_part_of_the_authorized_targets() {
    let error = refused(redeem_at(consented(&[]), &[("resource", "https://other.example")], NOW));
    assert_eq!(OAuthError::from(error).code(), ErrorCode::InvalidTarget);
    assert!(matches!(redeem_at(consented(&[]), &[("resource", MCP)], NOW), Redemption::Proceed(_)));
}

#[test]
fn a_grant_without_a_code_has_none_to_redeem() {
    let pending =
        Pending::new(GrantId::new("g"), request(&[]), BrowserBinding::of("b"), NOW, Duration::from_mins(1));
    assert_eq!(refused(redeem_at(Grant::Pending(pending), &[], NOW)), RedemptionError::Unknown);
}
