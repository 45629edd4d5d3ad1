use serde_json::json;

use super::*;
use crate::claims::ClaimExpression;
use crate::client::GrantType;
use crate::client::fixtures::{ISSUER, MCP, NOW, public_client, scopes, user};
use gatehouse_identity::delegation::Actor;

fn expressions(pairs: &[(&str, &str)]) -> Vec<(String, ClaimExpression)> {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), ClaimExpression::parse(text).unwrap())).collect()
}

fn mint(client: &Client, actors: &DelegationChain, audiences: &[Audience]) -> Map<String, Value> {
    let (user, scopes) = (user(), scopes("openid pii:read"));
    let sources = ClaimSources {
        user: Some(&user),
        client,
        scopes: &scopes,
        audiences,
        grant_type: GrantType::AuthorizationCode,
    };
    let subject = subject_of(&sources, &user, |_| None).unwrap();
    let token = AccessTokenClaims {
        issuer: &Issuer::new(ISSUER),
        subject: &subject,
        audiences,
        client: &client.id,
        scopes: &scopes,
        actors,
        act_assurance: Some(Assurance::Secret),
        sign_in: &sign_in_claims(&user, &subject),
        grant: Some(&GrantId::new("g-1")),
        generation: Some(3),
        lineage: &Lineage::none(),
        declared: declared_claims(client, &sources),
        lifetime: Duration::from_mins(15),
        id: &TokenId::new("jti-1"),
    };
    mint_access_token(&token, NOW)
}

#[test]
fn an_access_token_says_what_rfc_9068_asks_for() {
    let mut client = public_client();
    client.access_token.claims =
        expressions(&[("email", "upstream-idp.email"), ("tier", "'gold'"), ("none", "other.x")]);
    let claims = mint(&client, &DelegationChain::direct(), &[Audience::new(MCP)]);
    insta::assert_json_snapshot!("access_token", claims);
}

#[test]
fn a_delegated_token_names_its_actors() {
    let actor = |subject: &str| Actor { subject: subject.into(), issuer: None };
    let chain = DelegationChain::direct()
        .extended(actor("claude-public"))
        .unwrap()
        .extended(actor("gateway"))
        .unwrap();
    let claims = mint(&public_client(), &chain, &[Audience::new("a"), Audience::new("b")]);
    assert_eq!(claims["act"], json!({ "sub": "gateway", "act": { "sub": "claude-public" } }));
    assert_eq!(claims["act_assurance"], "secret");
    assert_eq!(claims["aud"], json!(["a", "b"]));
}

/// Evidence of one person is found under one name, whatever the operator chose as the subject.
#[test]
fn a_token_with_a_mapped_subject_says_whose_it_is() {
    let plain = mint(&public_client(), &DelegationChain::direct(), &[Audience::new(MCP)]);
    assert_eq!(plain.get("grant_user"), None);
    assert_eq!(sign_in::user(&plain), plain["sub"].as_str());
    let client = Client { claims_mapping: expressions(&[("sub", "upstream-idp.oid")]), ..public_client() };
    let mapped = mint(&client, &DelegationChain::direct(), &[Audience::new(MCP)]);
    assert_eq!((&mapped["sub"], &mapped["grant_user"]), (&json!("0b1c"), &plain["sub"]));
    assert_eq!(sign_in::user(&mapped), sign_in::user(&plain));
    // What is no sign-in of ours names nobody.
    let foreign = json!({ "sub": "u-9", "grant_user": "https://idp.example.com|u-1" });
    assert_eq!(sign_in::user(foreign.as_object().unwrap()), None);
}

#[test]
fn declared_claims_never_override_the_issuers() {
    let protected = [
        "iss",
        "sub",
        "aud",
        "exp",
        "nbf",
        "iat",
        "jti",
        "client_id",
        "scope",
        "act",
        "act_assurance",
        "may_act",
        "cnf",
        "auth_time",
        "amr",
        "grant_id",
        "grant_user",
        "parent_jti",
    ];
    let plain = mint(&public_client(), &DelegationChain::direct(), &[Audience::new(MCP)]);
    let mut client = public_client();
    client.access_token.claims = expressions(&protected.map(|name| (name, "'forged'")));
    assert_eq!(mint(&client, &DelegationChain::direct(), &[Audience::new(MCP)]), plain);
}

#[test]
fn the_subject_is_mapped_or_the_users_own_but_never_anybody_elses() {
    let (user, scopes) = (user(), scopes("openid"));
    let held = |subject: &SubjectId| match subject.as_str() {
        "gateway" => Some(Holder::Client),
        "ada" | "https://idp.example.com|u-1" => Some(Holder::User),
        _ => None,
    };
    let subject = |mapping: &[(&str, &str)]| {
        let client = Client { claims_mapping: expressions(mapping), ..public_client() };
        let sources = ClaimSources {
            user: Some(&user),
            client: &client,
            scopes: &scopes,
            audiences: &[],
            grant_type: GrantType::AuthorizationCode,
        };
        subject_of(&sources, &user, held).map(|subject| subject.as_str().to_owned())
    };
    for own in [[].as_slice(), &[("sub", "user.sub")]] {
        assert_eq!(subject(own), Ok("https://idp.example.com|u-1".to_owned()));
    }
    assert_eq!(subject(&[("sub", "upstream-idp.oid")]), Ok("0b1c".to_owned()));
    for absent in ["upstream-idp.absent", "upstream-idp.address", "''"] {
        assert_eq!(subject(&[("sub", absent)]), Err(SubjectError::Unmapped), "{absent}");
    }
    assert_eq!(subject(&[("sub", "'gateway'")]), Err(SubjectError::IsClient(SubjectId::new("gateway"))));
    assert_eq!(subject(&[("sub", "'ada'")]), Err(SubjectError::IsAnother(SubjectId::new("ada"))));
}

#[test]
fn an_id_token_is_for_the_client_and_carries_what_is_mapped() {
    let (user, scopes) = (user(), scopes("openid email"));
    let mapping = [
        ("dept", "'research'"),
        ("email", "'mapped@example.com'"),
        ("aud", "'forged'"),
        ("nonce", "'forged'"),
    ];
    let client = Client { claims_mapping: expressions(&mapping), ..public_client() };
    let token = IdTokenClaims {
        issuer: &Issuer::new(ISSUER),
        subject: &SubjectId::new("ada"),
        user: &user,
        audiences: &[Audience::new("https://gw/mcp"), Audience::new("https://gw/v1")],
        nonce: Some("n-1"),
        grant: Some(&GrantId::new("g-1")),
        generation: Some(3),
        lifetime: Duration::from_mins(5),
        sources: ClaimSources {
            user: Some(&user),
            client: &client,
            scopes: &scopes,
            audiences: &[],
            grant_type: GrantType::AuthorizationCode,
        },
    };
    insta::assert_json_snapshot!("id_token", mint_id_token(&token, NOW));
}
