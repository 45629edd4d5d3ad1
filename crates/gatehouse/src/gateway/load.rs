//! From a file on disk to a snapshot, or to every problem of the file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatehouse_config::problem::{Problem, Severity};
use gatehouse_config::snapshot::Snapshot;
use gatehouse_config::source::environment::Environment;
use gatehouse_config::source::loader::PRIVATE;
use gatehouse_config::source::{MAX_BYTES, Source};

use crate::host::{DiskLoader, environment, exposure, files};

/// Where the configuration is looked for when none is named.
const PLACES: [&str; 2] = ["gatehouse.yaml", "/etc/gatehouse/gatehouse.yaml"];

/// A configuration that was read and compiled.
pub struct Loaded {
    /// The file.
    pub path: PathBuf,
    /// The files that it names, in reading order.
    pub files: Vec<PathBuf>,
    /// What it means.
    pub snapshot: Snapshot,
}

/// A configuration that will not run.
#[derive(Debug, thiserror::Error)]
pub enum LoadFailure {
    /// There is no file.
    #[error("no configuration: neither ./{} nor {} exists; name one with --config, or write one with `gatehouse init`", PLACES[0], PLACES[1])]
    Nowhere,
    /// The file cannot be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// The file is refused.
    #[error("{} problems", .0.len())]
    Refused(Vec<Problem>),
}

impl Loaded {
    /// The folder that relative paths start at.
    pub fn folder(&self) -> PathBuf {
        self.path.parent().map(Path::to_path_buf).unwrap_or_default()
    }
}

/// Loads the named configuration, or the first that exists in the usual places.
pub fn load(named: Option<PathBuf>) -> Result<Loaded, LoadFailure> {
    let path = named
        .or_else(|| PLACES.iter().map(PathBuf::from).find(|place| place.exists()))
        .ok_or(LoadFailure::Nowhere)?;
    // Its length is a finding like others, with its place.
    let bytes = files::read_beginning(&path, MAX_BYTES)
        .map_err(|error| LoadFailure::Unreadable { path: path.display().to_string(), error })?;
    let source = Source { file: Arc::from(path.display().to_string()), bytes };
    let loader = DiskLoader::beside(&path);
    let mut snapshot = from_source(&source, &environment(), &loader)?;
    snapshot.warnings.extend(exposure(&path).map(|why| Problem {
        severity: Severity::Warning,
        file: Arc::clone(&source.file),
        line: 1,
        column: 1,
        path: String::new(),
        message: format!("this file is not private: {why}"),
        hint: Some(PRIVATE.to_owned()),
    }));
    Ok(Loaded { path, files: loader.files(), snapshot })
}

/// Reads and compiles `source`.
pub fn from_source(
    source: &Source,
    environment: &Environment,
    loader: &DiskLoader,
) -> Result<Snapshot, LoadFailure> {
    gatehouse_config::load::load(source, environment, loader).map_err(LoadFailure::Refused)
}

/// A finding as one line, with its severity in front when it does not stop the gateway.
pub fn line(problem: &Problem) -> String {
    match problem.severity {
        Severity::Warning => format!("warning: {problem}"),
        Severity::Error => problem.to_string(),
    }
}
