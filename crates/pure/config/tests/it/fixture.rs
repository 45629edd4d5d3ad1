//! The files and the environment that the fixtures refer to.

use gatehouse_config::document::Document;
use gatehouse_config::problem::Problem;
use gatehouse_config::snapshot::{Snapshot, compile};
use gatehouse_config::source::Source;
use gatehouse_config::source::environment::Environment;
use gatehouse_config::source::loader::MemoryLoader;

pub(crate) const AUTH_PROVIDER: &str = include_str!("../fixtures/auth-provider.yaml");
pub(crate) const GATEWAY: &str = include_str!("../fixtures/gateway.yaml");
pub(crate) const CLAUDE: &str = include_str!("../fixtures/claude.yaml");
pub(crate) const WHOLE: &str = include_str!("../fixtures/whole.yaml");
pub(crate) const DOZEN: &str = include_str!("../fixtures/dozen.yaml");

pub(crate) fn environment() -> Environment {
    [
        ("IDP_SECRET", "wHf2rT0pZ8sV4qL1"),
        ("BATCH_SECRET", "nY7cQ3kX9mB5dJ2e"),
        ("EMPLOYEES_KEY", "tR6vW1zA8gF4hS0u"),
        ("ANTHROPIC_KEY", "sk-ant-nothing-real-but-long"),
        ("DATABASE_URL", "postgres://gatehouse@db/gatehouse"),
    ]
    .into_iter()
    .collect()
}

pub(crate) fn loader() -> MemoryLoader {
    MemoryLoader::empty()
        .with("/etc/gatehouse/root.pem", include_str!("../fixtures/root.pem"))
        .with("/etc/gatehouse/server.pem", include_str!("../fixtures/root.pem"))
        .with("/etc/gatehouse/server-key.pem", include_str!("../fixtures/signing-key.pem"))
        .with("/etc/gatehouse/ledger.rego", include_str!("../fixtures/ledger.rego"))
        .with("/etc/gatehouse/employees.json", include_str!("../fixtures/employees.json"))
        .with("/etc/gatehouse/secrets.yaml", secrets())
}

fn secrets() -> String {
    let indented = |pem: &str| pem.lines().map(|line| format!("    {line}\n")).collect::<String>();
    format!(
        "secrets:\n  vault.keycloak_client_secret: qP5xN8bC2vM7zK3j\n  vault.gateway_client_secret: hG4fD9sA1wE6rT0y\n  \
         vault.signing_public_key: |\n{}  vault.signing_private_key: |\n{}",
        indented(include_str!("../fixtures/signing-key.pub.pem")),
        indented(include_str!("../fixtures/signing-key.pem")),
    )
}

pub(crate) fn read(text: &str) -> Result<Document, Vec<Problem>> {
    Document::read(&Source::new("gatehouse.yaml", text), &environment(), &loader())
}

/// The problems as `check` prints them.
pub(crate) fn printed(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

/// Reads and compiles.
pub(crate) fn load(text: &str) -> Result<Snapshot, Vec<Problem>> {
    compile(read(text)?, &loader())
}

/// The snapshot of a file that is right.
pub(crate) fn loaded(text: &str) -> Snapshot {
    load(text).unwrap_or_else(|problems| panic!("{}", printed(&problems)))
}

/// The problems of a file that is wrong, as `check` prints them.
pub(crate) fn refused(text: &str) -> String {
    printed(&load(text).err().unwrap_or_default())
}
