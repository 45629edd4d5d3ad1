//! `init`: a starter configuration with fresh secrets.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;

use gatehouse_audit::checkpoint::CheckpointKey;
use gatehouse_config::problem::Problem;
use gatehouse_config::source::Source;
use gatehouse_config::source::environment::Environment;
use gatehouse_config::starter::{PublicUrl, Starter, starter};
use gatehouse_identity::rng::Rng as _;
use gatehouse_identity::secret::Secret;
use gatehouse_identity::static_key::{self, KeyHash};

use super::output::{Failure, line};
use super::secret::password_hash;
use crate::gateway::load::{LoadFailure, from_source};
use crate::host::{DiskLoader, SystemRng};

/// Where the key of the audit log is kept, beside the configuration.
const AUDIT_KEY_FILE: &str = "gatehouse-audit-key.pem";

/// Random bytes of the first user's password.
const PASSWORD_BYTES: usize = 18;

#[derive(Args)]
pub(super) struct Init {
    /// Where clients will reach the gateway: an origin without a path; https unless it is this machine
    #[arg(long, value_name = "URL", default_value = "http://localhost:9420")]
    public_url: PublicUrl,
    /// The name of the first user
    #[arg(long, value_name = "NAME", default_value = "admin")]
    username: String,
    /// Serve tools only: no models, and so no key of a model provider
    #[arg(long)]
    without_models: bool,
}

pub(super) fn run(init: &Init, config: Option<PathBuf>) -> Result<(), Failure> {
    let named = config.as_ref().map(|path| format!(" --config {}", path.display())).unwrap_or_default();
    let path = config.unwrap_or_else(|| PathBuf::from("gatehouse.yaml"));
    if path.symlink_metadata().is_ok() {
        return Err(exists(&path));
    }
    let password = Secret::new(SystemRng.token(PASSWORD_BYTES));
    let key = (!init.without_models).then(|| static_key::generate(&SystemRng));
    let key_hash = key.as_ref().map(|key| KeyHash::of(key.expose()).to_string());
    let password_hash = password_hash(&password)?;
    let text = |audit_key: &str| {
        let values = Starter {
            public_url: &init.public_url,
            username: &init.username,
            password_hash: &password_hash,
            key_hash: key_hash.as_deref(),
            audit_key,
        };
        starter(&values).map_err(|error| Failure::new("the starter configuration", error))
    };
    let audit_key = CheckpointKey::generate().map_err(|error| Failure::new("the audit key", error))?;
    let pem = audit_key.to_pem().map_err(|error| Failure::new("the audit key", error))?;
    // While the file of the key is not there, the key itself takes its place.
    let body: String = pem.expose().lines().filter(|line| !line.starts_with("-----")).collect();
    prove(&path, &text(&body)?, &init.username)?;
    let key_file = path.with_file_name(AUDIT_KEY_FILE);
    let is_new = key_file.symlink_metadata().is_err();
    if is_new {
        write(&key_file, pem.expose())?;
    }
    write(&path, &text(&format!("file://{AUDIT_KEY_FILE}"))?)?;
    let (shown, signing) = (path.display(), key_file.display());
    line(format!("{shown}: written, readable by you only"))?;
    if is_new {
        line(format!("{signing}: signs the audit log; its public key is {}", audit_key.public()))?;
    } else {
        line(format!("{signing}: was there and signs the audit log"))?;
    }
    line(format!("sign-in:  {} / {}", init.username, password.expose()))?;
    let url = init.public_url.as_str();
    let claude = format!("`claude mcp add --transport http --client-id claude-code gatehouse {url}/mcp`");
    let Some(key) = key else {
        line("Keep it now: the file holds only its hash.")?;
        line(format!("Next: run `gatehouse{named} check` and `gatehouse{named} serve`."))?;
        return line(format!("Claude Code: {claude}."));
    };
    line(format!("API key:  {}", key.expose()))?;
    line("Keep both now: the file holds only their hashes.")?;
    line(format!(
        "Next: put the key of your provider account into ANTHROPIC_API_KEY, then run `gatehouse{named} check` and \
         `gatehouse{named} serve`."
    ))?;
    line(format!(
        "Claude Code: {claude}, and for models ANTHROPIC_BASE_URL={url} with the API key as ANTHROPIC_AUTH_TOKEN."
    ))
}

/// Whether the text would run, so that a wrong argument is found before a file is made. There is no file to point
/// into: what is wrong with the name of the user is told of its flag.
fn prove(path: &Path, text: &str, username: &str) -> Result<(), Failure> {
    let source = Source::new(&path.display().to_string(), text);
    let environment: Environment = [("ANTHROPIC_API_KEY", "set-by-the-operator")].into_iter().collect();
    let failure = match from_source(&source, &environment, &DiskLoader::beside(path)) {
        Ok(_) => return Ok(()),
        Err(LoadFailure::Refused(problems)) => problems,
        Err(other) => return Err(other.into()),
    };
    let said = |problem: &Problem| {
        let about = if problem.path.contains(".users[0]") {
            format!("--username {username:?}")
        } else {
            format!("the starter configuration: {}", problem.path)
        };
        format!("{about}: {}", problem.message)
    };
    Err(Failure::Failed(failure.iter().map(said).collect::<Vec<_>>().join("; ")))
}

/// Makes the file; one that is there is left alone.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = made.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(path),
        _ => Failure::new(&path.display().to_string(), error),
    })
}

fn exists(path: &Path) -> Failure {
    Failure::Failed(format!(
        "{} exists and is not overwritten; move it away, or name another file",
        path.display()
    ))
}
