//! The written configuration: every key that may be written, with its type, its default and its place.
//!
//! Reading collects every problem of the file; what is read is compiled by [`crate::snapshot`].

pub(crate) mod algorithm;
pub(crate) mod app;
pub(crate) mod client;
pub(crate) mod connector;
pub(crate) mod llm;
pub(crate) mod mcp;
pub(crate) mod oidc_provider;
pub(crate) mod platform;
pub(crate) mod policy;
pub(crate) mod resource_server;
pub(crate) mod scalar;
pub(crate) mod scope;
pub(crate) mod section;
pub(crate) mod session;
pub(crate) mod spot;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::problem::{Location, Place, Problem, Report, joined};
use crate::source::environment::Environment;
use crate::source::loader::Loader;
use crate::source::node::{Entry, Node, NodeValue};
use crate::source::secrets::Secrets;
use crate::source::{Source, substitution, yaml};

use app::App;
use connector::Connector;
use llm::LlmProvider;
use mcp::McpProvider;
use oidc_provider::OidcProvider;
use platform::{Admin, Audit, Features, Health, Http, Logger, Store, Telemetry, TlsProfile};
use scalar::Version;
use section::section;
use session::Session;
use spot::{Entries, Spot, Value};

/// A configuration file that was read without errors. It has a type but no meaning yet: compile it.
pub struct Document {
    pub(crate) root: Root,
    pub(crate) file: Arc<str>,
    pub(crate) content: Vec<u8>,
    pub(crate) warnings: Vec<Problem>,
}

section! {
    /// The whole file.
    Root {
        logger: Logger = nested("logger"),
        http: Http = nested("http"),
        admin: Admin = nested("admin"),
        tls: Entries<TlsProfile> = or("tls", Entries::none()),
        health: Health = nested("health"),
        store: Store = nested("store"),
        session: Session = nested("session"),
        audit: Audit = nested("audit"),
        connectors: Vec<Connector> = list("connectors"),
        oidc_provider: Option<OidcProvider> = optional("oidcProvider"),
        mcp_provider: Option<McpProvider> = optional("mcpProvider"),
        llm_provider: Option<LlmProvider> = optional("llmProvider"),
        apps: Vec<App> = list("apps"),
    }
    also {
        checked::<Version>("version");
        checked::<Telemetry>("telemetry");
        checked::<Features>("features");
        checked::<String>("secretProvider");
        refused("singleLogout", "users sign out at the authorization server; leave the section out");
        refused("caches", "codes, tokens and sessions live in `store:`; use `type: postgres` there for several nodes");
        refused("clusters", "nodes share `store: { type: postgres }` and need no cluster section");
        refused("serviceExtensions", "use `accessToken.claims`, `claimsMapping` and Rego policies");
        refused("apis", "custom endpoints are not served; put them behind an `mcpBridge` app");
        refused("include", "write one file");
    }
}

impl Document {
    /// Reads `source`. `loader` opens the secret provider that the file names; all problems come at once.
    pub fn read(
        source: &Source,
        environment: &Environment,
        loader: &dyn Loader,
    ) -> Result<Self, Vec<Problem>> {
        let mut report = Report::new(&source.file);
        let root = yaml::parse(source, &mut report).and_then(|mut tree| {
            let secrets = secrets(&tree, environment, loader, &mut report);
            substitution::resolve(&mut tree, "", environment, &secrets, &mut report);
            Root::read(Spot { node: &tree, path: "" }, &mut report)
        });
        let failed = report.has_errors();
        let findings = report.into_problems();
        match root {
            Some(root) if !failed => Ok(Self {
                root,
                file: Arc::clone(&source.file),
                content: source.bytes.clone(),
                warnings: findings,
            }),
            _ => Err(findings),
        }
    }

    /// Reads `source` with stand-ins for what its references do not find, and where they stand. `None` when nothing is
    /// missing, or other things are wrong with the text.
    pub(crate) fn with_stand_ins(
        source: &Source,
        environment: &Environment,
        loader: &dyn Loader,
    ) -> Option<(Self, Vec<Location>)> {
        let mut report = Report::new(&source.file);
        let mut tree = yaml::parse(source, &mut report)?;
        let secrets = secrets(&tree, environment, loader, &mut report);
        let mut places = Vec::new();
        substitution::stand_in(&mut tree, environment, &secrets, &mut places);
        // What the secret provider lacks is told already.
        let mut report = Report::new(&source.file);
        substitution::resolve(&mut tree, "", environment, &secrets, &mut report);
        let root = Root::read(Spot { node: &tree, path: "" }, &mut report)?;
        let is_whole = !places.is_empty() && !report.has_errors();
        let (file, content) = (Arc::clone(&source.file), source.bytes.clone());
        is_whole.then_some((Self { root, file, content, warnings: Vec::new() }, places))
    }
}

/// The secrets of the provider that `secretProvider` names, which may itself use the environment.
fn secrets(tree: &Node, environment: &Environment, loader: &dyn Loader, report: &mut Report) -> Secrets {
    let NodeValue::Mapping(entries) = &tree.value else { return Secrets::default() };
    let Some(entry) = entries.iter().find(|entry| entry.key == "secretProvider") else {
        return Secrets::default();
    };
    let mut node = entry.value.clone();
    let path = "secretProvider";
    // A reference that does not resolve is reported when the whole tree is.
    let mut unreported = Report::new(report.file());
    substitution::resolve(&mut node, path, environment, &Secrets::default(), &mut unreported);
    let place = Place { at: node.at, path: path.to_owned() };
    match node.value {
        NodeValue::Scalar(scalar) if !unreported.has_errors() => {
            Secrets::open(&scalar.text, loader, &place, report)
        }
        _ => Secrets::default(),
    }
}

/// A mapping of free content, such as a user's claims.
#[derive(Clone, Debug)]
pub(crate) struct FreeMap {
    pub(crate) content: serde_json::Map<String, Json>,
    place: Place,
    places: BTreeMap<String, Place>,
}

impl FreeMap {
    /// Where the value of a key is written; the whole mapping, when it is not.
    pub(crate) fn place_of(&self, key: &str) -> &Place {
        self.places.get(key).unwrap_or(&self.place)
    }
}

impl Value for FreeMap {
    fn read(spot: Spot<'_>, report: &mut Report) -> Option<Self> {
        let Json::Object(content) = Json::read(spot, report)? else {
            return spot.mismatch(report, "a section");
        };
        let entries = match &spot.node.value {
            NodeValue::Mapping(entries) => entries.as_slice(),
            _ => &[],
        };
        let place = |entry: &Entry| Place { at: entry.value.at, path: joined(spot.path, &entry.key) };
        let places = entries.iter().map(|entry| (entry.key.clone(), place(entry))).collect();
        Some(Self { content, place: spot.place(), places })
    }
}

#[cfg(test)]
mod tests;
