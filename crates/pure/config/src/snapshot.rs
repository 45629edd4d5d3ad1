//! The running configuration: immutable, typed, checked as a whole.
//!
//! [`compile`] turns a [`Document`] into a [`Snapshot`] or into every problem there is. Requests keep the
//! snapshot they entered with.

pub mod authorization_server;
pub mod client;
mod coherence;
pub(crate) mod compiler;
pub mod connector;
pub mod discovery;
pub(crate) mod issuer;
pub mod llm;
pub mod mcp;
mod minting;
mod names;
pub(crate) mod origin;
pub mod outbound;
pub mod pinned;
pub mod platform;
mod policy;
mod preset;
mod prospects;
pub mod protection;
mod scopes;
mod subjects;
pub mod tls;

use std::collections::BTreeMap;
use std::sync::Arc;

use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::ConnectorName;
use gatehouse_policy::Policy;

use crate::document::Document;
use crate::problem::Problem;
use crate::source::loader::Loader;

use authorization_server::AuthorizationServer;
use compiler::Compiler;
use connector::Connector;
use llm::LlmGateway;
use mcp::McpGateway;
use platform::{Audit, BufferLimits, Health, HttpLimits, Ingress, Listener, Logging, SessionRules, Store};

/// A whole configuration as it runs.
pub struct Snapshot {
    /// `sha256:` and the digest of the configuration file and of every file that it names, in reading order.
    /// Values of the environment and secrets are left out.
    pub revision: String,
    /// What is logged.
    pub logging: Logging,
    /// The listener for clients.
    pub public: Listener,
    /// The listener for operators.
    pub admin: Listener,
    /// What connections may take.
    pub http_limits: HttpLimits,
    /// How much may be held for requests.
    pub buffers: BufferLimits,
    /// How requests are attributed: public origin, hosts, proxies.
    pub ingress: Ingress,
    /// Liveness.
    pub health: Health,
    /// Where durable state lives.
    pub store: Store,
    /// Browser sessions.
    pub session: SessionRules,
    /// Evidence.
    pub audit: Audit,
    /// Every connector, by name.
    pub connectors: BTreeMap<ConnectorName, Arc<Connector>>,
    /// The authorization server, when this process is one.
    pub authorization_server: Option<AuthorizationServer>,
    /// The MCP gateway, when this process is one.
    pub mcp: Option<McpGateway>,
    /// The LLM gateway, when this process is one.
    pub llm: Option<LlmGateway>,
    /// What runs, but probably not as meant.
    pub warnings: Vec<Problem>,
    /// The same, each from an instant on.
    dated: Vec<(Timestamp, Problem)>,
}

impl Snapshot {
    /// What runs, but probably not as meant, at `now`.
    pub fn warnings_at(&self, now: Timestamp) -> impl Iterator<Item = &Problem> {
        let due = self.dated.iter().filter(move |(from, _)| *from <= now);
        self.warnings.iter().chain(due.map(|(_, problem)| problem))
    }

    /// The policies that tokens of any client must pass.
    pub fn minting_policies(&self) -> impl Iterator<Item = &Policy> {
        let servers = self.authorization_server.iter();
        servers.flat_map(|server| {
            let registered = server
                .clients
                .values()
                .flat_map(|client| client.access_token_policies.iter().chain(&client.id_token_policies));
            let documents = server
                .metadata_clients
                .iter()
                .flat_map(|rules| rules.access_token_policies.iter().chain(&rules.id_token_policies));
            registered.chain(documents)
        })
    }
}

/// Gives the document its meaning, reading the files that it names through `loader`.
pub fn compile(document: Document, loader: &dyn Loader) -> Result<Snapshot, Vec<Problem>> {
    let Document { root, file, content, warnings } = document;
    let mut compiler = Compiler::new(&file, &content, loader, &root);
    tls::files::read(&root, &mut compiler);
    let snapshot = assemble(&root, &mut compiler);
    let dated = std::mem::take(&mut compiler.dated);
    let (findings, revision, failed) = compiler.finish();
    match snapshot {
        Some(snapshot) if !failed => {
            let warnings = warnings.into_iter().chain(findings).collect();
            Ok(Snapshot { revision, warnings, dated, ..snapshot })
        }
        _ => Err(warnings.into_iter().chain(findings).collect()),
    }
}

/// Compiles every section, so that the problems of all are found, and puts the parts together.
fn assemble(root: &crate::document::Root, compiler: &mut Compiler<'_>) -> Option<Snapshot> {
    compiler.check_names(root);
    let public = platform::public_listener(root, compiler);
    let admin = platform::admin_listener(root, compiler);
    let http_limits = platform::http_limits(root, compiler);
    let ingress = platform::ingress(root, compiler);
    let store = platform::store(root, compiler);
    let session = platform::session(root, compiler);
    let audit = platform::audit(root, compiler);
    let connectors = connector::compile_all(root, compiler);
    let resources = protection::own_resources(root, &compiler.origin);
    let authorization_server = authorization_server::compile(root, &resources, &connectors, compiler);
    let mcp = mcp::compile(root, compiler);
    let llm = llm::compile(root, compiler);
    let buffers = platform::buffer_limits(root, largest_request(mcp.as_ref(), llm.as_ref()), compiler);
    if authorization_server.is_none() && mcp.is_none() && llm.is_none() {
        compiler.nothing_served(root);
    }
    coherence::check(root, compiler);
    prospects::check(root, compiler);
    subjects::check(root, compiler);
    names::check(root, compiler);
    Some(Snapshot {
        revision: String::new(),
        logging: platform::logging(root, compiler),
        public: public?,
        admin: admin?,
        http_limits: http_limits?,
        buffers,
        ingress,
        health: platform::health(root),
        store: store?,
        session,
        audit,
        connectors,
        authorization_server,
        mcp,
        llm,
        warnings: Vec::new(),
        dated: Vec::new(),
    })
}

/// What one request of the largest size takes, with what is made of it whatever it holds.
fn largest_request(mcp: Option<&McpGateway>, llm: Option<&LlmGateway>) -> usize {
    const BESIDES: usize = 2 * 1024 * 1024;
    let model = llm.map_or(0, |llm| llm.body_limit);
    // A call goes on as a copy.
    let call = mcp.map_or(0, |mcp| 2 * mcp.limits.body);
    model.max(call) + BESIDES
}
