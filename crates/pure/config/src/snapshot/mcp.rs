//! The MCP gateway: its endpoint, its protection and the apps behind it.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_identity::id::AppName;
use gatehouse_mcp::namespace::Namespace;
use gatehouse_mcp::openapi::{self, Bridge, CompileOptions, OutputSchemas};
use gatehouse_policy::Policy;
use gatehouse_policy::input::Point;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::compiler::{Compiler, hexadecimal};
use super::origin::{is_loopback, origin_of};
use super::outbound::{self, Outbound};
use super::policy;
use super::protection::{self, Gateway, Protection};
use super::tls::TlsProfile;
use crate::document::Root;
use crate::document::app::App;
use crate::document::mcp::{AppAuthorization, BridgeApp, McpLimits, OutputSchema, ProxyApp, ToolNamespace};
use crate::document::scalar::json;
use crate::document::spot::Placed;
use crate::problem::{Problem, Report, Severity};
use crate::source::{Source, yaml};

mod namespaces;

/// The MCP gateway.
pub struct McpGateway {
    /// The path of the endpoint for all apps; `PATH/APP` is the endpoint for one.
    pub path: String,
    /// The URL of the resource, as tokens and metadata name it.
    pub resource: String,
    /// Sessions of clients that ask for them.
    pub sessions: Sessions,
    /// Whose tokens are accepted.
    pub protection: Protection,
    /// The apps, in the configured order.
    pub apps: Vec<Arc<McpApp>>,
    /// How much it takes.
    pub limits: Limits,
}

/// How much the gateway takes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest request, in bytes.
    pub body: usize,
    /// Open sessions of all callers.
    pub sessions: usize,
    /// Open sessions of one caller.
    pub sessions_per_caller: usize,
    /// Tools of all apps together that one caller is shown.
    pub tools: usize,
}

/// Sessions of clients that speak protocol versions before 2026-07-28.
#[derive(Clone, Debug)]
pub struct Sessions {
    /// Whether `initialize` gives one out.
    pub enabled: bool,
    /// Whether DELETE ends one.
    pub allow_client_termination: bool,
    /// After how long without use one ends.
    pub timeout: Duration,
}

/// One app.
pub struct McpApp {
    /// Its name.
    pub name: AppName,
    /// How its tool names are exported.
    pub namespace: Namespace,
    /// What answers.
    pub upstream: Upstream,
    /// `scheme://host[:port]` of what answers.
    pub origin: String,
    /// Policies of calls; none allows.
    pub inbound: Vec<Policy>,
    /// Policies of listing, asked once per item; none allows.
    pub listing: Vec<Policy>,
    /// The credential that upstream requests carry.
    pub outbound: Outbound,
    /// The most tools that it offers; what it has beyond them is left out.
    pub most_tools: usize,
    /// The largest result of a call, in bytes.
    pub largest_response: usize,
}

impl McpApp {
    /// Whether an MCP server answers, whose tools are only known once it says.
    fn is_proxy(&self) -> bool {
        matches!(self.upstream, Upstream::Proxy(_))
    }
}

/// What answers for an app.
pub enum Upstream {
    /// A REST API.
    Bridge {
        /// Its tools and where requests go.
        bridge: Box<Bridge>,
        /// How its certificate is checked.
        tls: Option<Arc<TlsProfile>>,
    },
    /// An MCP server over Streamable HTTP.
    Proxy(ProxyUpstream),
}

/// An MCP server over Streamable HTTP.
pub struct ProxyUpstream {
    /// Its endpoint.
    pub url: Url,
    /// How its certificate is checked.
    pub tls: Option<Arc<TlsProfile>>,
    /// How connections to it are made and kept.
    pub connection: Connection,
    /// How much of its list of tools is read.
    pub list: ListLimits,
}

/// How much of a list of tools is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListLimits {
    /// Bytes, of all pages together as they arrive, and of all tools as they are held.
    pub bytes: usize,
    /// Pages.
    pub pages: usize,
}

/// How connections to an upstream are made and kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Connection {
    /// The longest time to connect.
    pub dial_timeout: Duration,
    /// Between TCP keep-alive probes.
    pub keep_alive: Duration,
    /// How many idle ones are kept.
    pub max_idle: u32,
}

