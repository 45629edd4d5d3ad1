//! What cargo knows about the workspace and everything that it is built from.

use std::path::Path;

use semver::Version;
use serde::Deserialize;

use crate::step::Step;

/// The document of `cargo metadata`.
#[derive(Deserialize)]
pub(super) struct Metadata {
    pub(super) packages: Vec<Package>,
}

#[derive(Deserialize)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: Version,
    /// `None` for a folder on this machine.
    pub(super) source: Option<String>,
    /// An SPDX expression.
    pub(super) license: Option<String>,
    pub(super) manifest_path: String,
    pub(super) dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
pub(super) struct Dependency {
    pub(super) name: String,
    pub(super) kind: Option<String>,
    /// The index of a registry that is not the standard one.
    pub(super) registry: Option<String>,
}

impl Metadata {
    /// All packages of the lock file, whatever the platform.
    pub(super) fn read(root: &Path) -> Result<Self, String> {
        let json = Step::cargo(root).args(["metadata", "--format-version", "1"]).output()?;
        serde_json::from_slice(&json).map_err(|error| format!("`cargo metadata` cannot be read: {error}"))
    }
}
