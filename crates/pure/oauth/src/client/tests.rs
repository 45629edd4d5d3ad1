use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatehouse_identity::assurance::Assurance;
use proptest::prelude::*;

use super::fixtures::{form, gateway_client, public_client, redirects};
use super::*;
use crate::error::ErrorCode;

fn basic(pair: &str) -> String {
    format!("Basic {}", STANDARD.encode(pair))
}

fn by_header(header: &str, parameters: &[(&str, &str)]) -> Result<Assurance, ErrorCode> {
    let client = gateway_client();
    let presented =
        PresentedCredentials::read(Some(header), &form(parameters)).map_err(|error| error.code())?;
    authenticate(&client, &presented).map(|client| client.assurance()).map_err(|error| error.code())
}

fn by_form(client: &Client, parameters: &[(&str, &str)]) -> Result<Assurance, ErrorCode> {
    let presented = PresentedCredentials::read(None, &form(parameters)).map_err(|error| error.code())?;
    authenticate(client, &presented).map(|client| client.assurance()).map_err(|error| error.code())
}

#[test]
fn t2_basic_decodes_strict_base64_and_then_urldecodes_both_halves() {
    assert_eq!(by_header(&basic("gateway:s3cr%25t%3A%2B%26"), &[]), Ok(Assurance::Secret));
    assert_eq!(by_header(&basic("g%61teway:old+secret"), &[]), Ok(Assurance::Secret));
    assert_eq!(
        by_header(&basic("gateway:old%20secret").replace("Basic", "bAsIc"), &[]),
        Ok(Assurance::Secret)
    );
    for bad in [
        basic("gateway"),
        basic(":old secret"),
        basic("gateway:s3cr%t"),
        basic("gateway:wrong"),
        basic("gateway:"),
        basic("someone:old+secret"),
        basic("gateway:old+secret").trim_end_matches('=').to_owned() + "!",
        basic("gateway:old+secret") + "=",
        basic("gateway:old+secret").replace("Basic ", "Basic  "),
        "Bearer abc".into(),
        "Basic".into(),
        String::new(),
    ] {
        assert_eq!(by_header(&bad, &[]), Err(ErrorCode::InvalidClient), "{bad}");
    }
}

proptest! {
    #[test]
    fn t2_what_is_written_is_what_is_read(id in ".{1,20}", secret in ".{1,40}") {
        let header = basic_authorization(&id, &Secret::new(secret.clone()));
        let presented = PresentedCredentials::read(Some(header.expose()), &form(&[])).unwrap();
        prop_assert_eq!(presented.client_id().as_str(), id.as_str());
        let client = Client {
            id: ClientId::new(id.as_str()),
            secrets: vec![Secret::new(secret)],
            ..gateway_client()
        };
        prop_assert_eq!(authenticate(&client, &presented).unwrap().assurance(), Assurance::Secret);
    }
}

#[test]
fn t2_two_authentication_methods_are_an_invalid_request() {
    let header = basic("gateway:old+secret");
    assert_eq!(by_header(&header, &[("client_secret", "old secret")]), Err(ErrorCode::InvalidRequest));
    assert_eq!(by_header(&header, &[("client_id", "other")]), Err(ErrorCode::InvalidRequest));
    assert_eq!(by_header(&header, &[("client_id", "gateway")]), Ok(Assurance::Secret));
    assert_eq!(by_header(&header, &[("client_assertion", "x")]), Err(ErrorCode::InvalidClient));
    assert_eq!(by_header(&header, &[("client_assertion_type", "x")]), Err(ErrorCode::InvalidClient));
    // Sent empty is not sent (RFC 6749 §3.2).
    let empty =
        [("client_secret", ""), ("client_assertion", ""), ("client_assertion_type", ""), ("client_id", "")];
    assert_eq!(by_header(&header, &empty), Ok(Assurance::Secret));
}

#[test]
fn ac33_a_confidential_client_must_present_one_of_its_secrets() {
    let client = gateway_client();
    let id = ("client_id", "gateway");
    assert_eq!(by_form(&client, &[id, ("client_secret", "s3cr%t:+&")]), Ok(Assurance::Secret));
    assert_eq!(by_form(&client, &[id, ("client_secret", "old secret")]), Ok(Assurance::Secret));
    assert_eq!(by_form(&client, &[id, ("client_secret", "old secre")]), Err(ErrorCode::InvalidClient));
    assert_eq!(by_form(&client, &[id]), Err(ErrorCode::InvalidClient));
    assert_eq!(by_form(&client, &[("client_secret", "old secret")]), Err(ErrorCode::InvalidClient));
    let without_secrets = Client { secrets: Vec::new(), ..client };
    assert_eq!(by_form(&without_secrets, &[id, ("client_secret", "x")]), Err(ErrorCode::InvalidClient));
}

#[test]
fn t5_a_public_client_with_a_secret_is_still_a_public_client() {
    let client = public_client();
    let presented = [("client_id", "claude-public"), ("client_secret", "anything")];
    assert_eq!(by_form(&client, &presented), Ok(Assurance::SelfAsserted));
    assert_eq!(by_form(&client, &presented[..1]), Ok(Assurance::SelfAsserted));
    let url = "https://claude.ai/oauth/mcp-oauth-client-metadata";
    let document = Client {
        id: ClientId::new(url),
        origin: ClientOrigin::MetadataDocument { url: url.into(), fingerprint: String::new() },
        ..client
    };
    assert_eq!(by_form(&document, &[("client_id", url)]), Ok(Assurance::Cimd));
}

#[test]
fn redirects_off_the_own_computer_raise_the_assurance_of_issued_tokens() {
    assert_eq!(public_client().issued_assurance(), Assurance::SelfAsserted);
    let remote = Client { redirects: redirects(&["https://claude.ai/cb"]), ..public_client() };
    assert_eq!(remote.issued_assurance(), Assurance::RedirectBound);
    assert_eq!(
        Client { redirects: RedirectSet::default(), ..public_client() }.issued_assurance(),
        Assurance::SelfAsserted
    );
    assert_eq!(gateway_client().issued_assurance(), Assurance::Secret);
}

#[test]
fn grant_types_read_and_write_their_registered_names() {
    let urn = "urn:ietf:params:oauth:grant-type:token-exchange";
    assert_eq!(GrantType::parse(urn), Ok(GrantType::TokenExchange));
    assert_eq!(serde_json::to_value(GrantType::TokenExchange).unwrap(), urn);
    assert_eq!(serde_json::from_value::<GrantType>(urn.into()).unwrap(), GrantType::TokenExchange);
    for unknown in ["password", "implicit", "", "Authorization_Code"] {
        assert!(GrantType::parse(unknown).is_err());
    }
    assert!(!GrantType::DeviceCode.is_served() && !GrantType::JwtBearer.is_served());
}

#[test]
fn refresh_tokens_come_with_the_grant_the_profile_and_the_condition() {
    let mut client = public_client();
    assert!(client.gets_refresh_token(&ScopeSet::none()));
    client.refresh.as_mut().unwrap().condition = RefreshCondition::OfflineAccess;
    assert!(!client.gets_refresh_token(&ScopeSet::none()));
    assert!(client.gets_refresh_token(&fixtures::scopes("offline_access")));
    client.grant_types.remove(&GrantType::RefreshToken);
    assert!(!client.gets_refresh_token(&fixtures::scopes("offline_access")));
}

#[test]
fn debug_shows_no_secret() {
    assert!(!format!("{:?}", gateway_client()).contains("secret"));
}