/// The most that any limit in bytes allows.
const LARGEST: u64 = 1024 * 1024 * 1024;
/// The largest API description, in bytes.
const MAX_SPEC_BYTES: usize = 16 * 1024 * 1024;

pub(crate) fn compile(root: &Root, compiler: &mut Compiler<'_>) -> Option<McpGateway> {
    let Some(provider) = root.mcp_provider.as_ref().filter(|provider| provider.enabled) else {
        for app in root.apps.iter().filter(|app| matches!(app, App::Bridge(_) | App::Proxy(_))) {
            let hint = "write mcpProvider, or remove the app";
            compiler.report.error_with(&app.name().place, "an MCP app without an enabled mcpProvider", hint);
        }
        return None;
    };
    let stream = &provider.transports.stream;
    if !stream.enabled.value {
        let hint = "set it to true, or mcpProvider.enabled to false";
        compiler.report.error_with(&stream.enabled.place, "Streamable HTTP is the only transport", hint);
    }
    if stream.path.is_some() && stream.endpoint_path.is_some() {
        compiler
            .report
            .error(&stream.place.child("endpointPath"), "`path` says the same; remove one of them");
    }
    let path = provider.path();
    let resource = format!("{}{path}", compiler.origin);
    let gateway = Gateway { resource: &resource, id_tokens: false, clients: Vec::new() };
    let protection = protection::compile(&provider.authorization.oauth, &gateway, compiler);
    let mut apps = Vec::new();
    for app in &root.apps {
        let ready = match app {
            App::Bridge(app) => compile_bridge(app, root, compiler),
            App::Proxy(app) => compile_proxy(app, root, compiler),
            App::Client(_) | App::Llm(_) => None,
        };
        apps.extend(ready.map(Arc::new));
    }
    namespaces::check(root, &apps, compiler);
    Some(McpGateway {
        path,
        resource,
        sessions: Sessions {
            enabled: stream.session.enabled,
            allow_client_termination: stream.session.allow_client_termination,
            timeout: stream.session.timeout,
        },
        protection: protection?,
        apps,
        limits: limits(&provider.limits, compiler)?,
    })
}

fn limits(written: &McpLimits, compiler: &mut Compiler<'_>) -> Option<Limits> {
    let body = compiler.within(&written.body_bytes, 1_024..=64 * 1024 * 1024);
    let sessions = compiler.within(&written.sessions, 1..=10_000_000);
    let sessions_per_caller = compiler.within(&written.sessions_per_caller, 1..=10_000_000);
    let tools = compiler.within(&written.tools, 1..=1_000_000);
    let size = |number: Option<u64>| number.and_then(|number| usize::try_from(number).ok());
    Some(Limits {
        body: size(body)?,
        sessions: size(sessions)?,
        sessions_per_caller: size(sessions_per_caller)?,
        tools: size(tools)?,
    })
}

fn compile_bridge(app: &BridgeApp, root: &Root, compiler: &mut Compiler<'_>) -> Option<McpApp> {
    let limits = AppLimits::compile(&app.limits.tools, &app.limits.response_bytes, compiler);
    let bridge = bridge(app, limits.map_or(usize::MAX, |limits| limits.tools), compiler);
    let tls = compiler.tls_profile(app.tls.as_ref());
    let common = Common { name: &app.name, namespace: &app.namespace, authorization: &app.authorization };
    let rest = AppParts::compile(&common, limits, root, compiler);
    let bridge = bridge?;
    let upstream = Upstream::Bridge { bridge: Box::new(bridge), tls };
    rest?.with(upstream)
}

