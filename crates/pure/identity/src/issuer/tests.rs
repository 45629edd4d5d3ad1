use super::*;

#[test]
fn one_metadata_url_belongs_to_two_spellings() {
    for base in ["https://tenant.example", "https://tenant.example/"] {
        let expected = ExpectedIssuer::derived_from(base);
        assert_eq!(expected.as_configured().as_str(), "https://tenant.example");
        for stated in ["https://tenant.example", "https://tenant.example/"] {
            assert!(expected.accepts(stated), "{stated}");
        }
        let others = [
            "",
            "/",
            "https://tenant.example//",
            "https://tenant.example/x",
            "https://tenant.example.evil.example",
            "https://TENANT.example",
            "http://tenant.example",
        ];
        for other in others {
            assert!(!expected.accepts(other), "{other}");
        }
    }
}

#[test]
fn a_written_issuer_has_one_spelling() {
    let expected = ExpectedIssuer::Exactly(Issuer::new("https://sts.example/t/"));
    assert!(expected.accepts("https://sts.example/t/"));
    assert!(!expected.accepts("https://sts.example/t") && !expected.accepts("https://sts.example/t//"));
}
