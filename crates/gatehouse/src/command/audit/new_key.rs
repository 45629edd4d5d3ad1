//! `audit new-key`: the key that signs checkpoints.

use std::path::PathBuf;

use clap::Args;

use gatehouse_audit::checkpoint::CheckpointKey;

use super::super::init::write;
use super::super::output::{Failure, line};

#[derive(Args)]
pub(in crate::command) struct NewKey {
    /// Where to write the private key; a file that exists is not overwritten
    file: PathBuf,
}

pub(super) fn run(NewKey { file }: &NewKey) -> Result<(), Failure> {
    let failed = |error| Failure::new("making the key", error);
    let key = CheckpointKey::generate().map_err(failed)?;
    write(file, key.to_pem().map_err(failed)?.expose())?;
    line(format!("{}: the private key, readable by you only", file.display()))?;
    line(format!("public key: {}", key.public()))?;
    line(format!(
        "Keep the public key apart from the log: `gatehouse audit verify --key {}` proves the log with it.",
        key.public()
    ))
}
