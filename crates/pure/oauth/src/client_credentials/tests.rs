use super::*;
use crate::client::fixtures::{authenticated, form, gateway_client, public_client, scopes as set};
use crate::token_request::TokenRequest;

fn ask(parameters: &[(&str, &str)]) -> Result<ClientCredentialsGrant, ErrorCode> {
    let all = [&[("grant_type", "client_credentials")], parameters].concat();
    let TokenRequest::ClientCredentials(request) = TokenRequest::parse(&form(&all)).unwrap() else {
        panic!("must be client credentials")
    };
    let mut client = gateway_client();
    client.scopes = set("pii:read ledger:Write openid offline_access");
    let known = set("pii:read ledger:Write hr:read openid profile offline_access");
    grant(&request, &authenticated(&client), &[], &known).map_err(|error| error.code())
}

#[test]
fn t15_the_client_is_the_subject() {
    let granted = ask(&[]).unwrap();
    assert_eq!(granted.subject.as_str(), "gateway");
    assert_eq!(granted.audiences, [Audience::new("https://ledger.example.com")]);
}

#[test]
fn t15_there_is_no_user_to_ask_about() {
    assert_eq!(ask(&[]).unwrap().scopes, set("pii:read ledger:Write"));
    assert_eq!(ask(&[("scope", "pii:read")]).unwrap().scopes, set("pii:read"));
    for (asked, given) in [
        ("openid", ""),
        ("offline_access pii:read", "pii:read"),
        ("hr:read", ""),
        ("pii:read ledger:Write hr:read openid profile offline_access", "pii:read ledger:Write"),
    ] {
        assert_eq!(ask(&[("scope", asked)]).unwrap().scopes, set(given), "{asked}");
    }
}

#[test]
fn t15_scopes_that_do_not_exist_are_refused() {
    for refused in ["other", "pii:read other", "openid other"] {
        assert_eq!(ask(&[("scope", refused)]), Err(ErrorCode::InvalidScope), "{refused}");
    }
}

#[test]
fn a_requested_lifetime_only_shortens() {
    let lifetime = |text: &str| ask(&[("expires_in", text)]).unwrap().lifetime.as_secs();
    assert_eq!((lifetime("60"), lifetime("100000")), (60, 900));
}

#[test]
fn t15_public_clients_are_refused() {
    let TokenRequest::ClientCredentials(request) =
        TokenRequest::parse(&form(&[("grant_type", "client_credentials")])).unwrap()
    else {
        panic!("must be client credentials")
    };
    let client = public_client();
    let error = grant(&request, &authenticated(&client), &[], &ScopeSet::none()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::UnauthorizedClient);
}
