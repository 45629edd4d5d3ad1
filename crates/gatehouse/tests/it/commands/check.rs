use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{gatehouse, write};

const ALLOW: &str = "package orchestrator\n\nresult := {\"allowed\": true}\n";

/// A complete configuration, as `init` writes it, with one policy by file.
fn complete(folder: &Path) -> String {
    gatehouse(folder, &["init"], "").ok();
    let path = folder.join("gatehouse.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    text.replace(
        "  authorization:\n    keys:",
        "  authorization:\n    inbound:\n      opa:\n        name: models\n        file: models.rego\n    keys:",
    )
}

#[test]
fn a_missing_file_is_refused_with_what_to_do() {
    let here = tempfile::tempdir().unwrap();
    let err = gatehouse(here.path(), &["check"], "").failed(78);
    assert!(err.contains("gatehouse init"), "{err}");
}

#[test]
fn tests_beside_a_policy_are_run() {
    let here = tempfile::tempdir().unwrap();
    write(here.path(), "gatehouse.yaml", &complete(here.path()));
    write(here.path(), "models.rego", ALLOW);
    let tests = |expected: &str| {
        format!("package orchestrator\n\ntest_answer if {{\n  result.allowed == {expected}\n}}\n")
    };
    write(here.path(), "models_test.rego", &tests("true"));
    assert!(gatehouse(here.path(), &["check"], "").ok().contains("ok, revision"));
    write(here.path(), "models_test.rego", &tests("false"));
    let ran = gatehouse(here.path(), &["check"], "");
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.out.contains("models_test.rego:3:1: data.orchestrator.test_answer: FAILED"), "{}", ran.out);
    assert!(ran.err.contains("0 passed, 1 failed"), "{}", ran.err);
}

#[test]
fn the_revision_covers_the_policy() {
    let here = tempfile::tempdir().unwrap();
    write(here.path(), "gatehouse.yaml", &complete(here.path()));
    let revision = |policy: &str| {
        write(here.path(), "models.rego", policy);
        gatehouse(here.path(), &["check"], "").ok()
    };
    assert_ne!(revision(ALLOW), revision(&format!("{ALLOW}# changed\n")));
    assert_eq!(revision(ALLOW), revision(ALLOW));
}

#[test]
fn a_policy_that_does_not_compile_is_located_in_its_file() {
    let here = tempfile::tempdir().unwrap();
    write(here.path(), "gatehouse.yaml", &complete(here.path()));
    write(here.path(), "models.rego", "package orchestrator\n\nresult := http.send({})\n");
    let err = gatehouse(here.path(), &["check"], "").failed(78);
    assert!(err.contains("models.rego:3:"), "{err}");
}

#[test]
fn two_hundred_damaged_files_are_refused_where_they_are_damaged() {
    let here = tempfile::tempdir().unwrap();
    let text = complete(here.path());
    write(here.path(), "models.rego", ALLOW);
    let mut refused = 0;
    for mutant in mutants(&text) {
        write(here.path(), "gatehouse.yaml", &mutant);
        let ran = gatehouse(here.path(), &["check"], "");
        assert!(!ran.err.contains("panicked"), "{}\n{mutant}", ran.err);
        match ran.code {
            0 => continue,
            78 => {}
            code => panic!("exit {code}: {}\n{mutant}", ran.err),
        }
        refused += 1;
        let mut lines = ran.err.lines().peekable();
        assert!(lines.peek().is_some(), "no problem is named:\n{mutant}");
        for line in lines {
            assert!(is_located(line), "`{line}`\n{mutant}");
        }
    }
    assert!(refused >= 200, "only {refused} mutants were refused");
}

/// Whether a line starts with `FILE:LINE:COL: `.
fn is_located(line: &str) -> bool {
    let line = line.strip_prefix("warning: ").unwrap_or(line);
    let mut parts = line.splitn(4, ':');
    let number =
        |part: Option<&str>| part.is_some_and(|part| part.parse::<u32>().is_ok_and(|number| number > 0));
    parts.next().is_some_and(|file| file == "gatehouse.yaml")
        && number(parts.next())
        && number(parts.next())
        && parts.next().is_some_and(|message| message.starts_with(' ') && message.len() > 8)
}

