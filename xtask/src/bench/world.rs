//! The servers of one bench: upstreams, nginx, Gatehouse. Everything is on loopback and in one folder below `target`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::Value;

use super::Target;
use super::process::{Process, pinned};
use super::scenario::Scenario;

/// Of what is measured.
const GATEWAY_CORE: &str = "0";
/// Of load and upstreams.
const LOAD_CORE: &str = "1";

const NGINX: &[&str] = &["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/bin/nginx"];

pub(super) struct World {
    release: PathBuf,
    upstream_port: u16,
    client_secret: String,
    servers: BTreeMap<Target, Server>,
    /// Outlives what is in front of it.
    _upstream: Server,
    folder: Folder,
}

/// A running server, the port that it serves and the folder that it runs in.
struct Server {
    process: Process,
    port: u16,
    folder: PathBuf,
}

/// A folder that is removed with all that is in it.
struct Folder(PathBuf);

/// One request, as the load generator takes it.
pub(super) struct Request {
    arguments: Vec<String>,
}

/// What the load generator reports; times in microseconds.
#[derive(Deserialize)]
pub(super) struct Load {
    pub(super) requests: f64,
    pub(super) seconds: f64,
    pub(super) bytes: f64,
    pub(super) events: f64,
    pub(super) latency_us: Spread,
    pub(super) first_token_us: Spread,
    pub(super) statuses: serde_json::Map<String, Value>,
    pub(super) errors: serde_json::Map<String, Value>,
}

#[derive(Deserialize)]
pub(super) struct Spread {
    pub(super) p50: f64,
    pub(super) p99: f64,
}

impl World {
    /// Starts the upstreams and `targets`; a server that does not come up is an error with what it said.
    /// `before` is the binary behind [`Target::Before`].
    pub(super) fn open(root: &Path, targets: &[Target], before: Option<&Path>) -> Result<Self, String> {
        let release = root.join("target/release");
        let folder = Folder::new(root.join(format!("target/bench-{}", std::process::id())))?;
        let [upstream_port] = free_ports()?;
        let client_secret = secret()?;
        let upstream = upstream(&release, &folder.0, upstream_port)?;
        let mut servers = BTreeMap::new();
        for target in targets {
            let of = |binary: &Path| {
                gatehouse(root, binary, folder.0.join(target.to_string()), upstream_port, &client_secret)
            };
            let server = match target {
                Target::Direct => continue,
                Target::Nginx => nginx(root, &folder.0, upstream_port)?,
                Target::Gatehouse => of(&release.join("gatehouse"))?,
                Target::Before => of(before.ok_or("no older binary is given")?)?,
            };
            servers.insert(*target, server);
        }
        Ok(Self { release, upstream_port, client_secret, servers, _upstream: upstream, folder })
    }

    /// The server behind a target; none is behind `direct`.
    pub(super) fn process(&self, target: Target) -> Option<&Process> {
        self.servers.get(&target).map(|server| &server.process)
    }

    /// The credential of a scenario's requests to one target.
    pub(super) fn credential(&self, scenario: Scenario, target: Target) -> Result<String, String> {
        if !target.is_gatehouse() {
            // As long as a token, for those who do not look at it.
            return Ok("x".repeat(700));
        }
        let request = self.token_request(scenario, target)?;
        let reply = self.command("fetch", &request).output().map_err(|error| error.to_string())?;
        let json: Value = serde_json::from_slice(&reply.stdout).unwrap_or_default();
        json.get("access_token").and_then(Value::as_str).map(str::to_owned).ok_or_else(|| {
            let said = String::from_utf8_lossy(&reply.stderr).into_owned();
            self.blame(target, &format!("no token for {scenario}: {said}"))
        })
    }

    /// The request of a scenario to one target.
    pub(super) fn request(
        &self,
        scenario: Scenario,
        target: Target,
        credential: &str,
    ) -> Result<Request, String> {
        if scenario.is_token() {
            return self.token_request(scenario, target);
        }
        let body = self.folder.0.join(format!("{scenario}.json"));
        if !body.exists() {
            let payload =
                Command::new(self.release.join("bench-load")).args(["payload", scenario.name()]).output();
            let payload = payload.map_err(|error| error.to_string())?.stdout;
            write(&body, payload.trim_ascii_end())?;
        }
        let authorization = format!("authorization: Bearer {credential}");
        let headers = scenario.headers().iter().copied().chain([authorization.as_str()]);
        Ok(Request::new(&self.url(target, scenario.path(target)), headers, &body, scenario.sizes()))
    }

