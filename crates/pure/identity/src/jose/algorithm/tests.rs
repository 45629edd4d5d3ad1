use super::Algorithm;

#[test]
fn names_survive_text_and_json() {
    for algorithm in Algorithm::ALL {
        assert_eq!(Algorithm::parse(algorithm.as_str()), Some(algorithm));
        assert_eq!(serde_json::to_value(algorithm).unwrap(), algorithm.as_str());
    }
}

#[test]
fn nothing_else_is_an_algorithm() {
    for bad in ["", "none", "None", "HS256", "es256", "RS256 ", "RS384", "ES256K", "EDDSA", "RSA256"] {
        assert_eq!(Algorithm::parse(bad), None, "{bad:?}");
    }
}
