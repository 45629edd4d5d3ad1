use std::process::{Command, Stdio};

use argon2::Argon2;
use argon2::password_hash::PasswordVerifier as _;
use argon2::password_hash::phc::PasswordHash;
use gatehouse_identity::static_key::KeyHash;
use gatehouse_testkit::process::wait_for;

use super::gatehouse;

#[test]
fn a_hashed_password_is_argon2id_and_verifies() {
    let here = tempfile::tempdir().unwrap();
    let hash = gatehouse(here.path(), &["hash-password"], "correct horse\n").ok();
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    let hash = PasswordHash::new(hash.trim_end()).unwrap();
    assert!(Argon2::default().verify_password(b"correct horse", &hash).is_ok());
    assert!(Argon2::default().verify_password(b"correct horse\n", &hash).is_err());
}

#[test]
fn a_short_password_is_not_hashed() {
    let here = tempfile::tempdir().unwrap();
    for short in ["abc", "1234567", "äöüäöüä"] {
        let err = gatehouse(here.path(), &["hash-password"], short).failed(1);
        assert!(err.contains("at least 8 characters") && !err.contains(short), "{err}");
    }
    gatehouse(here.path(), &["hash-password"], "äöüäöüäö\n").ok();
}

#[test]
fn two_hashes_of_one_password_differ() {
    let here = tempfile::tempdir().unwrap();
    let hash = || gatehouse(here.path(), &["hash-password"], "correct horse").ok();
    assert_ne!(hash(), hash());
}

#[test]
fn a_new_key_comes_with_the_hash_of_it() {
    let here = tempfile::tempdir().unwrap();
    let out = gatehouse(here.path(), &["new-key"], "").ok();
    let (key, hash) = out.trim_end().split_once('\n').unwrap();
    let key = key.strip_prefix("key:  ").unwrap();
    let hash = hash.strip_prefix("hash: ").unwrap();
    assert!(key.starts_with("gwk_") && key.len() > 40, "{key}");
    assert_eq!(hash, KeyHash::of(key).to_string());
    assert_eq!(gatehouse(here.path(), &["hash-key"], key).ok().trim_end(), hash);
}

#[test]
fn nothing_on_standard_input_is_not_a_secret() {
    let here = tempfile::tempdir().unwrap();
    for command in ["hash-password", "hash-key"] {
        let err = gatehouse(here.path(), &[command], "\n").failed(1);
        assert!(err.contains("on standard input, found nothing"), "{err}");
    }
}

/// A core dump, or another process of the same user, would hand out what is in memory.
#[test]
fn no_command_leaves_a_core_dump() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_gatehouse"))
        .arg("hash-key")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let limits = format!("/proc/{}/limits", child.id());
    let capped = wait_for(|| {
        let limits = std::fs::read_to_string(&limits).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        let values: Vec<_> = line.split_whitespace().skip(4).take(2).collect();
        (values == ["0", "0"]).then_some(())
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(capped.is_some());
}
