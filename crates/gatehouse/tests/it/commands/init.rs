use std::os::unix::fs::PermissionsExt as _;

use super::{gatehouse, write};

#[test]
fn what_init_writes_passes_check() {
    let here = tempfile::tempdir().unwrap();
    let out = gatehouse(here.path(), &["init"], "").ok();
    let path = here.path().join("gatehouse.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let after =
        |label: &str| out.lines().find_map(|line| line.strip_prefix(label)).unwrap().trim().to_owned();
    let (username, password) = {
        let printed = after("sign-in:");
        let (username, password) = printed.split_once(" / ").unwrap();
        (username.to_owned(), password.to_owned())
    };
    assert_eq!(username, "admin");
    assert!(!text.contains(&password), "the password is in the file");
    let key = after("API key:");
    assert!(key.starts_with("gwk_") && !text.contains(&key), "the key is in the file");
    let hash = gatehouse(here.path(), &["hash-key"], &key).ok();
    assert!(text.contains(hash.trim_end()), "the printed key is not the one of the file");
    let checked = gatehouse(here.path(), &["check"], "").ok();
    assert!(checked.starts_with("gatehouse.yaml: ok, revision sha256:"), "{checked}");
}

/// Without models there is no key to ask for: the file loads in an empty environment.
#[test]
fn tools_alone_need_no_key_of_a_provider() {
    let here = tempfile::tempdir().unwrap();
    let out = gatehouse(here.path(), &["init", "--without-models"], "").ok();
    assert!(!out.contains("API key") && !out.contains("ANTHROPIC"), "{out}");
    let text = std::fs::read_to_string(here.path().join("gatehouse.yaml")).unwrap();
    assert!(!text.contains("ANTHROPIC") && !text.contains("llmProvider"), "{text}");
    let checked = gatehouse(here.path(), &["check"], "").ok();
    assert!(checked.starts_with("gatehouse.yaml: ok, revision sha256:"), "{checked}");
}

#[test]
fn a_file_that_exists_is_left_alone() {
    let here = tempfile::tempdir().unwrap();
    write(here.path(), "mine.yaml", "version: 1");
    let err = gatehouse(here.path(), &["--config", "mine.yaml", "init"], "").failed(1);
    assert!(err.contains("mine.yaml exists and is not overwritten"), "{err}");
    assert_eq!(std::fs::read_to_string(here.path().join("mine.yaml")).unwrap(), "version: 1");
}

#[test]
fn two_runs_share_no_secret() {
    let text = || {
        let here = tempfile::tempdir().unwrap();
        gatehouse(here.path(), &["init"], "").ok()
    };
    let (one, other) = (text(), text());
    let secrets = |text: &str| -> Vec<String> {
        text.lines()
            .filter(|line| line.starts_with("sign-in") || line.starts_with("API key"))
            .map(str::to_owned)
            .collect()
    };
    let shared: Vec<_> = secrets(&one).into_iter().filter(|line| secrets(&other).contains(line)).collect();
    assert_eq!((secrets(&one).len(), shared), (2, Vec::new()));
}

#[test]
fn an_address_that_would_not_run_makes_no_file() {
    for url in
        ["http://gw.example.com", "ftp://gw.example.com", "gw.example.com", "https://gw.example.com\"\nx: y"]
    {
        let here = tempfile::tempdir().unwrap();
        let ran = gatehouse(here.path(), &["init", "--public-url", url], "");
        assert_eq!(ran.code, 2, "{url}");
        assert!(ran.err.contains("'--public-url <URL>'") && ran.out.is_empty(), "{url}: {}", ran.err);
        assert!(!ran.err.contains("gatehouse.yaml"), "{url}: {}", ran.err);
        assert!(!here.path().join("gatehouse.yaml").exists(), "{url}");
    }
}

#[test]
fn a_name_that_would_not_run_is_told_of_its_flag() {
    let here = tempfile::tempdir().unwrap();
    let err = gatehouse(here.path(), &["init", "--username", "idp|ada"], "").failed(1);
    assert!(
        err.starts_with("gatehouse: --username \"idp|ada\": ") && !err.contains("gatehouse.yaml"),
        "{err}"
    );
    assert!(!here.path().join("gatehouse.yaml").exists());
}
