use std::path::Path;

use serde_json::{Value, json};

use super::{Metadata, Rules};

const RULES: &str = r#"
    [bans]
    deny = [
        { crate = "h2:<0.4.16", reason = "empty frames" },
        { crate = "yaml:>=0.9, <1.2", reason = "aliases" },
        { crate = "abandoned", reason = "nobody looks after it" },
    ]
    [licenses]
    allow = ["MIT", "Apache-2.0", "Unicode-3.0"]
    [sources]
    unknown-registry = "deny"
    unknown-git = "deny"
"#;

fn package(name: &str, version: &str, changes: &Value) -> Value {
    let mut package = json!({
        "name": name,
        "version": version,
        "source": "registry+https://index.example",
        "license": "MIT OR Apache-2.0",
        "manifest_path": "/cache/x/Cargo.toml",
        "dependencies": [],
    });
    for (key, value) in changes.as_object().unwrap() {
        package[key] = value.clone();
    }
    package
}

fn problems(packages: &[Value]) -> Vec<String> {
    let metadata: Metadata = serde_json::from_value(json!({"packages": packages})).unwrap();
    Rules::parse(RULES).unwrap().check(&metadata, Path::new("/house"))
}

fn problem(name: &str, version: &str, changes: &Value) -> String {
    problems(&[package(name, version, changes)]).join("; ")
}

#[test]
fn a_version_below_its_floor_is_named_with_the_floor_and_the_reason() {
    assert_eq!(problem("h2", "0.4.15", &json!({})), "h2 0.4.15: wanted >=0.4.16: empty frames");
    assert_eq!(problem("h2", "0.3.27", &json!({})), "h2 0.3.27: wanted >=0.4.16: empty frames");
    assert_eq!(problem("h2", "0.4.15-rc.1", &json!({})), "h2 0.4.15-rc.1: wanted >=0.4.16: empty frames");
    for version in ["0.4.16", "0.4.20+build", "1.0.0"] {
        assert_eq!(problem("h2", version, &json!({})), "", "{version}");
    }
    assert_eq!(problem("h2-support", "0.1.0", &json!({})), "");
}

#[test]
fn a_prerelease_of_a_floor_is_below_it() {
    for version in ["0.4.16-rc.1", "0.4.16-0", "0.4.16-rc.1+build", "0.4.0-alpha"] {
        assert_eq!(
            problem("h2", version, &json!({})),
            format!("h2 {version}: wanted >=0.4.16: empty frames")
        );
    }
    assert_eq!(problem("h2", "0.4.17-rc.1", &json!({})), "");
    assert_eq!(
        problem("yaml", "1.2.0-beta", &json!({})),
        "yaml 1.2.0-beta: wanted none of >=0.9, <1.2: aliases"
    );
    assert_eq!(
        problem("yaml", "0.9.0-beta", &json!({})),
        "yaml 0.9.0-beta: wanted none of >=0.9, <1.2: aliases"
    );
    assert_eq!(problem("yaml", "1.3.0-beta", &json!({})), "");
    assert!(
        problem("abandoned", "7.0.0-beta", &json!({})).starts_with("abandoned 7.0.0-beta: wanted no version")
    );
}

#[test]
fn every_version_of_a_crate_is_looked_at() {
    let found = problems(&[package("h2", "0.4.20", &json!({})), package("h2", "0.3.1", &json!({}))]);
    assert_eq!(found, ["h2 0.3.1: wanted >=0.4.16: empty frames"]);
}

#[test]
fn ranges_and_whole_crates_are_denied() {
    assert_eq!(problem("yaml", "1.1.9", &json!({})), "yaml 1.1.9: wanted none of >=0.9, <1.2: aliases");
    assert_eq!(problem("yaml", "1.2.0", &json!({})), "");
    assert_eq!(
        problem("abandoned", "7.0.0", &json!({})),
        "abandoned 7.0.0: wanted no version of it: nobody looks after it"
    );
}

#[test]
fn licences_are_judged_as_expressions() {
    for allowed in ["MIT", "MIT/GPL-3.0", "(MIT OR Apache-2.0) AND Unicode-3.0", "GPL-3.0-only OR MIT"] {
        assert_eq!(problem("x", "1.0.0", &json!({"license": allowed})), "", "{allowed}");
    }
    for refused in
        ["GPL-3.0-only", "MIT AND GPL-3.0-only", "Apache-2.0 WITH LLVM-exception", "mine, all mine"]
    {
        let found = problem("x", "1.0.0", &json!({"license": refused}));
        assert!(found.starts_with(&format!("x 1.0.0: its licence `{refused}`")), "{found}");
    }
    assert_eq!(problem("x", "1.0.0", &json!({"license": null})), "x 1.0.0: it names no licence");
}

