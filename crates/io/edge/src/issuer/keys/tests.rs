use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::jose::sign::SigningKey;

use super::LocalKeys;

fn key(algorithm: Algorithm) -> (SigningKey, SigningKey) {
    let made = SigningKey::generate(algorithm).unwrap();
    let again = SigningKey::from_pkcs8_pem(algorithm, made.to_pkcs8_pem().unwrap().expose()).unwrap();
    (made, again)
}

#[test]
fn a_seal_holds_for_its_purpose_and_fields_alone() {
    let keys = LocalKeys::new(vec![key(Algorithm::Es256).0]);
    let mark = keys.seal("browser", &["ada", "1"]).unwrap();
    assert!(keys.is_sealed("browser", &["ada", "1"], &mark));
    for (purpose, fields) in
        [("other", vec!["ada", "1"]), ("browser", vec!["ada1", ""]), ("browser", vec!["ada"])]
    {
        assert!(!keys.is_sealed(purpose, &fields, &mark), "{purpose} {fields:?}");
    }
    let cut = mark.get(1..).unwrap();
    for forged in ["", "?", cut, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        assert!(!keys.is_sealed("browser", &["ada", "1"], forged), "{forged}");
    }
}

#[test]
fn a_seal_outlives_a_start_and_the_rotation_of_the_key() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
        let (made, again) = key(algorithm);
        let mark = LocalKeys::new(vec![made]).seal("browser", &["ada"]).unwrap();
        let next = LocalKeys::new(vec![key(Algorithm::Es256).0, again]);
        assert!(next.is_sealed("browser", &["ada"], &mark), "{algorithm:?}");
        assert_ne!(next.seal("browser", &["ada"]).unwrap(), mark);
        let without = LocalKeys::new(vec![key(Algorithm::Es256).0]);
        assert!(!without.is_sealed("browser", &["ada"], &mark), "{algorithm:?}");
    }
}
