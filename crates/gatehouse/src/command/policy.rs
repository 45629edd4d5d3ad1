//! `policy`: decide on an input by hand, and run the tests of policies.

pub(super) mod suite;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use gatehouse_config::snapshot::Snapshot;
use gatehouse_identity::id::ClientId;
use gatehouse_policy::{Decision, Outcome, Policy, PolicyOptions, PolicySource, RegoVersion};

use self::suite::{Covered, Suite, Tally};
use super::output::{Failure, line};
use crate::gateway::load::load;
use crate::host::files;

/// Largest input that is read, in bytes.
const INPUT_LIMIT: u64 = 16 * 1024 * 1024;

#[derive(Subcommand)]
pub(super) enum PolicyCommand {
    /// Decide on one input and print the decision as JSON; a denial is a decision and exits 0
    Eval(Eval),
    /// Run the `test_*` rules of policies and name the rules that no test depends on; exits 1 when a test does not pass
    Test {
        /// Policies, their `*_test.rego` files, or folders of them
        #[arg(required = true, value_name = "FILE|FOLDER")]
        paths: Vec<PathBuf>,
    },
}

#[derive(Args)]
#[command(group = ArgGroup::new("decided").required(true).args(["policy", "point"]))]
pub(super) struct Eval {
    /// The policy
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Instead of a file, the policies that the configuration has at a decision point: tool-call:APP, listing:APP,
    /// model-call, access-token:CLIENT_ID or id-token:CLIENT_ID; a URL stands for all clients known by a document
    #[arg(long, value_name = "POINT")]
    point: Option<Point>,
    /// The input as JSON; `-` reads standard input
    #[arg(long, value_name = "FILE|-", default_value = "-")]
    input: PathBuf,
    /// The version of Rego that the file is written in
    #[arg(long, value_enum, default_value = "auto", conflicts_with = "point")]
    rego_version: Version,
    /// The package that decides
    #[arg(long, value_name = "NAME", default_value = "orchestrator", conflicts_with = "point")]
    package: String,
    /// The rule of that package that decides
    #[arg(long, value_name = "RULE", default_value = "result", conflicts_with = "point")]
    entry: String,
}

/// A version of Rego.
#[derive(Clone, Copy, ValueEnum)]
enum Version {
    /// v1, and v0 when the text is no v1
    Auto,
    /// Bodies without `if`
    V0,
    /// Bodies with `if`
    V1,
}

/// A decision point of a configuration.
#[derive(Clone)]
enum Point {
    ToolCall(String),
    Listing(String),
    ModelCall,
    AccessToken(String),
    IdToken(String),
}

impl FromStr for Point {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (point, of) = text.split_once(':').unwrap_or((text, ""));
        let of = of.to_owned();
        match (point, of.is_empty()) {
            ("tool-call", false) => Ok(Self::ToolCall(of)),
            ("listing", false) => Ok(Self::Listing(of)),
            ("model-call", true) => Ok(Self::ModelCall),
            ("access-token", false) => Ok(Self::AccessToken(of)),
            ("id-token", false) => Ok(Self::IdToken(of)),
            _ => Err(
                "expected tool-call:APP, listing:APP, model-call, access-token:CLIENT_ID or id-token:CLIENT_ID",
            ),
        }
    }
}

pub(super) fn run(command: PolicyCommand, config: Option<PathBuf>) -> Result<(), Failure> {
    match command {
        PolicyCommand::Eval(eval) => evaluate(&eval, config),
        PolicyCommand::Test { paths } => test(&paths),
    }
}

fn evaluate(eval: &Eval, config: Option<PathBuf>) -> Result<(), Failure> {
    let policies = match (&eval.policy, &eval.point) {
        (Some(file), _) => vec![compile(file, eval)?],
        (None, Some(point)) => configured(point, &load(config)?.snapshot)?,
        (None, None) => return Err(Failure::Failed("name a policy with --policy or --point".to_owned())),
    };
    let input = read_input(&eval.input)?;
    let mut decision = None;
    for policy in &policies {
        let made = policy.evaluate_json(&input);
        let denied = !made.is_allowed();
        decision = Some(made);
        if denied {
            break;
        }
    }
    let shown = decision.as_ref().map_or_else(|| json!({"allowed": true, "policy": null}), shown);
    line(format!("{shown:#}"))
}

