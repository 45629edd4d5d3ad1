use std::time::Duration;

use super::*;
use crate::client::fixtures::{
    ISSUER, MCP, NOW, gateway_client, public_client, redirects, request, request_form, rules, scopes,
};
use crate::client::{Client, ClientKind, GrantType};

fn parse(changes: &[(&str, &str)]) -> Result<AuthorizationRequest, AuthorizationError> {
    AuthorizationRequest::parse(&request_form(changes), &public_client(), &rules())
}

/// The code of an error that the client is told.
fn told(changes: &[(&str, &str)]) -> ErrorCode {
    match parse(changes).unwrap_err() {
        AuthorizationError::Redirect { error, .. } => error.code(),
        AuthorizationError::Show { error, .. } => panic!("only shown: {error}"),
    }
}

#[test]
fn a_good_request_is_read_whole() {
    let request =
        parse(&[("prompt", "login foo"), ("max_age", "60"), ("acr_values", "b a"), ("unknown", "x")])
            .unwrap();
    assert_eq!(request.redirect_uri.as_str(), "http://localhost:29352/callback");
    assert_eq!(request.state.as_deref(), Some("st&#\0\u{e9}"));
    assert_eq!(request.scopes, scopes("openid pii:read"));
    assert_eq!(request.audiences, [Audience::new(MCP)]);
    assert_eq!(request.nonce.as_deref(), Some("n-1"));
    assert!(request.challenge.is_some() && request.prompt == [Prompt::Login].into());
    assert_eq!((request.max_age, request.acr_values), (Some(60), vec!["b".to_owned(), "a".to_owned()]));
}

#[test]
fn a_request_survives_storage() {
    let request = parse(&[]).unwrap();
    let stored = serde_json::to_string(&request).unwrap();
    assert_eq!(serde_json::from_str::<AuthorizationRequest>(&stored).unwrap(), request);
}

#[test]
fn a3_an_unknown_client_or_redirect_is_shown_and_never_redirected() {
    for changes in [
        [("client_id", "someone")],
        [("client_id", "")],
        [("redirect_uri", "https://evil.example/cb")],
        [("redirect_uri", "")],
    ] {
        let error = parse(&changes).unwrap_err();
        assert!(matches!(error, AuthorizationError::Show { .. }), "{changes:?}");
        assert_eq!(error.location(&Issuer::new(ISSUER)), None);
    }
    let AuthorizationError::Show { mismatch, .. } =
        parse(&[("redirect_uri", "https://claude.ai/x")]).unwrap_err()
    else {
        panic!("must be shown")
    };
    assert_eq!(mismatch.unwrap().nearest_bare().as_deref(), Some("https://claude.ai/api/mcp/auth_callback"));
}

#[test]
fn a4_one_registered_redirect_may_be_left_out_except_by_documents() {
    let client = Client { redirects: redirects(&["https://claude.ai/cb"]), ..public_client() };
    let form = request_form(&[("redirect_uri", "")]);
    let request = AuthorizationRequest::parse(&form, &client, &rules()).unwrap();
    assert_eq!(request.redirect_parameter, RedirectParameter::Omitted);
    let document = Client {
        origin: ClientOrigin::MetadataDocument {
            url: "https://claude.ai/d".into(),
            fingerprint: String::new(),
        },
        ..client
    };
    assert!(AuthorizationRequest::parse(&form, &document, &rules()).is_err());
}

#[test]
fn a5_pkce_is_demanded_of_everyone_unless_relaxed_for_confidential_clients() {
    let without = [("code_challenge", ""), ("code_challenge_method", "")];
    assert_eq!(told(&without), ErrorCode::InvalidRequest);
    let confidential = Client {
        kind: ClientKind::Confidential,
        redirects: redirects(&["https://a.example/cb"]),
        ..public_client()
    };
    let form = request_form(&[("code_challenge", ""), ("code_challenge_method", ""), ("redirect_uri", "")]);
    assert!(AuthorizationRequest::parse(&form, &confidential, &rules()).is_err());
    let relaxed = ServerRules { pkce: PkceDemand::PublicClients, ..rules() };
    assert_eq!(AuthorizationRequest::parse(&form, &confidential, &relaxed).unwrap().challenge, None);
    let public = Client { kind: ClientKind::Public, ..confidential };
    assert!(AuthorizationRequest::parse(&form, &public, &relaxed).is_err());
}

