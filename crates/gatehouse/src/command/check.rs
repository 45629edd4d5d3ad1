//! `check`: would this configuration run?

use std::path::{Path, PathBuf};

use clap::Args;

use gatehouse_identity::clock::Clock as _;

use super::output::{Failure, line};
use super::policy::suite::{Suite, Tally};
use crate::gateway::load::{self, load};
use crate::host::SystemClock;

#[derive(Args)]
pub(super) struct Check {
    /// Exit with 1 when there is a warning
    #[arg(long)]
    strict: bool,
}

pub(super) fn run(check: &Check, config: Option<PathBuf>) -> Result<(), Failure> {
    let loaded = load(config)?;
    let mut warnings: Vec<String> = loaded.snapshot.warnings_at(SystemClock.now()).map(load::line).collect();
    if loaded.snapshot.audit.checkpoints.key.is_none() {
        warnings.push(format!(
            "warning: {}: audit.checkpoints.key: the audit log is not signed, so whoever can write it can rewrite it \
             (make a key with `gatehouse audit new-key FILE`)",
            loaded.path.display()
        ));
    }
    for warning in &warnings {
        line(warning)?;
    }
    let tally = test_policies(&loaded.files)?;
    if tally.failed > 0 {
        return Err(Failure::Failed(format!("{}: policy tests: {tally}", loaded.path.display())));
    }
    if check.strict && !warnings.is_empty() {
        let found =
            if warnings.len() == 1 { "1 warning".to_owned() } else { format!("{} warnings", warnings.len()) };
        let message = format!("{}: {found}, and --strict was given", loaded.path.display());
        return Err(Failure::Failed(message));
    }
    line(format!("{}: ok, revision {}", loaded.path.display(), loaded.snapshot.revision))
}

/// Runs the tests beside each policy file that the configuration names; only failures are worth a line here.
fn test_policies(files: &[PathBuf]) -> Result<Tally, Failure> {
    let mut policies: Vec<&Path> = files
        .iter()
        .map(PathBuf::as_path)
        .filter(|file| file.extension().is_some_and(|ext| ext == "rego"))
        .collect();
    policies.sort_unstable();
    policies.dedup();
    let mut tally = Tally::default();
    for policy in policies {
        let Some(suite) = Suite::beside(policy) else { continue };
        for test in suite.run()? {
            if let Some(failure) = test.failure() {
                line(failure)?;
            }
            tally.count(&test);
        }
    }
    Ok(tally)
}
