use super::*;
use crate::client::fixtures::{MCP, form, gateway_client, public_client};

fn resolve(client: &Client, parameters: &[(&str, &str)], own: &[&str]) -> Result<Vec<String>, ErrorCode> {
    let own: Vec<Audience> = own.iter().map(|audience| Audience::new(*audience)).collect();
    let targets = requested(&form(parameters)).map_err(|error| error.code())?;
    let audiences = targets.resolve(client, &own).map_err(|error| error.code())?;
    Ok(audiences.iter().map(|audience| audience.as_str().to_owned()).collect())
}

#[test]
fn a13_resources_are_absolute_uris_without_fragment() {
    for bad in ["mcp", "/mcp", "https://gw.example.com/mcp#", "https://gw.example.com/mcp#x"] {
        assert_eq!(
            resolve(&public_client(), &[("resource", bad)], &[MCP]),
            Err(ErrorCode::InvalidTarget),
            "{bad}"
        );
    }
    for good in [MCP, "https://gw.example.com/mcp/", "HTTPS://GW.example.com/mcp"] {
        assert_eq!(
            resolve(&public_client(), &[("resource", good)], &[MCP]),
            Ok(vec![MCP.to_owned()]),
            "{good}"
        );
    }
}

#[test]
fn a13_targets_outside_the_allow_list_are_refused() {
    let gateway = gateway_client();
    let ledger = "https://ledger.example.com";
    assert_eq!(resolve(&gateway, &[("audience", ledger)], &[MCP]), Ok(vec![ledger.to_owned()]));
    assert_eq!(resolve(&gateway, &[("resource", MCP)], &[MCP]), Err(ErrorCode::InvalidTarget));
    assert_eq!(
        resolve(&gateway, &[("audience", "https://LEDGER.example.com")], &[]),
        Err(ErrorCode::InvalidTarget)
    );
    assert_eq!(
        resolve(&gateway, &[("resource", ledger), ("resource", "https://other.example")], &[]),
        Err(ErrorCode::InvalidTarget)
    );
    assert_eq!(
        resolve(&gateway, &[("resource", ledger), ("audience", ledger)], &[]),
        Ok(vec![ledger.to_owned()])
    );
}

#[test]
fn a18_without_a_target_the_default_stands_in_and_never_the_issuer() {
    let mut client = public_client();
    assert_eq!(resolve(&client, &[], &[MCP]), Ok(vec![MCP.to_owned()]));
    assert_eq!(resolve(&client, &[], &[]), Err(ErrorCode::InvalidTarget));
    assert_eq!(resolve(&client, &[], &[MCP, "https://gw.example.com/v1"]), Err(ErrorCode::InvalidTarget));
    client.default_audience = Some(Audience::new("https://default.example"));
    assert_eq!(resolve(&client, &[], &[MCP]), Ok(vec!["https://default.example".to_owned()]));
    assert_eq!(resolve(&gateway_client(), &[], &[MCP]), Ok(vec!["https://ledger.example.com".to_owned()]));
}

#[test]
fn t10_later_requests_stay_within_the_authorized_targets() {
    let authorized = [Audience::new(MCP), Audience::new("https://b.example")];
    let within = |parameters: &[(&str, &str)]| {
        requested(&form(parameters))
            .unwrap()
            .within(&authorized)
            .map(|found| found.len())
            .map_err(|e| e.code())
    };
    assert_eq!(within(&[]), Ok(2));
    assert_eq!(within(&[("resource", MCP)]), Ok(1));
    assert_eq!(within(&[("resource", "https://c.example")]), Err(ErrorCode::InvalidTarget));
}