#[test]
fn a6_a7_other_methods_and_malformed_challenges_are_refused() {
    assert_eq!(told(&[("code_challenge_method", "plain")]), ErrorCode::InvalidRequest);
    assert_eq!(told(&[("code_challenge_method", "")]), ErrorCode::InvalidRequest);
    assert_eq!(told(&[("code_challenge", "short")]), ErrorCode::InvalidRequest);
    assert_eq!(told(&[("code_challenge", "")]), ErrorCode::InvalidRequest);
}

#[test]
fn a8_answers_carry_iss_and_the_untouched_state() {
    let issuer = Issuer::new(ISSUER);
    let error = parse(&[("response_type", "token")]).unwrap_err().location(&issuer).unwrap();
    for url in [error, request(&[]).success_location("c0de", &issuer)] {
        let url = url::Url::parse(&url).unwrap();
        let query: std::collections::BTreeMap<_, _> = url.query_pairs().into_owned().collect();
        assert_eq!((query["iss"].as_str(), query["state"].as_str()), (ISSUER, "st&#\0\u{e9}"));
        assert!(query.contains_key("code") ^ query.contains_key("error"));
    }
}

#[test]
fn a10_prompt_none_without_a_session_is_login_required() {
    let silent = request(&[("prompt", "none")]);
    assert_eq!(silent.sign_in(None, NOW), SignIn::Refused);
    assert_eq!(silent.sign_in(Some(NOW), NOW), SignIn::UseSession);
    assert_eq!(request(&[]).sign_in(None, NOW), SignIn::Interactive);
    assert_eq!(told(&[("prompt", "none login")]), ErrorCode::InvalidRequest);
}

#[test]
fn a10_self_vouched_clients_are_answered_through_a_page() {
    let document = Client {
        origin: ClientOrigin::MetadataDocument {
            url: "https://claude.ai/d".into(),
            fingerprint: String::new(),
        },
        ..public_client()
    };
    let refusal = OAuthError::new(ErrorCode::LoginRequired, "nobody is signed in");
    let via = |client: &Client| match request(&[]).refuse(client, refusal.clone()) {
        AuthorizationError::Redirect { via, .. } => via,
        AuthorizationError::Show { .. } => panic!("must name the redirect"),
    };
    assert_eq!(via(&document), RedirectVia::Interstitial);
    assert_eq!(via(&public_client()), RedirectVia::Direct);
}

#[test]
fn a11_max_age_and_prompt_ask_for_a_new_sign_in() {
    let later = NOW.plus(Duration::from_secs(61));
    assert_eq!(request(&[("max_age", "60")]).sign_in(Some(NOW), later), SignIn::Interactive);
    assert_eq!(request(&[("max_age", "61")]).sign_in(Some(NOW), later), SignIn::UseSession);
    assert_eq!(
        request(&[("max_age", "0")]).sign_in(Some(NOW), NOW.plus(Duration::from_secs(1))),
        SignIn::Interactive
    );
    for prompt in ["login", "select_account"] {
        assert_eq!(request(&[("prompt", prompt)]).sign_in(Some(NOW), NOW), SignIn::Interactive);
    }
    for bad in ["-1", "+1", "1.5", "x", "99999999999999999999"] {
        assert_eq!(told(&[("max_age", bad)]), ErrorCode::InvalidRequest, "{bad}");
    }
    for ignored in ["ui_locales", "claims", "display", "login_hint", "acr_values"] {
        assert!(parse(&[(ignored, "en {} x")]).is_ok(), "{ignored}");
    }
}

#[test]
fn a12_another_user_than_hinted_is_login_required() {
    assert!(request(&[]).honours_hint("ada", "ada").is_ok());
    assert_eq!(request(&[]).honours_hint("ada", "bob").unwrap_err().code(), ErrorCode::LoginRequired);
}

#[test]
fn a13_a_foreign_resource_is_an_invalid_target() {
    assert_eq!(told(&[("resource", "https://other.example/mcp")]), ErrorCode::InvalidTarget);
    assert_eq!(told(&[("resource", "https://gw.example.com/mcp#")]), ErrorCode::InvalidTarget);
}

