//! `check`: would this configuration run?

use std::path::PathBuf;

use gatehouse_config::problem::{Problem, Severity};

use super::output::{Failure, line};
use crate::gateway::load::{Loaded, load};

pub(super) fn run(config: Option<PathBuf>) -> Result<(), Failure> {
    let loaded = load(config)?;
    for warning in &loaded.warnings {
        line(warning)?;
    }
    line(format!("{}: ok, revision {}", loaded.path.display(), loaded.snapshot.revision))
}
