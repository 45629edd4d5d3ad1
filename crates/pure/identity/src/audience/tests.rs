use super::{Audience, ResourceError, ResourceUri};

#[test]
fn case_of_scheme_and_host_and_one_trailing_slash_do_not_matter() {
    let configured = Audience::new("https://gw.example.com/mcp");
    for same in ["https://gw.example.com/mcp", "HTTPS://GW.Example.com/mcp", "https://gw.example.com/mcp/"] {
        assert!(ResourceUri::parse(same).unwrap().matches(&configured), "{same}");
    }
    for other in ["https://gw.example.com/MCP", "https://gw.example.com/mcp/x", "http://gw.example.com/mcp"] {
        assert!(!ResourceUri::parse(other).unwrap().matches(&configured), "{other}");
    }
}

#[test]
fn refuses_fragments_and_relative_references() {
    assert_eq!(ResourceUri::parse("https://a/#").unwrap_err(), ResourceError::Fragment);
    assert_eq!(ResourceUri::parse("/mcp").unwrap_err(), ResourceError::NotAbsolute);
}

#[test]
fn an_opaque_audience_matches_only_itself() {
    let resource = ResourceUri::parse("urn:example:ledger").unwrap();
    assert!(resource.matches(&Audience::new("urn:example:ledger")));
    assert!(!resource.matches(&Audience::new("ledger")));
}