fn compile_proxy(app: &ProxyApp, root: &Root, compiler: &mut Compiler<'_>) -> Option<McpApp> {
    let stream = &app.upstream.stream;
    let tls = compiler.tls_profile(stream.tls.as_ref());
    let limits = AppLimits::compile(&app.limits.tools, &app.limits.response_bytes, compiler);
    let bytes = compiler.within(&app.limits.list_bytes, 64 * 1024..=LARGEST);
    let pages = compiler.within(&app.limits.list_pages, 1..=10_000);
    let common = Common { name: &app.name, namespace: &app.namespace, authorization: &app.authorization };
    let rest = AppParts::compile(&common, limits, root, compiler);
    let list = ListLimits { bytes: size(bytes?)?, pages: size(pages?)? };
    let upstream = Upstream::Proxy(ProxyUpstream {
        url: stream.url.value.clone(),
        tls,
        connection: Connection {
            dial_timeout: stream.connection.dial_timeout,
            keep_alive: stream.connection.keep_alive.interval,
            // An upstream is one host.
            max_idle: stream.connection.pool.max_idle.min(stream.connection.pool.max_idle_per_host),
        },
        list,
    });
    let rest = rest?;
    if stream.url.scheme() != "https" && !is_loopback(&stream.url) && rest.outbound.carries_credential() {
        let hint = "tokens can be read on the way; use https";
        compiler.report.warning(&stream.url.place, "credentials are sent over plain http", hint);
    }
    rest.with(upstream)
}

/// What the sections of bridges and proxies have in common.
struct Common<'a> {
    name: &'a Placed<String>,
    namespace: &'a ToolNamespace,
    authorization: &'a AppAuthorization,
}

/// The limits of bridges and proxies.
#[derive(Clone, Copy)]
struct AppLimits {
    tools: usize,
    response: usize,
}

impl AppLimits {
    fn compile(
        tools: &Placed<u64>,
        response_bytes: &Placed<u64>,
        compiler: &mut Compiler<'_>,
    ) -> Option<Self> {
        let tools = compiler.within(tools, 1..=100_000);
        let response = compiler.within(response_bytes, 1_024..=LARGEST);
        Some(Self { tools: size(tools?)?, response: size(response?)? })
    }
}

fn size(number: u64) -> Option<usize> {
    usize::try_from(number).ok()
}

/// What bridges and proxies have in common.
struct AppParts {
    name: AppName,
    namespace: Namespace,
    inbound: Vec<Policy>,
    listing: Vec<Policy>,
    outbound: Outbound,
    limits: AppLimits,
}

impl AppParts {
    fn compile(
        written: &Common<'_>,
        limits: Option<AppLimits>,
        root: &Root,
        compiler: &mut Compiler<'_>,
    ) -> Option<Self> {
        let Common { name, namespace, authorization } = *written;
        let namespace = self::namespace(name, namespace, compiler);
        let inbound = policy::compile_point(&authorization.inbound, Point::ToolCall, compiler);
        let listing = policy::compile_point(&authorization.listing, Point::Listing, compiler);
        let outbound = outbound::compile(authorization, root, compiler);
        Some(Self {
            name: AppName::new(name.value.clone()),
            namespace: namespace?,
            inbound,
            listing,
            outbound: outbound?,
            limits: limits?,
        })
    }

    #[allow(clippy::unnecessary_wraps, reason = "reads as the end of an optional chain at both callers")]
    fn with(self, upstream: Upstream) -> Option<McpApp> {
        let Self { name, namespace, inbound, listing, outbound, limits } = self;
        let AppLimits { tools: most_tools, response: largest_response } = limits;
        let origin = origin_of(match &upstream {
            Upstream::Bridge { bridge, .. } => &bridge.base,
            Upstream::Proxy(proxy) => &proxy.url,
        });
        Some(McpApp {
            name,
            namespace,
            upstream,
            origin,
            inbound,
            listing,
            outbound,
            most_tools,
            largest_response,
        })
    }
}

fn namespace(
    app: &Placed<String>,
    written: &ToolNamespace,
    compiler: &mut Compiler<'_>,
) -> Option<Namespace> {
    match (&written.name, written.disabled) {
        (Some(name), true) => {
            compiler.report.error_with(
                &name.place,
                "the namespace is disabled",
                "remove `name` or `disabled`",
            );
            None
        }
        (None, true) => Some(Namespace::Disabled),
        (None, false) => Some(Namespace::from_app_name(app)),
        (Some(name), false) => match Namespace::parse(name) {
            Ok(namespace) => Some(namespace),
            Err(error) => {
                compiler.report.error(&name.place, error.to_string());
                None
            }
        },
    }
}

