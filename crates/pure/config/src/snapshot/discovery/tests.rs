use super::origins;

fn written(host: &str) -> Option<Vec<String>> {
    origins(host).map(|origins| origins.iter().map(url::Origin::ascii_serialization).collect())
}

#[test]
fn a_host_is_its_https_origin() {
    for (host, expected) in [
        ("keys.internal", ["https://keys.internal"].as_slice()),
        ("keys.internal:443", &["https://keys.internal"]),
        ("keys.internal:8443", &["https://keys.internal:8443"]),
        ("10.1.2.3:8443", &["https://10.1.2.3:8443"]),
        ("[fd00::1]:8443", &["https://[fd00::1]:8443"]),
        // Plain http is for hosts that are this machine.
        ("localhost:9000", &["https://localhost:9000", "http://localhost:9000"]),
        ("127.0.0.2:9000", &["https://127.0.0.2:9000", "http://127.0.0.2:9000"]),
    ] {
        assert_eq!(written(host), Some(expected.iter().map(|one| (*one).to_owned()).collect()), "{host}");
    }
}

#[test]
fn what_is_no_host_is_refused() {
    for host in [
        "",
        "https://keys.internal",
        "keys.internal/",
        "keys.internal/jwks",
        "*.internal",
        "Keys.Internal",
        "a b",
        "user@keys.internal",
        "keys.internal:",
        "keys.internal:x",
        "keys.internal:99999",
        "keys.internal?x",
        "10.1",
        "keys.internal#x",
        ".",
        "keys..internal:8443:1",
        "0x7f000001",
        "keys.internal\\x",
    ] {
        assert_eq!(written(host), None, "{host}");
    }
}
