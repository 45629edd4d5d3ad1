//! Secret providers: where `<namespace.key>` references find their values.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatehouse_identity::secret::Secret;

use super::loader::{Loader, PRIVATE};
use super::lookalike;
use super::node::{Node, NodeValue};
use super::{MAX_BYTES, Source, yaml};
use crate::problem::{Place, Report, joined};

/// The secrets that references may name, by `namespace.key`.
#[derive(Default)]
pub(crate) struct Secrets(BTreeMap<String, Secret>);

impl Secrets {
    pub(crate) fn find(&self, name: &str) -> Option<&Secret> {
        self.0.get(name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.keys().map(String::as_str)
    }

    /// Opens the provider behind `uri`, whose place in the configuration is `place`.
    pub(crate) fn open(uri: &str, loader: &dyn Loader, place: &Place, report: &mut Report) -> Self {
        let Some(path) = uri.strip_prefix("secretfile://") else {
            report.error_with(
                place,
                "only `secretfile:///absolute/path` secret providers are built",
                "write the secrets to a file that only the gateway may read, or use \"{{ env.NAME }}\"",
            );
            return Self::default();
        };
        let bytes = match loader.read(path, MAX_BYTES) {
            Ok(bytes) => bytes,
            Err(error) => {
                report.error(place, format!("cannot open the secret provider: {error}"));
                return Self::default();
            }
        };
        if let Some(why) = loader.exposure(path) {
            report.warning(place, format!("the secret provider is not private: {why}"), PRIVATE);
        }
        let file = Source { file: Arc::from(path), bytes };
        let mut findings = Report::new(&file.file);
        let mut secrets = BTreeMap::new();
        if let Some(root) = yaml::parse(&file, &mut findings) {
            read(&root, &mut secrets, &mut findings);
            look(&root, "", &mut findings);
        }
        findings.into_problems().into_iter().for_each(|problem| report.foreign(problem));
        Self(secrets)
    }
}

/// Nothing is put into a secret file: a reference in it is a secret as it stands.
fn look(node: &Node, path: &str, report: &mut Report) {
    match &node.value {
        NodeValue::Mapping(entries) => {
            for entry in entries {
                look(&entry.value, &joined(path, &entry.key), report);
            }
        }
        NodeValue::Scalar(scalar) => {
            let place = Place { at: node.at, path: path.to_owned() };
            let instead = |name: &str| {
                format!(
                    "write the secret itself, or \"{{{{ env.{name} }}}}\" in the configuration in its place"
                )
            };
            lookalike::warn(&scalar.text, &place, report, instead);
        }
        NodeValue::Sequence(_) => {}
    }
}

/// `secrets:` holds names and texts, either flat (`namespace.key: text`) or one level deep.
fn read(root: &Node, secrets: &mut BTreeMap<String, Secret>, report: &mut Report) {
    let mut refuse = |node: &Node, path: &str| {
        let place = Place { at: node.at, path: path.to_owned() };
        report.error(&place, "a secret file holds `secrets:` with names and texts, nothing else");
    };
    let NodeValue::Mapping(top) = &root.value else { return refuse(root, "") };
    for entry in top {
        match &entry.value.value {
            NodeValue::Mapping(entries) if entry.key == "secrets" => {
                for secret in entries {
                    match &secret.value.value {
                        NodeValue::Scalar(scalar) => {
                            secrets.insert(secret.key.clone(), Secret::new(scalar.text.clone()));
                        }
                        NodeValue::Mapping(inner) => {
                            for leaf in inner {
                                match &leaf.value.value {
                                    NodeValue::Scalar(scalar) => {
                                        let name = format!("{}.{}", secret.key, leaf.key);
                                        secrets.insert(name, Secret::new(scalar.text.clone()));
                                    }
                                    _ => refuse(&leaf.value, &format!("secrets.{}.{}", secret.key, leaf.key)),
                                }
                            }
                        }
                        NodeValue::Sequence(_) => refuse(&secret.value, &format!("secrets.{}", secret.key)),
                    }
                }
            }
            _ => refuse(&entry.value, &entry.key),
        }
    }
}
