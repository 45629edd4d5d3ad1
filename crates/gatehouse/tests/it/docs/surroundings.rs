//! The folder that documented configurations stand in: the files that they name, and the environment.

use std::fmt::Write as _;
use std::path::Path;

use gatehouse::gateway::load::{LoadFailure, from_source, line};
use gatehouse::host::DiskLoader;
use gatehouse_config::snapshot::Snapshot;
use gatehouse_config::source::Source;
use gatehouse_config::source::environment::Environment;
use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::jose::sign::SigningKey;
use tempfile::TempDir;

use super::markdown::repository;
use crate::commands::{gatehouse, write};

/// A folder with the files that the documentation names.
pub(super) struct Surroundings(TempDir);

const API: &str = r#"{
  "openapi": "3.1.0",
  "info": {"title": "Employees", "version": "1"},
  "servers": [{"url": "https://employees.example.com"}],
  "paths": {"/employees": {"get": {"operationId": "listEmployees", "summary": "All employees",
    "responses": {"200": {"description": "them", "content": {"application/json": {"schema": {"type": "array"}}}}}}}}
}"#;

const SECRETS: &str = "secrets:\n  anthropic: { apiKey: sk-ant-not-a-real-one }\n";

impl Surroundings {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        for inner in ["policies", "tls"] {
            std::fs::create_dir(at.join(inner)).unwrap();
        }
        for entry in std::fs::read_dir(repository().join("policies")).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, at.join("policies").join(path.file_name().unwrap())).unwrap();
        }
        let document = repository().join("crates/pure/config/src/snapshot/pinned/claude-code.json");
        std::fs::copy(document, at.join("claude-code-client-metadata.json")).unwrap();
        write(at, "employees.openapi.json", API);
        write(at, "secrets.yaml", SECRETS);
        let made = rcgen::generate_simple_self_signed(["gw.example.com".to_owned()]).unwrap();
        write(at, "tls/fullchain.pem", &made.cert.pem());
        write(at, "tls/privkey.pem", &made.signing_key.serialize_pem());
        write(at, "audit-key.pem", &pem(Algorithm::EdDsa));
        write(at, "tls/ca.pem", &made.cert.pem());
        Self(folder)
    }

    pub(super) fn folder(&self) -> &Path {
        self.0.path()
    }

    /// The configuration that `init` writes.
    pub(super) fn starter(&self) -> String {
        let path = self.folder().join("gatehouse.yaml");
        gatehouse(self.folder(), &["init", "--public-url", "https://gw.example.com"], "").ok();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        text
    }

    /// What `text` means, or its problems, a line each. Every environment variable that it names is set.
    pub(super) fn load(&self, text: &str) -> Result<Snapshot, String> {
        // Secret providers are named by absolute path only.
        let text =
            text.replace("secretfile:///etc/gatehouse", &format!("secretfile://{}", self.folder().display()));
        let loader = DiskLoader::in_folder(self.folder().to_path_buf());
        from_source(&Source::new("gatehouse.yaml", text.as_str()), &environment(&text), &loader).map_err(
            |failure| {
                let LoadFailure::Refused(problems) = failure else { return failure.to_string() };
                problems.iter().fold(String::new(), |mut lines, problem| {
                    let _ = writeln!(lines, "{}", line(problem));
                    lines
                })
            },
        )
    }
}

/// A likely value for every variable that `text` names.
fn environment(text: &str) -> Environment {
    let names = text.split("{{ env.").skip(1).filter_map(|rest| rest.split(" }}").next());
    names.map(|name| (name.to_owned(), value(name))).collect()
}

fn value(name: &str) -> String {
    match name {
        "DATABASE_URL" => "postgres://gatehouse@db.example.com/gatehouse".to_owned(),
        "SIGNING_KEY" => pem(Algorithm::Es256),
        "SIGNING_KEY_RSA" => pem(Algorithm::Rs256),
        _ => format!("a-long-enough-value-of-{name}"),
    }
}

fn pem(algorithm: Algorithm) -> String {
    SigningKey::generate(algorithm).unwrap().to_pkcs8_pem().unwrap().expose().to_owned()
}
