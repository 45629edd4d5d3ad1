use super::*;
use crate::client::fixtures::{CountingRng, authenticated, form, gateway_client, public_client};

fn parse(parameters: &[(&str, &str)]) -> Result<TokenRequest, ErrorCode> {
    TokenRequest::parse(&form(parameters)).map_err(|error| error.code())
}

fn refused(parameters: &[(&str, &str)]) -> ErrorCode {
    parse(parameters).err().unwrap()
}

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

#[test]
fn t12_unknown_and_unserved_grants_are_refused_by_name() {
    assert_eq!(refused(&[]), ErrorCode::InvalidRequest);
    for grant in [
        "password",
        "implicit",
        "urn:ietf:params:oauth:grant-type:device_code",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
    ] {
        let error = TokenRequest::parse(&form(&[("grant_type", grant)])).err().unwrap();
        assert_eq!(error.code(), ErrorCode::UnsupportedGrantType);
        assert!(error.description().contains(grant));
    }
}

#[test]
fn t12_grants_that_are_not_registered_are_unauthorized() {
    let cc = parse(&[("grant_type", "client_credentials")]).unwrap();
    let (public, gateway) = (public_client(), gateway_client());
    assert_eq!(cc.check_allowed(&authenticated(&public)).unwrap_err().code(), ErrorCode::UnauthorizedClient);
    assert!(cc.check_allowed(&authenticated(&gateway)).is_ok());
    let code = parse(&[("grant_type", "authorization_code"), ("code", "c")]).unwrap();
    assert_eq!(
        code.check_allowed(&authenticated(&gateway)).unwrap_err().code(),
        ErrorCode::UnauthorizedClient
    );
}

#[test]
fn t15_public_clients_get_nothing_on_their_own_word() {
    let mut public = public_client();
    public.grant_types.extend([GrantType::ClientCredentials, GrantType::TokenExchange]);
    let token = [("subject_token", "t"), ("subject_token_type", ACCESS_TOKEN), ("grant_type", EXCHANGE)];
    for request in [parse(&[("grant_type", "client_credentials")]).unwrap(), parse(&token).unwrap()] {
        assert_eq!(
            request.check_allowed(&authenticated(&public)).unwrap_err().code(),
            ErrorCode::UnauthorizedClient
        );
    }
}

#[test]
fn malformed_proofs_are_invalid_grants_and_missing_ones_invalid_requests() {
    assert_eq!(refused(&[("grant_type", "authorization_code")]), ErrorCode::InvalidRequest);
    let code = [("grant_type", "authorization_code"), ("code", "c"), ("code_verifier", "short")];
    assert_eq!(refused(&code), ErrorCode::InvalidGrant);
    assert_eq!(refused(&[("grant_type", "refresh_token")]), ErrorCode::InvalidRequest);
    assert_eq!(refused(&[("grant_type", "refresh_token"), ("refresh_token", "x")]), ErrorCode::InvalidGrant);
    let token = crate::refresh::RefreshToken::random_for_tests(&CountingRng::default());
    let refresh =
        [("grant_type", "refresh_token"), ("refresh_token", token.to_text().expose()), ("scope", "a b")]
            .map(|(name, value)| (name, value.to_owned()));
    let refresh: Vec<_> = refresh.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert!(matches!(parse(&refresh), Ok(TokenRequest::RefreshToken(_))));
}

#[test]
fn exchange_parameters_are_complete_and_of_known_types() {
    let id_jag = "urn:ietf:params:oauth:token-type:id-jag";
    let base = [("grant_type", EXCHANGE), ("subject_token", "t"), ("subject_token_type", ACCESS_TOKEN)];
    let with = |more: &[(&'static str, &'static str)]| parse(&[&base, more].concat()).err();
    assert_eq!(with(&[]), None);
    assert_eq!(with(&[("actor_token", "a")]), Some(ErrorCode::InvalidRequest));
    assert_eq!(with(&[("actor_token_type", ACCESS_TOKEN)]), Some(ErrorCode::InvalidRequest));
    assert_eq!(with(&[("actor_token", "a"), ("actor_token_type", ACCESS_TOKEN)]), None);
    assert_eq!(with(&[("requested_token_type", id_jag)]), Some(ErrorCode::InvalidRequest));
    assert_eq!(with(&[("resource", "not absolute")]), Some(ErrorCode::InvalidTarget));
    assert_eq!(with(&[("scope", "a\\b")]), Some(ErrorCode::InvalidScope));
    for lifetime in ["0", "-1", "+5", "1.5", "x"] {
        assert_eq!(
            parse(&[&base[..], &[("expires_in", lifetime)]].concat()).err(),
            Some(ErrorCode::InvalidRequest)
        );
    }
    assert_eq!(refused(&base[..2]), ErrorCode::InvalidRequest);
    assert_eq!(refused(&[base[0], base[1], ("subject_token_type", id_jag)]), ErrorCode::InvalidRequest);
}
