use gatehouse_config::document::Document;
use gatehouse_config::snapshot::{Snapshot, compile};
use gatehouse_config::source::Source;
use gatehouse_config::source::environment::Environment;

use crate::fixture::{WHOLE, loader, printed};

/// An Ed25519 key in PKCS#8.
const BODY: &str = "MC4CAQAwBQYDK2VwBCIEIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH";

fn pem(body: &str) -> String {
    format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
}

/// What a whole file means whose `audit.checkpoints` says `written`, where a credential of systemd and the environment
/// hold the key; or its problems.
fn load(written: &str) -> Result<Snapshot, String> {
    let text = WHOLE.replacen("audit:\n", &format!("audit:\n  checkpoints: {written}\n"), 1);
    let pem = pem(BODY);
    let variables = [
        ("CREDENTIALS_DIRECTORY", "/run/credentials/gatehouse.service"),
        ("AUDIT_KEY", BODY),
        ("AUDIT_PEM", pem.as_str()),
        ("IDP_SECRET", "wHf2rT0pZ8sV4qL1"),
        ("BATCH_SECRET", "nY7cQ3kX9mB5dJ2e"),
        ("EMPLOYEES_KEY", "tR6vW1zA8gF4hS0u"),
        ("ANTHROPIC_KEY", "sk-ant-nothing-real-but-long"),
        ("DATABASE_URL", "postgres://gatehouse@db/gatehouse"),
    ];
    let environment: Environment = variables.into_iter().collect();
    let loader = loader()
        .with("/run/credentials/gatehouse.service/audit-key", pem.as_str())
        .with("audit-key.pem", pem.as_str())
        .with("root.pem", include_str!("../fixtures/root.pem"));
    let document = Document::read(&Source::new("gatehouse.yaml", text), &environment, &loader);
    document.and_then(|document| compile(document, &loader)).map_err(|problems| printed(&problems))
}

#[test]
fn the_key_of_checkpoints_comes_from_a_file_the_environment_or_a_credential() {
    let kid = |written: &str| -> String {
        let snapshot = load(written).unwrap_or_else(|problems| panic!("{written}: {problems}"));
        snapshot.audit.checkpoints.key.unwrap().kid().to_owned()
    };
    let expected = kid("{ key: \"file://audit-key.pem\" }");
    for written in [
        "{ key: \"file://{{ env.CREDENTIALS_DIRECTORY }}/audit-key\" }",
        "{ key: \"{{ env.AUDIT_KEY }}\" }",
        "{ key: \"{{ env.AUDIT_PEM }}\" }",
    ] {
        assert_eq!(kid(written), expected, "{written}");
    }
}

#[test]
fn checkpoints_come_every_minute_and_every_thousand_records() {
    let found = load("{}").unwrap_or_else(|problems| panic!("{problems}")).audit;
    assert!(found.checkpoints.key.is_none());
    assert_eq!((found.checkpoints.every.as_secs(), found.checkpoints.every_records), (60, 1_000));
    assert_eq!((found.refusals.per_network, found.refusals.in_all), (5, 100));
}

#[test]
fn what_is_no_key_is_refused_without_being_shown() {
    for (written, expected) in [
        ("{ key: \"file://absent.pem\" }", "no such file"),
        ("{ key: \"file://root.pem\" }", "expected a PEM private key"),
        ("{ key: \"MC4CAQAwBQYDK2VwBCIEIAcH\" }", "EdDSA Ed25519"),
        ("{ everySeconds: 0 }", "everySeconds"),
        ("{ everyRecords: 0 }", "expected at least one record"),
        ("{ everyMinute: 1 }", "everyMinute"),
    ] {
        let problems = load(written).err().unwrap_or_else(|| panic!("{written} was taken"));
        assert!(problems.contains("audit.checkpoints"), "{written}: {problems}");
        assert!(problems.contains(expected) && !problems.contains("MC4CAQAw"), "{written}: {problems}");
    }
}