/// Every line of `text`, damaged in each of a few ways that a hand, an editor or a merge may find.
fn mutants(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut mutants = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let indent = &line[..line.len() - trimmed.len()];
        let mut damaged =
            vec![format!("{line}\n{line}"), line[..line.len() - 1].to_owned(), format!("\t{trimmed}")];
        if let Some((key, value)) = trimmed.split_once(':') {
            damaged.push(format!("{indent}{key}x:{value}"));
            damaged.push(format!("{indent}{key}: [17]"));
            damaged.push(format!("{indent}{key}: \"{value}"));
            damaged.push(format!("{indent}{key}:{value} {{{{ env.NOT_SET }}}}"));
        }
        for damage in damaged {
            let mut all = lines.clone();
            all[at] = &damage;
            mutants.push(all.join("\n") + "\n");
        }
    }
    mutants
}

#[test]
fn an_audit_log_that_nobody_signs_is_warned_of() {
    let here = tempfile::tempdir().unwrap();
    let text = complete(here.path());
    write(here.path(), "models.rego", ALLOW);
    write(here.path(), "gatehouse.yaml", &text);
    assert!(!gatehouse(here.path(), &["check"], "").ok().contains("audit.checkpoints"));
    let section: String = text
        .lines()
        .skip_while(|line| *line != "  checkpoints:")
        .take(3)
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(section.contains("gatehouse-audit-key.pem"), "{section}");
    write(here.path(), "gatehouse.yaml", &text.replace(&section, ""));
    let out = gatehouse(here.path(), &["check"], "").ok();
    assert!(out.contains("audit.checkpoints.key: the audit log is not signed"), "{out}");
    write(
        here.path(),
        "gatehouse.yaml",
        &text.replace("file://gatehouse-audit-key.pem", "file://models.rego"),
    );
    let err = gatehouse(here.path(), &["check"], "").failed(78);
    assert!(err.contains("audit.checkpoints.key: ") && err.contains("audit new-key"), "{err}");
}

/// Who may read a configuration may have every secret in it; who may write it decides everything.
#[test]
fn files_that_others_can_get_at_are_warned_of() {
    let here = tempfile::tempdir().unwrap();
    let folder = here.path().display().to_string();
    let text = complete(here.path())
        .replace("    inbound:\n      opa:\n        name: models\n        file: models.rego\n", "");
    write(
        here.path(),
        "gatehouse.yaml",
        &format!("{text}\nsecretProvider: secretfile://{folder}/secrets.yaml\n"),
    );
    write(here.path(), "secrets.yaml", "secrets:\n  a.b: wHf2rT0pZ8sV4qL1\n");
    let told = |file: &str, mode: u32| {
        let private = |name: &str, mode: u32| {
            std::fs::set_permissions(here.path().join(name), PermissionsExt::from_mode(mode)).unwrap();
        };
        for name in ["gatehouse.yaml", "secrets.yaml", "gatehouse-audit-key.pem"] {
            private(name, 0o600);
        }
        private(file, mode);
        gatehouse(here.path(), &["check"], "").ok()
    };
    for (file, what) in [
        ("gatehouse.yaml", "warning: gatehouse.yaml:1:1: this file is not private: "),
        ("secrets.yaml", "secretProvider: the secret provider is not private: "),
        ("gatehouse-audit-key.pem", "audit.checkpoints.key: the key is not private: "),
    ] {
        for mode in [0o600, 0o400, 0o640, 0o440] {
            assert!(!told(file, mode).contains("warning"), "{file} {mode:o}");
        }
        for (mode, why) in [
            (0o644, "every user of this machine may read it"),
            (0o604, "every user of this machine may read it"),
            (0o602, "every user of this machine may write it"),
            (0o666, "every user of this machine may write it"),
            (0o660, "its whole group may write it"),
        ] {
            let told = told(file, mode);
            assert!(told.contains(&format!("{what}{why}")), "{file} {mode:o}: {told}");
        }
    }
}