    /// A run of the load generator; anything but 200 with the expected events is an error.
    pub(super) fn load(&self, request: &Request, connections: u32, seconds: f64) -> Result<Load, String> {
        let mut command = self.command("run", request);
        command.args(["--connections", &connections.to_string(), "--seconds", &seconds.to_string()]);
        let output = command.stderr(Stdio::inherit()).output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(format!("the load generator failed: {}", output.status));
        }
        serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("the load generator's report: {error}"))
    }

    /// Tokens a second that one core signs with no server around it, on the core that Gatehouse has.
    pub(super) fn signing(&self, algorithm: &str, seconds: f64) -> Result<f64, String> {
        let mut command = pinned(GATEWAY_CORE, self.release.join("bench-signing"));
        command.args(["--algorithm", algorithm, "--seconds", &seconds.to_string()]);
        let output = command.stderr(Stdio::inherit()).output().map_err(|error| error.to_string())?;
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let speed = report.get("per_second").and_then(Value::as_f64);
        speed.ok_or_else(|| format!("signing with {algorithm} failed: {}", output.status))
    }

    /// How many bytes of audit records there are at `target`; none where nothing writes any.
    pub(super) fn audit_bytes(&self, target: Target) -> Result<u64, String> {
        let Some(server) = self.servers.get(&target).filter(|_| target.is_gatehouse()) else { return Ok(0) };
        let path = server.folder.join("audit.jsonl");
        fs::metadata(&path).map(|file| file.len()).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// A problem with what the server behind `target` said last.
    pub(super) fn blame(&self, target: Target, problem: &str) -> String {
        format!("{problem}\n{}", self.process(target).map(Process::said).unwrap_or_default())
    }

    fn command(&self, what: &str, request: &Request) -> Command {
        let mut command = pinned(LOAD_CORE, self.release.join("bench-load"));
        command.arg(what).args(&request.arguments);
        command
    }

    fn token_request(&self, scenario: Scenario, target: Target) -> Result<Request, String> {
        let grant = scenario.grant();
        let body = self.folder.0.join(format!("{scenario}-{target}.form"));
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&scope=invoices%3Aread&resource={}",
            grant.client,
            self.client_secret,
            self.url(target, grant.resource).replace(':', "%3A").replace('/', "%2F"),
        );
        write(&body, form.as_bytes())?;
        let url = self.url(target, "/oauth2/token");
        Ok(Request::new(&url, ["content-type: application/x-www-form-urlencoded"].into_iter(), &body, 1))
    }

    fn url(&self, target: Target, path: &str) -> String {
        let port = self.servers.get(&target).map_or(self.upstream_port, |server| server.port);
        format!("http://127.0.0.1:{port}{path}")
    }
}

impl Request {
    fn new<'a>(url: &str, headers: impl Iterator<Item = &'a str>, body: &Path, sizes: u32) -> Self {
        let mut arguments = vec!["--url".to_owned(), url.to_owned()];
        for header in headers {
            arguments.extend(["--header".to_owned(), header.to_owned()]);
        }
        arguments.extend(["--body".to_owned(), body.display().to_string()]);
        arguments.extend(["--sizes".to_owned(), sizes.to_string()]);
        Self { arguments }
    }
}

impl Folder {
    fn new(path: PathBuf) -> Result<Self, String> {
        fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{} is left behind: {error}", self.0.display());
        }
    }
}

/// Ports that nobody listens on.
fn free_ports<const COUNT: usize>() -> Result<[u16; COUNT], String> {
    // All are held until all are known, so that they differ.
    let sockets = [(); COUNT].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    let mut ports = [0; COUNT];
    for (port, socket) in ports.iter_mut().zip(&sockets) {
        let socket = socket.as_ref().map_err(ToString::to_string)?;
        *port = socket.local_addr().map_err(|error| error.to_string())?.port();
    }
    Ok(ports)
}

fn upstream(release: &Path, folder: &Path, port: u16) -> Result<Server, String> {
    let mut command = pinned(LOAD_CORE, release.join("bench-upstream"));
    command.args(["--port", &port.to_string()]);
    let process = Process::start("upstream", command, folder, (port, "/health"))?;
    Ok(Server { process, port, folder: folder.to_owned() })
}

fn nginx(root: &Path, folder: &Path, upstream_port: u16) -> Result<Server, String> {
    let binary = NGINX.iter().find(|path| Path::new(path).exists());
    let binary = binary.ok_or("nginx is not installed; `cargo xtask setup --bench` installs it")?;
    let [port] = free_ports()?;
    let written = root.join("bench/nginx.conf");
    let text = fs::read_to_string(&written).map_err(|error| format!("{}: {error}", written.display()))?;
    let text = text
        .replace("@UPSTREAM_PORT@", &upstream_port.to_string())
        .replace("@NGINX_PORT@", &port.to_string());
    write(&folder.join("nginx.conf"), text.as_bytes())?;
    let prefix = format!("{}/", folder.display());
    let mut command = pinned(GATEWAY_CORE, binary);
    command.args(["-p", &prefix, "-c", "nginx.conf", "-e", "error.log", "-g", "daemon off;"]);
    let process = Process::start("nginx", command, folder, (port, "/health"))?;
    Ok(Server { process, port, folder: folder.to_owned() })
}

fn gatehouse(
    root: &Path,
    binary: &Path,
    folder: PathBuf,
    upstream_port: u16,
    client_secret: &str,
) -> Result<Server, String> {
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let config = folder.join("gatehouse.yaml");
    fs::copy(root.join("bench/gatehouse.yaml"), &config)
        .map_err(|error| format!("bench/gatehouse.yaml: {error}"))?;
    // The server runs in its folder, where a relative path would lead elsewhere.
    let binary = fs::canonicalize(binary).map_err(|error| format!("{}: {error}", binary.display()))?;
    let [port, admin_port] = free_ports()?;
    let mut command = pinned(GATEWAY_CORE, binary);
    command
        .arg("serve")
        .arg("--config")
        .arg(&config)
        .env("BENCH_GATEHOUSE_PORT", port.to_string())
        .env("BENCH_ADMIN_PORT", admin_port.to_string())
        .env("BENCH_UPSTREAM_PORT", upstream_port.to_string())
        .env("BENCH_CLIENT_SECRET", client_secret)
        .env("BENCH_GATEWAY_SECRET", secret()?)
        .env("BENCH_PROVIDER_KEY", secret()?);
    let process = Process::start("gatehouse", command, &folder, (admin_port, "/readyz"))?;
    Ok(Server { process, port, folder })
}

/// 128 random bits as text.
fn secret() -> Result<String, String> {
    let mut bytes = [0; 16];
    let filled = File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes));
    filled.map_err(|error| format!("/dev/urandom: {error}"))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::write(path, bytes).map_err(|error| format!("{}: {error}", path.display()))
}