/// The tools of a bridge. An operation that cannot be bridged is a warning: the others stand.
fn bridge(app: &BridgeApp, most_tools: usize, compiler: &mut Compiler<'_>) -> Option<Bridge> {
    let openapi = &app.openapi;
    let (spec, file, line) = match (&openapi.spec.uri, &openapi.spec.data) {
        (Some(uri), None) => {
            (spec_file(uri, openapi.sha256.as_ref(), compiler)?, Arc::from(uri.as_str()), None)
        }
        (None, Some(data)) => {
            if let Some(hash) = &openapi.sha256 {
                let hint = "remove it: the description is in this file";
                compiler.report.error_with(&hash.place, "`sha256` pins a `uri`", hint);
            }
            (data.value.clone(), Arc::clone(compiler.report.file()), Some(data.place.at))
        }
        (Some(_), Some(data)) => {
            compiler.report.error(&data.place, "`uri` and `data` exclude each other");
            return None;
        }
        (None, None) => {
            compiler.report.error_with(
                &openapi.spec.place,
                "an API without description",
                "write `uri` or `data`",
            );
            return None;
        }
    };
    let options = CompileOptions {
        base_url: openapi.base_url.as_ref().map(|url| url.value.to_string()),
        output_schemas: match app.output_schema {
            OutputSchema::Strict => OutputSchemas::Strict,
            OutputSchema::Report => OutputSchemas::Report,
            OutputSchema::Off => OutputSchemas::Off,
        },
        most_tools,
    };
    let finding = |severity: Severity, problem: &openapi::Problem| Problem {
        severity,
        file: Arc::clone(&file),
        line: line.map_or(1, |at| at.line),
        column: line.map_or(1, |at| at.column),
        path: openapi.spec.place.path.clone(),
        message: problem.to_string(),
        hint: None,
    };
    match openapi::compile(&spec, &options) {
        Ok(bridge) => {
            bridge
                .refused
                .iter()
                .for_each(|problem| compiler.report.foreign(finding(Severity::Warning, problem)));
            for problem in &bridge.omitted {
                let finding = finding(Severity::Warning, problem);
                let message = format!("a tool is without a part: {}", finding.message);
                compiler.report.foreign(Problem { message, ..finding });
            }
            if bridge.left_out > 0 {
                let message = format!(
                    "the last {} operations of the description are left out: `tools` is {most_tools}",
                    bridge.left_out
                );
                compiler.report.warning(
                    &app.limits.place.child("tools"),
                    message,
                    "raise it to have them too",
                );
            }
            Some(bridge)
        }
        Err(problems) => {
            for problem in &problems {
                compiler.report.foreign(finding(Severity::Error, problem));
            }
            None
        }
    }
}

/// Reads an API description, JSON or YAML, and compares it with its pin.
fn spec_file(
    uri: &Placed<String>,
    pin: Option<&Placed<String>>,
    compiler: &mut Compiler<'_>,
) -> Option<Value> {
    if uri.starts_with("http://") || uri.starts_with("https://") {
        let hint = "download it once, review it, and name it as file:///path";
        compiler.report.error_with(&uri.place, "API descriptions are not fetched over the network", hint);
        return None;
    }
    let bytes = compiler.file(uri, MAX_SPEC_BYTES)?;
    if let Some(pin) = pin {
        let found = hexadecimal(&Sha256::digest(&bytes));
        if pin.trim_start_matches("sha256:").to_lowercase() != found {
            compiler
                .report
                .error(&pin.place, format!("the description has changed: its digest is now {found}"));
            return None;
        }
    }
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{') {
        return match serde_json::from_slice(&bytes) {
            Ok(spec) => Some(spec),
            Err(error) => {
                compiler.report.error(&uri.place, format!("not valid JSON: {error}"));
                None
            }
        };
    }
    let source = Source { file: Arc::from(uri.as_str()), bytes };
    let mut findings = Report::new(&source.file);
    let spec = yaml::parse_within(&source, MAX_SPEC_BYTES, &mut findings).map(|node| json(&node));
    let failed = findings.has_errors();
    findings.into_problems().into_iter().for_each(|problem| compiler.report.foreign(problem));
    spec.filter(|_| !failed)
}