/// Of an API, what tools are without is told with its place and its reason, and so are operations that are no tools.
#[test]
fn what_is_left_out_of_an_api_is_told() {
    let here = tempfile::tempdir().unwrap();
    let parameter = |name: &str, place: &str| serde_json::json!({ "name": name, "in": place, "schema": { "type": "string", "pattern": "^(?=a)" } });
    let operation = |id: &str, parameters: &[serde_json::Value]| serde_json::json!({ "get": { "operationId": id, "parameters": parameters, "responses": {} } });
    let mut cookie = parameter("sid", "cookie");
    let mut paths = serde_json::json!({});
    paths["/a"] = operation("a", &[cookie.clone(), parameter("Authorization", "header")]);
    paths["/b"] = operation("b", &[parameter("q", "query")]);
    cookie["required"] = true.into();
    paths["/c"] = operation("c", &[cookie]);
    let spec = serde_json::json!({ "openapi": "3.0.3", "paths": paths });
    write(here.path(), "api.json", &spec.to_string());
    let text = |mode: &str| {
        format!(
            "http: {{ address: \"127.0.0.1:9420\", publicURL: \"http://127.0.0.1:9420\" }}\n\
             connectors: [{{ name: staff, type: local, users: [] }}]\n\
             oidcProvider: {{ discovery: {{ issuer: \"http://127.0.0.1:9420\" }} }}\n\
             mcpProvider: {{ enabled: true }}\n\
             apps:\n  - name: api\n    type: mcpBridge\n    outputSchema: {mode}\n    \
             openapi: {{ spec: {{ uri: api.json }}, baseURL: \"https://api.example\" }}\n    \
             authorization: {{ outbound: {{ type: unprotected }} }}\n"
        )
    };
    for mode in ["strict", "report", "off"] {
        write(here.path(), "gatehouse.yaml", &text(mode));
        let ran = gatehouse(here.path(), &["check"], "");
        assert_eq!(ran.code, 0, "{}", ran.err);
        let said = format!("{}{}", ran.out, ran.err);
        for told in [
            "a tool is without a part: /paths/~1a/get/parameters/0: operation \"a\": the cookie parameter \"sid\"",
            "a tool is without a part: /paths/~1a/get/parameters/1: operation \"a\": the header \"authorization\"",
            "a tool is without a part: /paths/~1b/get: operation \"b\": the schema cannot be checked at",
            "openapi.spec: /paths/~1c/get/parameters/0: operation \"c\": the cookie parameter \"sid\"",
        ] {
            assert!(said.contains(told), "{told}\n{said}");
        }
    }
    write(here.path(), "gatehouse.yaml", &text("lax"));
    let refused = gatehouse(here.path(), &["check"], "").failed(78);
    assert!(refused.contains("apps[0].outputSchema") && refused.contains("strict"), "{refused}");
}

/// What names a device or a pipe is refused at once, whichever kind of file it is: they may have no end.
#[test]
fn files_without_an_end_are_not_read() {
    let here = tempfile::tempdir().unwrap();
    let sound = complete(here.path());
    write(here.path(), "models.rego", ALLOW);
    let limited = |arguments: &[&str]| {
        let shell = format!("ulimit -v 4000000; exec \"$0\" {}", arguments.join(" "));
        let ran = std::process::Command::new("/bin/sh")
            .args(["-c", &shell, env!("CARGO_BIN_EXE_gatehouse")])
            .current_dir(here.path())
            .env_clear()
            .env("ANTHROPIC_API_KEY", "sk-ant-nothing-real-but-long")
            .output()
            .unwrap();
        (ran.status.code(), String::from_utf8_lossy(&ran.stderr).into_owned())
    };
    let bridge = "  - name: rest\n    type: mcpBridge\n    openapi: { spec: { uri: \"file:///dev/zero\" }, baseURL: \"https://api.example\" }\n";
    for text in [
        sound.replace("file: models.rego", "file: /dev/zero"),
        format!("secretProvider: secretfile:///dev/zero\n{sound}"),
        format!("tls: {{ t: {{ caFile: /dev/zero }} }}\n{sound}"),
        format!("{}\n{bridge}", sound.trim_end()),
    ] {
        write(here.path(), "gatehouse.yaml", &text);
        let (code, err) = limited(&["check"]);
        assert!(code == Some(78) && err.contains("expected a regular file"), "{code:?} {err}");
    }
    for arguments in [
        &["check", "--config", "/dev/zero"][..],
        &["policy", "test", "/dev/zero"],
        &["policy", "eval", "--policy", "/dev/zero", "--input", "models.rego"],
        &["policy", "eval", "--policy", "models.rego", "--input", "/dev/zero"],
        &["audit", "tail", "/dev/zero"],
    ] {
        let (code, err) = limited(arguments);
        assert!(code != Some(0) && err.contains("expected a regular file"), "{arguments:?} {code:?} {err}");
    }
    let (code, err) = limited(&["audit", "verify", "/dev/zero"]);
    assert!(code == Some(1) && err.contains("which no record is"), "{code:?} {err}");
}
