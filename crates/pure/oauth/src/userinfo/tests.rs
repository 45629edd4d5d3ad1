use serde_json::json;

use super::*;
use crate::claims::ClaimExpression;
use crate::client::fixtures::{public_client, scopes, user};
use crate::client::{Client, GrantType};

fn ask(scope: &str, mapping: &[(&str, &str)]) -> Result<Value, ErrorCode> {
    let mapping =
        mapping.iter().map(|(name, text)| ((*name).to_owned(), ClaimExpression::parse(text).unwrap()));
    let client = Client { claims_mapping: mapping.collect(), ..public_client() };
    let (user, scopes) = (user(), scopes(scope));
    let sources = ClaimSources {
        user: Some(&user),
        client: &client,
        scopes: &scopes,
        audiences: &[],
        grant_type: GrantType::AuthorizationCode,
    };
    userinfo(&SubjectId::new("ada"), &user, &sources).map(Value::Object).map_err(|error| error.code())
}

#[test]
fn u1_userinfo_needs_openid() {
    assert_eq!(ask("profile email", &[]), Err(ErrorCode::InsufficientScope));
    assert_eq!(ask("openid", &[]), Ok(json!({ "sub": "ada" })));
}

#[test]
fn scopes_open_their_standard_claims() {
    assert_eq!(ask("openid email", &[]), Ok(json!({ "sub": "ada", "email": "ada@example.com" })));
    assert_eq!(
        ask("openid profile groups", &[]),
        Ok(json!({ "sub": "ada", "name": "Ada", "groups": ["eng"] }))
    );
    assert_eq!(ask("openid address", &[]), Ok(json!({ "sub": "ada", "address": { "country": "GB" } })));
}

#[test]
fn mapped_claims_hold_for_any_scope_but_leave_the_subject_alone() {
    let mapping = [("mail", "upstream-idp.email"), ("sub", "'forged'"), ("none", "upstream-idp.department")];
    assert_eq!(ask("openid", &mapping), Ok(json!({ "sub": "ada", "mail": "ada@example.com" })));
}
