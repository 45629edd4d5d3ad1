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

#[test]
fn half_hashes_as_in_the_examples_of_openid_connect() {
    // OpenID Connect Core, appendices A.3 and A.4: an RS256 ID token beside these values.
    assert_eq!(
        Algorithm::Rs256.half_hash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"),
        "77QmUPtjPfzWtF2AnpK9RQ"
    );
    assert_eq!(
        Algorithm::Rs256.half_hash("Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk"),
        "LDktKdoQak3Pk0cnXxCltA"
    );
    assert_eq!(Algorithm::EdDsa.half_hash("x").len(), 43, "half of 64 bytes");
}
