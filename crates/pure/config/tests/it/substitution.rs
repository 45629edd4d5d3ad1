//! Environment values and secrets stay texts, whatever they contain.

use gatehouse_config::document::Document;
use gatehouse_config::load::load;
use gatehouse_config::source::Source;
use gatehouse_config::source::environment::Environment;
use gatehouse_config::source::loader::MemoryLoader;

use crate::fixture::{AUTH_PROVIDER, CLAUDE, GATEWAY, WHOLE, environment, loader, printed};

fn problems(text: &str, variables: &[(&str, &str)], secrets: &str) -> String {
    let environment: Environment = variables.iter().copied().collect();
    let loader = MemoryLoader::empty().with("/s.yaml", secrets);
    match Document::read(&Source::new("gatehouse.yaml", text), &environment, &loader) {
        Ok(_) => String::new(),
        Err(problems) => printed(&problems),
    }
}

#[test]
fn a_value_of_the_environment_cannot_become_structure() {
    let text = "http:\n  address: \"{{ env.ADDRESS }}\"\n";
    assert_eq!(problems(text, &[("ADDRESS", "127.0.0.1:1")], ""), "");
    let injected = problems(text, &[("ADDRESS", "127.0.0.1:1\nadmin:\n  address: 0.0.0.0:1")], "");
    assert!(injected.starts_with("gatehouse.yaml:2:12: http.address: expected an address"), "{injected}");
    assert!(injected.contains("found a substituted text"), "the value is not repeated: {injected}");
}

#[test]
fn a_value_of_the_environment_has_no_type_but_text() {
    let found = problems("mcpProvider:\n  enabled: \"{{ env.ON }}\"\n", &[("ON", "true")], "");
    assert_eq!(
        found,
        "gatehouse.yaml:2:12: mcpProvider.enabled: expected `true` or `false`, found a substituted text\n"
    );
}

#[test]
fn a_substituted_value_is_not_substituted_again() {
    let text = "audit:\n  node: \"{{ env.A }}-{{ env.B }}\"\nsecretProvider: secretfile:///s.yaml\n";
    assert_eq!(problems(text, &[("A", "<x.y>"), ("B", "{{ env.C }}")], "secrets: { x.y: hidden }"), "");
}

#[test]
fn what_cannot_be_resolved_is_named_and_located() {
    let found = problems("audit:\n  node: \"{{ env.NODE_NAM }}\"\n", &[("NODE_NAME", "a")], "");
    assert_eq!(
        found,
        "gatehouse.yaml:2:9: audit.node: the environment has no `NODE_NAM` (did you mean `NODE_NAME`?)\n"
    );
    let found = problems(
        "audit:\n  node: <vault.node>\nsecretProvider: secretfile:///s.yaml\n",
        &[],
        "secrets: { vault: { nodes: a } }",
    );
    assert_eq!(
        found,
        "gatehouse.yaml:2:9: audit.node: no secret is named `vault.node` (did you mean `vault.nodes`?)\n"
    );
    let found = problems("audit: { node: {{ env.NODE }} }\n", &[("NODE", "a")], "");
    assert!(found.contains("a key must be text (put the value in quotes"), "{found}");
    let found = problems("secretProvider: hashivault://vault\n", &[], "");
    assert!(found.starts_with("gatehouse.yaml:1:17: secretProvider: only `secretfile:///"), "{found}");
    let found = problems("secretProvider: secretfile:///absent.yaml\n", &[], "");
    assert!(found.contains("no such file: `/absent.yaml`"), "{found}");
    let found = problems("secretProvider: secretfile:///s.yaml\n", &[], "secrets: [a]");
    assert!(found.starts_with("/s.yaml:1:10: secrets: a secret file holds"), "{found}");
}

#[test]
fn policies_are_not_touched() {
    let text = "llmProvider:\n  authorization:\n    inbound:\n      opa:\n        name: p\n        rego: |\n          # {{ env.NOT_THERE }}\n          package orchestrator\n          default result := {\"allowed\": true}\n";
    assert_eq!(problems(text, &[], ""), "");
}

#[test]
fn what_is_missing_hides_nothing_else_and_is_blamed_for_nothing_else() {
    let without_variables = |text: &str| {
        let found = load(&Source::new("gatehouse.yaml", text), &Environment::empty(), &loader());
        printed(&found.err().unwrap_or_default())
    };
    for text in [WHOLE, CLAUDE, GATEWAY, AUTH_PROVIDER] {
        let found = without_variables(text);
        let only_missing = found.lines().all(|line| line.contains("the environment has no `"));
        assert!(only_missing, "{found}");
        assert_eq!(found.is_empty(), !text.contains("{{ env."), "{found}");
    }
    let wrong = WHOLE.replacen("idps: [", "idps: [nobody, ", 1);
    assert_ne!(wrong, WHOLE);
    let found = without_variables(&wrong);
    assert!(
        found.contains("the environment has no `ANTHROPIC_KEY`") && found.contains("`nobody`"),
        "{found}"
    );
}

/// The warnings of a whole configuration, one part of which is written otherwise.
fn warned(from: &str, to: &str, secrets: &str) -> String {
    assert!(WHOLE.contains(from), "the fixture has no {from:?}");
    let text = WHOLE.replacen(from, to, 1);
    let loader = loader().with("/s.yaml", secrets);
    let found = load(&Source::new("gatehouse.yaml", text), &environment(), &loader);
    printed(&found.unwrap_or_else(|problems| panic!("{}", printed(&problems))).warnings)
}

#[test]
fn references_as_other_programs_write_them_are_warned_of() {
    const BATCH: &str = "\"{{ env.BATCH_SECRET }}\"";
    assert_eq!(warned(BATCH, BATCH, ""), "");
    for secret in [
        "\"${BATCH_SECRET_OF_ALL}\"",
        "$BATCH_SECRET_OF_ALL",
        "\"%BATCH_SECRET_OF_ALL%\"",
        "\"{{ BATCH_SECRET_OF_ALL }}\"",
    ] {
        let found = warned(BATCH, secret, "");
        let expected = "credentials.secrets[0]: a reference to `BATCH_SECRET_OF_ALL` as other programs write it is \
                        taken literally here (write \"{{ env.BATCH_SECRET_OF_ALL }}\")\n";
        assert!(found.contains(expected), "{secret}: {found}");
    }
    // Not only secrets are written so.
    let key = warned(
        "header: X-Key, value: \"{{ env.EMPLOYEES_KEY }}\"",
        "header: X-Key, value: \"Key ${EMPLOYEES_KEY}\"",
        "",
    );
    assert!(key.contains("static.value: a reference to `EMPLOYEES_KEY`"), "{key}");
    // A secret of the provider is meant as it is, unless it is no secret.
    let provider = |secret: &str| {
        let text = "secretProvider: secretfile:///s.yaml\nstore:";
        warned("store:", text, &format!("secrets: {{ vault: {{ batch: {secret} }} }}"))
    };
    assert_eq!(provider("nY7cQ3kX9mB5dJ2e"), "");
    let file = provider("\"{{ env.BATCH_SECRET }}\"");
    assert!(file.starts_with("/s.yaml:1:28: secrets.vault.batch: a reference to `BATCH_SECRET`"), "{file}");
}