#[test]
fn sources_are_this_workspace_and_the_standard_registry() {
    let own = json!({"source": null, "manifest_path": "/house/crates/x/Cargo.toml"});
    assert_eq!(problem("x", "1.0.0", &own), "");
    let elsewhere = json!({"source": null, "manifest_path": "/elsewhere/x/Cargo.toml"});
    assert_eq!(
        problem("x", "1.0.0", &elsewhere),
        "x 1.0.0: /elsewhere/x/Cargo.toml is not in this workspace"
    );
    for source in ["git+https://forge.example/x?rev=1#1", "sparse+https://index.example/"] {
        let found = problem("x", "1.0.0", &json!({"source": source}));
        assert_eq!(found, format!("x 1.0.0: it comes from `{source}`, not from the standard registry"));
    }
    let dependencies = json!([{"name": "y", "kind": null, "registry": "https://other.example"}]);
    let found = problem("x", "1.0.0", &json!({"dependencies": dependencies}));
    assert_eq!(found, "x 1.0.0: `y` is from another registry");
}

#[test]
fn all_packages_of_registries_are_of_the_same() {
    let other = json!({"source": "registry+https://mirror.example"});
    let found = problems(&[package("x", "1.0.0", &json!({})), package("y", "1.0.0", &other)]);
    assert_eq!(
        found,
        ["packages come from 2 registries, expected one: `registry+https://index.example`, \
          `registry+https://mirror.example`"]
    );
    assert!(problems(&[package("x", "1.0.0", &json!({})), package("y", "1.0.0", &json!({}))]).is_empty());
}

#[test]
fn files_that_redirect_packages_are_refused() {
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir(place.path().join(".cargo")).unwrap();
    let found = |file: &str, text: &str| {
        std::fs::write(place.path().join(file), text).unwrap();
        let metadata: Metadata = serde_json::from_value(json!({"packages": []})).unwrap();
        let found = Rules::parse(RULES).unwrap().check(&metadata, place.path());
        std::fs::remove_file(place.path().join(file)).unwrap();
        found
    };
    for (file, table, text) in [
        ("Cargo.toml", "patch", "[patch.some-registry]\nx = { path = \"x\" }"),
        ("Cargo.toml", "replace", "[replace]\n\"x:1.0.0\" = { path = \"x\" }"),
        (".cargo/config.toml", "patch", "[patch.some-registry]\nx = { path = \"x\" }"),
        (".cargo/config.toml", "source", "[source.some-registry]\nreplace-with = \"mirror\""),
        (
            ".cargo/config.toml",
            "registries",
            "[registries.mirror]\nindex = \"sparse+https://mirror.example/\"",
        ),
        (".cargo/config.toml", "registry", "[registry]\ndefault = \"mirror\""),
        (".cargo/config.toml", "paths", "paths = [\"/elsewhere/x\"]"),
        (".cargo/config.toml", "include", "include = [\"more.toml\"]"),
        (".cargo/config", "source", "[source.some-registry]\nreplace-with = \"mirror\""),
    ] {
        let expected =
            format!("{file}: `{table}` can put other packages in the place of those that are named");
        assert_eq!(found(file, text), [expected]);
    }
    assert!(found("Cargo.toml", "[workspace]\nmembers = []").is_empty());
    assert!(found(".cargo/config.toml", "[alias]\nxtask = \"run\"").is_empty());
    assert!(found(".cargo/config.toml", "[alias")[0].starts_with(".cargo/config.toml: "));
}

#[test]
fn a_rule_that_is_not_checked_here_is_refused() {
    for (from, to) in [
        ("[licenses]", "multiple-versions = \"deny\"\n[licenses]"),
        ("[sources]", "[advisories]\nyanked = \"deny\"\n[sources]"),
        ("unknown-git = \"deny\"", "unknown-git = \"allow\""),
        (", reason = \"empty frames\"", ""),
        ("h2:<0.4.16", "h2:<zero"),
        ("\"MIT\", ", "\"MTI\", "),
    ] {
        assert!(RULES.contains(from), "{from}");
        let refusal = Rules::parse(&RULES.replacen(from, to, 1)).err();
        assert!(refusal.is_some_and(|text| text.starts_with("deny.toml: ")), "{to}");
    }
}

#[test]
fn the_rules_of_this_repository_can_be_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let rules = Rules::read(root).unwrap();
    assert!(rules.bans.deny.iter().any(|ban| ban.spec.name == "h2" && ban.spec.wanted() == ">=0.4.16"));
}