fn compile(file: &Path, eval: &Eval) -> Result<Policy, Failure> {
    let name = file.display().to_string();
    let text = files::read_text(file, PolicySource::MAX_BYTES).map_err(|error| Failure::new(&name, error))?;
    let version = match eval.rego_version {
        Version::Auto => RegoVersion::Auto,
        Version::V0 => RegoVersion::V0,
        Version::V1 => RegoVersion::V1,
    };
    let options = PolicyOptions { version, package: eval.package.clone(), entry: eval.entry.clone() };
    let source = PolicySource { name, text };
    Policy::compile(&source, &options).map_err(|error| suite::refused(file, &error))
}

/// The policies that a configuration has at `point`.
fn configured(point: &Point, snapshot: &Snapshot) -> Result<Vec<Policy>, Failure> {
    let app = |name: &str| {
        let apps = snapshot.mcp.iter().flat_map(|mcp| &mcp.apps);
        let found = apps.into_iter().find(|app| app.name.as_str() == name);
        found.ok_or_else(|| {
            Failure::Failed(format!("the configuration has no mcpBridge or mcpProxy app `{name}`"))
        })
    };
    match point {
        Point::ToolCall(name) => app(name).map(|app| app.inbound.clone()),
        Point::Listing(name) => app(name).map(|app| app.listing.clone()),
        Point::ModelCall => match &snapshot.llm {
            Some(llm) => Ok(llm.inbound.clone()),
            None => Err(Failure::Failed("the configuration has no llmProvider".to_owned())),
        },
        Point::AccessToken(id) => minting(id, snapshot).map(|policies| policies.access_token),
        Point::IdToken(id) => minting(id, snapshot).map(|policies| policies.id_token),
    }
}

/// The policies of a client's tokens.
struct Minting {
    access_token: Vec<Policy>,
    id_token: Vec<Policy>,
}

/// The policies of the client that is registered as `id`, or of all clients that are known by a document when `id` is
/// a URL.
fn minting(id: &str, snapshot: &Snapshot) -> Result<Minting, Failure> {
    let server = snapshot.authorization_server.as_ref();
    if let Some(client) = server.and_then(|server| server.clients.get(&ClientId::new(id))) {
        let (access_token, id_token) = (&client.access_token_policies, &client.id_token_policies);
        return Ok(Minting { access_token: access_token.clone(), id_token: id_token.clone() });
    }
    let documents = server.and_then(|server| server.metadata_clients.as_ref());
    let documents = documents.filter(|_| id.starts_with("https://")).ok_or_else(|| {
        Failure::Failed(format!(
            "the configuration registers no client `{id}`, and no document can make it one"
        ))
    })?;
    let (access_token, id_token) = (&documents.access_token_policies, &documents.id_token_policies);
    Ok(Minting { access_token: access_token.clone(), id_token: id_token.clone() })
}

fn read_input(path: &Path) -> Result<Value, Failure> {
    let mut text = String::new();
    let (name, read) = if path.as_os_str() == "-" {
        let read = std::io::stdin().take(INPUT_LIMIT).read_to_string(&mut text);
        ("standard input".to_owned(), read.map(drop))
    } else {
        let limit = usize::try_from(INPUT_LIMIT).unwrap_or(usize::MAX);
        let read = files::read_text(path, limit).map(|read| text = read);
        (path.display().to_string(), read)
    };
    read.map_err(|error| Failure::new(&name, error))?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::new(&format!("{name}: expected the input as JSON"), error))
}

fn shown(decision: &Decision) -> Value {
    let reason = match decision.outcome {
        Outcome::Allow => None,
        Outcome::Deny(reason) => Some(reason.code()),
    };
    json!({
        "allowed": decision.is_allowed(),
        "policy": decision.policy,
        "reason": reason,
        "internal_message": decision.internal_message,
        "external_message": decision.external_message,
    })
}

fn test(paths: &[PathBuf]) -> Result<(), Failure> {
    let mut suites = Vec::new();
    for path in paths {
        suites.extend(Suite::find(path)?);
    }
    let mut tally = Tally::default();
    let mut covered = Covered::default();
    for suite in &suites {
        for test in suite.run()? {
            line(&test)?;
            tally.count(&test);
        }
        for rule in suite.coverage()? {
            covered.count(&rule);
            if !rule.covered {
                line(suite::uncovered(&rule))?;
            }
        }
    }
    line(&covered)?;
    line(&tally)?;
    match (tally.failed, tally.passed) {
        (0, 0) => Err(Failure::Failed("no rule is called `test_*`".to_owned())),
        (0, _) => Ok(()),
        (failed, _) => Err(Failure::Failed(format!("{failed} policy tests did not pass"))),
    }
}
