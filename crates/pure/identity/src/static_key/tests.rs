use std::sync::Arc;

use super::{KeyError, KeyHash, KeyTable, StaticKey};
use crate::clock::Timestamp;
use crate::id::Issuer;
use crate::principal::CredentialState;

fn table() -> KeyTable {
    let key = |name: &str, value: &str, expires_at| StaticKey {
        name: name.into(),
        hash: KeyHash::of(value),
        groups: Arc::new(["team-a".into()]),
        expires_at,
    };
    KeyTable::new(
        Issuer::new("https://gw.example.com"),
        [key("open", "gwk_open", None), key("dated", "gwk_dated", Some(Timestamp::from_unix_seconds(100)))],
    )
}

#[test]
fn a_known_key_names_its_holder() {
    let principal = table().authenticate("gwk_open", Timestamp::from_unix_seconds(0)).unwrap();
    assert_eq!(principal.subject().as_str(), "open");
    assert_eq!(principal.groups(), ["team-a"]);
}

#[test]
fn unknown_prefix_of_and_expired_keys_are_refused() {
    let now = Timestamp::from_unix_seconds(100);
    for bad in ["", "gwk_", "gwk_ope", "gwk_open ", "GWK_OPEN"] {
        assert!(matches!(table().authenticate(bad, now), Err(KeyError::Unknown)), "{bad:?}");
    }
    let Err(KeyError::Expired(former)) = table().authenticate("gwk_dated", now) else {
        panic!("it has ended")
    };
    let was = former.attribution();
    assert_eq!(
        (was.subject().as_str(), &**was.groups(), was.credential_is()),
        ("dated", &["team-a".to_owned()][..], CredentialState::Expired)
    );
}

#[test]
fn hashes_survive_text() {
    let hash = KeyHash::of("gwk_x");
    assert_eq!(hash.to_string().parse::<KeyHash>().unwrap(), hash);
    for bad in ["", "sha256:", "sha256:zz", "md5:00"] {
        assert!(bad.parse::<KeyHash>().is_err());
    }
}
