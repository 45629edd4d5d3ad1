//! What the house is built upon: versions, licences and sources of all packages, held against `deny.toml`.
//!
//! The file is cargo-deny's. A key of it that is not checked here is refused, so that no line of it is mere intent.

mod sources;

use std::fs;
use std::path::Path;

use semver::{Comparator, Op, Prerelease, Version, VersionReq};
use serde::Deserialize;
use spdx::{Expression, Licensee, ParseMode};

use super::metadata::{Metadata, Package};

/// Where the rules are.
const FILE: &str = "deny.toml";

/// The rules.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rules {
    bans: Bans,
    licenses: Licenses,
    // That both are denied is all that can be said, so reading it is checking it.
    #[serde(rename = "sources")]
    _sources: Sources,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bans {
    deny: Vec<Ban>,
}

/// Versions of a crate that are not taken.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ban {
    /// `name` or `name:range`.
    #[serde(rename = "crate")]
    spec: Spec,
    reason: String,
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Spec {
    name: String,
    range: VersionReq,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Licenses {
    allow: Vec<License>,
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct License(Licensee);

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Sources {
    #[serde(rename = "unknown-registry")]
    _unknown_registry: Level,
    #[serde(rename = "unknown-git")]
    _unknown_git: Level,
}

/// The one level that this house knows.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Level {
    Deny,
}

impl Rules {
    /// Reads the rules of the workspace at `root`.
    pub(super) fn read(root: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(root.join(FILE)).map_err(|error| format!("{FILE}: {error}"))?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self, String> {
        basic_toml::from_str(text).map_err(|error| format!("{FILE}: {error}"))
    }

    /// Every package of `metadata` that the rules do not take, and everything in the files of the workspace at `root`
    /// that could make cargo take packages from elsewhere without saying so in `metadata`.
    pub(super) fn check(&self, metadata: &Metadata, root: &Path) -> Vec<String> {
        let packages = metadata.packages.iter();
        let mut problems: Vec<_> = packages.flat_map(|package| self.problems_of(package, root)).collect();
        problems.extend(sources::registry_problem(metadata));
        problems.extend(sources::redirections(root));
        problems
    }

    fn problems_of(&self, package: &Package, root: &Path) -> Vec<String> {
        let mut problems = self.bans.problems_of(package);
        problems.extend(self.licenses.problem_of(package));
        problems.extend(sources::problems_of(package, root));
        problems.iter().map(|problem| format!("{} {}: {problem}", package.name, package.version)).collect()
    }
}

impl Bans {
    fn problems_of(&self, package: &Package) -> Vec<String> {
        let denied = self.deny.iter().filter(|ban| ban.spec.covers(package));
        denied.map(|ban| format!("wanted {}: {}", ban.spec.wanted(), ban.reason)).collect()
    }
}

impl Spec {
    /// A prerelease comes before its release, so it is below a floor of that release; for all else it is judged as the
    /// release that it leads to.
    fn covers(&self, package: &Package) -> bool {
        let release = Version { pre: Prerelease::EMPTY, ..package.version.clone() };
        let holds = |comparator: &Comparator| match comparator.op {
            Op::Less => package.version.cmp_precedence(&floor(comparator)).is_lt(),
            _ => comparator.matches(&release),
        };
        self.name == package.name && self.range.comparators.iter().all(holds)
    }

    /// The versions that are taken, in words.
    fn wanted(&self) -> String {
        match self.range.comparators.as_slice() {
            [] => "no version of it".to_owned(),
            [only @ Comparator { op: Op::Less, .. }] => {
                Comparator { op: Op::GreaterEq, ..only.clone() }.to_string()
            }
            _ => format!("none of {}", self.range),
        }
    }
}

impl TryFrom<String> for Spec {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (name, range) = text.split_once(':').unwrap_or((&text, "*"));
        let range = range.parse().map_err(|error| format!("`{text}` is no `name:range`: {error}"))?;
        Ok(Self { name: name.to_owned(), range })
    }
}

impl Licenses {
    fn problem_of(&self, package: &Package) -> Option<String> {
        let Some(text) = &package.license else { return Some("it names no licence".to_owned()) };
        let expression = match Expression::parse_mode(text, ParseMode::LAX) {
            Ok(expression) => expression,
            Err(error) => return Some(format!("its licence `{text}` cannot be read: {}", error.reason)),
        };
        let allowed = expression.evaluate(|term| self.allow.iter().any(|License(one)| one.satisfies(term)));
        (!allowed).then(|| format!("its licence `{text}` is not among those that {FILE} allows"))
    }
}

impl TryFrom<String> for License {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Licensee::parse(&text).map(Self).map_err(|error| format!("licence `{text}`: {}", error.reason))
    }
}

/// The version that a `<` names.
fn floor(comparator: &Comparator) -> Version {
    let Comparator { major, minor, patch, pre, .. } = comparator.clone();
    Version { pre, ..Version::new(major, minor.unwrap_or_default(), patch.unwrap_or_default()) }
}

#[cfg(test)]
mod tests;
