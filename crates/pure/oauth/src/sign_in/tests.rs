use std::collections::HashSet;

use super::*;

fn embedded(connector: &str, username: &str, subject: &str) -> LoginReference {
    LoginReference::embedded(&ConnectorName::new(connector), username, &SubjectId::new(subject))
}

#[test]
fn whoever_is_configured_differently_has_another_reference() {
    let federated = |connector: &str, issuer: &str| {
        LoginReference::federated(&ConnectorName::new(connector), &Issuer::new(issuer))
    };
    let all = [
        embedded("staff", "ada", "ada"),
        embedded("staff", "ada", "u-1"),
        embedded("staff", "adal", "ada"),
        embedded("guests", "ada", "ada"),
        // Where one field ends and the next begins counts.
        embedded("staff", "ad", "aada"),
        federated("staff", "https://idp.example"),
        federated("staff", "https://other.example"),
        federated("guests", "https://idp.example"),
    ];
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    assert_eq!(embedded("staff", "ada", "ada"), all[0]);
    assert_eq!(all[0].as_str().len(), 22);
    // Whether the provider states a slash at the end of its identifier is known only once it has been asked.
    assert_eq!(federated("staff", "https://idp.example/"), federated("staff", "https://idp.example"));
}

/// Tokens carry it while binaries of two releases serve them.
#[test]
fn a_reference_is_the_same_in_every_release() {
    assert_eq!(embedded("staff", "ada", "ada").as_str(), "ToP0EqJgFgQsTrZcMWbj6w");
}
