use serde_json::Value;

use super::{gatehouse, write};

const NETWORK: &str = r#"package orchestrator

default result := {"allowed": false, "internal_message": "outside", "external_message": "Use the office network."}

result := {"allowed": true} if net.cidr_contains("10.0.0.0/8", input.source.ip)
"#;

const TESTS: &str = r#"package orchestrator

test_inside if result.allowed with input as {"source": {"ip": "10.1.2.3"}}

test_outside if not result.allowed with input as {"source": {"ip": "11.1.2.3"}}
"#;

fn decision(out: &str) -> Value {
    serde_json::from_str(out).unwrap()
}

#[test]
fn a_decision_is_printed_as_json_and_a_denial_is_one() {
    let here = tempfile::tempdir().unwrap();
    write(here.path(), "network.rego", NETWORK);
    write(here.path(), "inside.json", r#"{"source": {"ip": "10.255.255.255"}}"#);
    let arguments = ["policy", "eval", "--policy", "network.rego", "--input"];
    let allowed = gatehouse(here.path(), &[&arguments[..], &["inside.json"]].concat(), "").ok();
    assert_eq!(decision(&allowed)["allowed"], true);
    let denied =
        gatehouse(here.path(), &[&arguments[..], &["-"]].concat(), r#"{"source": {"ip": "11.0.0.0"}}"#).ok();
    let denied = decision(&denied);
    assert_eq!(denied["allowed"], false);
    assert_eq!(denied["reason"], "policy_denied");
    assert_eq!(denied["internal_message"], "outside");
    assert_eq!(denied["external_message"], "Use the office network.");
}

#[test]
fn the_version_of_rego_can_be_pinned() {
    let here = tempfile::tempdir().unwrap();
    write(here.path(), "old.rego", "package orchestrator\n\nresult = {\"allowed\": true} {\n  input.ok\n}\n");
    let eval = |version: &str| {
        let arguments = ["policy", "eval", "--policy", "old.rego", "--rego-version", version];
        gatehouse(here.path(), &arguments, r#"{"ok": true}"#)
    };
    for version in ["auto", "v0"] {
        assert_eq!(decision(&eval(version).ok())["allowed"], true, "{version}");
    }
    let err = eval("v1").failed(1);
    assert!(err.contains("old.rego:3:"), "{err}");
}

#[test]
fn the_policies_of_a_configuration_decide_at_their_point() {
    let here = tempfile::tempdir().unwrap();
    gatehouse(here.path(), &["init"], "").ok();
    let path = here.path().join("gatehouse.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let point = "  authorization:\n    inbound: { opa: { name: net, file: network.rego } }\n    keys:";
    let minting = "    allowedHosts: [claude.ai, claude.com]\n    authorization: { tokenMinting: { accessToken: { policies: [{ name: net, file: network.rego }] } } }";
    let text = text.replace("    allowedHosts: [claude.ai, claude.com]", minting);
    std::fs::write(&path, text.replace("  authorization:\n    keys:", point)).unwrap();
    write(here.path(), "network.rego", NETWORK);
    let eval = |point: &str| {
        gatehouse(here.path(), &["policy", "eval", "--point", point], r#"{"source": {"ip": "9.9.9.9"}}"#)
    };
    let denied = decision(&eval("model-call").ok());
    assert_eq!((&denied["allowed"], &denied["policy"]), (&false.into(), &"net".into()));
    // Nothing is configured there.
    let allowed = decision(&eval("access-token:claude-code").ok());
    assert_eq!((&allowed["allowed"], &allowed["policy"]), (&true.into(), &Value::Null));
    let documents = "access-token:https://claude.ai/oauth/claude-code-client-metadata";
    assert_eq!(decision(&eval(documents).ok())["allowed"], false);
    assert!(eval("id-token:somebody").failed(1).contains("registers no client `somebody`"));
    assert!(eval("tool-call:nobody").failed(1).contains("nobody"));
    assert!(eval("model-call:x").failed(2).contains("expected tool-call:APP"));
}

#[test]
fn input_that_is_not_json_is_an_error() {
    let here = tempfile::tempdir().unwrap();
    write(here.path(), "network.rego", NETWORK);
    let err = gatehouse(here.path(), &["policy", "eval", "--policy", "network.rego"], "{").failed(1);
    assert!(err.contains("standard input: expected the input as JSON"), "{err}");
}

#[test]
fn tests_pass_and_fail_with_a_line_each() {
    let here = tempfile::tempdir().unwrap();
    write(here.path(), "network.rego", NETWORK);
    write(here.path(), "network_test.rego", TESTS);
    for argument in [".", "network.rego", "network_test.rego"] {
        let out = gatehouse(here.path(), &["policy", "test", argument], "").ok();
        assert_eq!(out.lines().count(), 4, "{argument}: {out}");
        assert!(out.contains("tests depend on 1 of 1 rules with conditions\n"), "{argument}: {out}");
        assert!(out.ends_with("2 passed, 0 failed\n"), "{argument}: {out}");
    }
    write(here.path(), "network.rego", &NETWORK.replace("10.0.0.0/8", "11.0.0.0/8"));
    let ran = gatehouse(here.path(), &["policy", "test", "."], "");
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("network_test.rego:3:1: data.orchestrator.test_inside: FAILED"), "{}", ran.out);
    assert!(ran.out.ends_with("0 passed, 2 failed\n"), "{}", ran.out);
}

/// A rule that asks for what is never there decides nothing, and its tests say so.
#[test]
fn rules_that_no_test_depends_on_are_named() {
    let here = tempfile::tempdir().unwrap();
    let misspelt = format!("{NETWORK}\nresult := {{\"allowed\": true}} if input.client.idd == \"batch\"\n");
    write(here.path(), "network.rego", &misspelt);
    write(here.path(), "network_test.rego", TESTS);
    let out = gatehouse(here.path(), &["policy", "test", "."], "").ok();
    assert!(out.contains("network.rego:7:1: result: no test depends on this rule\n"), "{out}");
    assert!(out.contains("tests depend on 1 of 2 rules with conditions\n2 passed, 0 failed\n"), "{out}");
}

#[test]
fn nothing_to_test_is_not_success() {
    let here = tempfile::tempdir().unwrap();
    write(here.path(), "network.rego", NETWORK);
    for argument in [".", "network.rego", "absent.rego"] {
        gatehouse(here.path(), &["policy", "test", argument], "").failed(1);
    }
}

#[test]
fn the_policies_that_are_shipped_pass_their_tests() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let out = gatehouse(&root, &["policy", "test", "policies"], "").ok();
    assert!(out.ends_with(" 0 failed\n"), "{out}");
}

#[test]
fn what_is_to_decide_has_to_be_said_once() {
    let here = tempfile::tempdir().unwrap();
    let err = gatehouse(here.path(), &["policy", "eval"], "{}").failed(2);
    assert!(err.contains("--policy <FILE>") && err.contains("--point <POINT>"), "{err}");
    let both = ["policy", "eval", "--policy", "a.rego", "--point", "model-call"];
    gatehouse(here.path(), &both, "{}").failed(2);
}