#[test]
fn a14_a15_request_objects_and_other_response_modes_are_refused() {
    assert_eq!(told(&[("request", "ey")]), ErrorCode::RequestNotSupported);
    assert_eq!(told(&[("request_uri", "urn:x")]), ErrorCode::RequestUriNotSupported);
    // Sent empty is not sent (RFC 6749 §3.1).
    let empty = [
        "request",
        "request_uri",
        "scope",
        "max_age",
        "prompt",
        "response_mode",
        "resource",
        "nonce",
        "state",
    ];
    for name in empty {
        assert!(parse(&[(name, "")]).is_ok(), "{name}");
    }
    assert_eq!(told(&[("response_type", "")]), ErrorCode::InvalidRequest, "what must be there is missed");
    assert_eq!(told(&[("response_mode", "fragment")]), ErrorCode::InvalidRequest);
    assert_eq!(told(&[("response_type", "code id_token")]), ErrorCode::UnsupportedResponseType);
    assert_eq!(told(&[("response_type", "")]), ErrorCode::InvalidRequest);
}

#[test]
fn a18_without_scope_and_resource_the_defaults_stand_in() {
    let bare = request(&[("scope", ""), ("resource", "")]);
    assert_eq!((bare.scopes, bare.audiences), (public_client().scopes, vec![Audience::new(MCP)]));
    let narrow = Client { default_scopes: Some(scopes("openid never:registered")), ..public_client() };
    let request = AuthorizationRequest::parse(&request_form(&[("scope", "")]), &narrow, &rules()).unwrap();
    assert_eq!(request.scopes, scopes("openid"));
}

#[test]
fn scopes_of_other_clients_are_left_out_and_unknown_ones_refused() {
    let all = rules().scopes.to_string();
    assert_eq!(request(&[("scope", &all)]).scopes, public_client().scopes);
    assert_eq!(told(&[("scope", "openid made:up")]), ErrorCode::InvalidScope);
    assert_eq!(told(&[("scope", "ledger:Write")]), ErrorCode::InvalidScope);
    assert_eq!(told(&[("scope", "a\"b")]), ErrorCode::InvalidScope);
}

#[test]
fn clients_without_the_grant_are_unauthorized() {
    let client = Client {
        redirects: redirects(&["https://a.example/cb"]),
        grant_types: [GrantType::ClientCredentials].into(),
        ..gateway_client()
    };
    let form = request_form(&[("client_id", "gateway"), ("redirect_uri", "https://a.example/cb")]);
    let error = AuthorizationRequest::parse(&form, &client, &rules()).unwrap_err();
    assert_eq!(error.error().code(), ErrorCode::UnauthorizedClient);
}

#[test]
fn consent_is_asked_as_configured_and_always_where_it_could_be_borrowed() {
    use RememberedConsent::{Absent, Found};
    let step = |mode, remembered, changes: &[(&str, &str)]| {
        request(changes).consent(&Client { consent: mode, ..public_client() }, remembered)
    };
    assert_eq!(step(ConsentMode::Preapproved, Absent, &[]), ConsentStep::Granted);
    assert_eq!(step(ConsentMode::Remembered, Found, &[]), ConsentStep::Granted);
    assert_eq!(step(ConsentMode::Remembered, Absent, &[]), ConsentStep::Ask);
    assert_eq!(step(ConsentMode::EveryTime, Found, &[]), ConsentStep::Ask);
    assert_eq!(step(ConsentMode::Preapproved, Found, &[("prompt", "consent")]), ConsentStep::Ask);
    assert_eq!(step(ConsentMode::Remembered, Absent, &[("prompt", "none")]), ConsentStep::Refused);
    let document = Client {
        origin: ClientOrigin::MetadataDocument {
            url: "https://claude.ai/d".into(),
            fingerprint: String::new(),
        },
        consent: ConsentMode::Preapproved,
        ..public_client()
    };
    assert_eq!(request(&[]).consent(&document, Found), ConsentStep::Ask);
    assert!(!request(&[]).consent_is_memorable(&public_client()));
    let remote = request(&[("redirect_uri", "https://claude.ai/api/mcp/auth_callback")]);
    assert_eq!(remote.consent(&document, Found), ConsentStep::Granted);
    assert!(remote.consent_is_memorable(&public_client()));
}
