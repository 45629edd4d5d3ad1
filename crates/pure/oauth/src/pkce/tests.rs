use super::*;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

#[test]
fn the_example_of_rfc_7636_appendix_b_opens() {
    let challenge = Challenge::parse(CHALLENGE, Some("S256")).unwrap();
    let verifier = Verifier::parse(VERIFIER).unwrap();
    assert!(challenge.is_met_by(&verifier));
    assert_eq!(verifier.challenge(), challenge);
    assert!(!challenge.is_met_by(&Verifier::parse(CHALLENGE).unwrap()));
}

#[test]
fn a6_plain_and_an_absent_method_are_refused() {
    for method in [None, Some("plain"), Some("s256"), Some("")] {
        assert_eq!(Challenge::parse(CHALLENGE, method), Err(PkceError::Method), "{method:?}");
    }
}

#[test]
fn a7_challenges_are_43_to_128_unreserved_characters() {
    for (text, ok) in
        [("a".repeat(42), false), ("a".repeat(43), true), ("~".repeat(128), true), ("a".repeat(129), false)]
    {
        assert_eq!(Challenge::parse(&text, Some("S256")).is_ok(), ok, "{} characters", text.len());
        assert_eq!(Verifier::parse(&text).is_ok(), ok);
    }
    for bad in ['+', '/', '=', ' ', '\0', 'é'] {
        assert!(Challenge::parse(&format!("{}{bad}", "a".repeat(50)), Some("S256")).is_err(), "{bad:?}");
    }
}
