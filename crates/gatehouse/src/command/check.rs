//! `check`: would this configuration run?

use std::path::PathBuf;

use super::output::{Failure, line};
use crate::gateway::load::{self, load};

pub(super) fn run(config: Option<PathBuf>) -> Result<(), Failure> {
    let loaded = load(config)?;
    for warning in &loaded.snapshot.warnings {
        line(load::line(warning))?;
    }
    line(format!("{}: ok, revision {}", loaded.path.display(), loaded.snapshot.revision))
}
