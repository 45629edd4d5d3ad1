use super::FingerprintKey;

#[test]
fn matches_hmac_sha256() {
    // RFC 4231 has no 32-byte key; this value was computed with `openssl dgst -sha256 -mac HMAC`.
    let key = FingerprintKey::new(&[0x0b; 32]);
    assert_eq!(key.fingerprint(b"Hi There").to_string(), EXPECTED);
}

#[test]
fn depends_on_the_key_and_the_value() {
    let (one, two) = (FingerprintKey::new(&[1; 32]), FingerprintKey::new(&[2; 32]));
    assert_ne!(one.fingerprint(b"x"), two.fingerprint(b"x"));
    assert_ne!(one.fingerprint(b"x"), one.fingerprint(b"y"));
    assert_eq!(one.fingerprint(b"x"), one.fingerprint(b"x"));
}

const EXPECTED: &str = "hmac:198a607eb44bfbc69903a0f1cf2bbdc5";
