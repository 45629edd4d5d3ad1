//! The binary, running.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::raw_http::{self, Request, Response};

/// The host that every gateway of the tests is known by.
pub const HOST: &str = "gw.example.com";
/// How long anything may take that the tests wait for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at something that is waited for.
const MOMENT: Duration = Duration::from_millis(10);

/// The binary under test: the one that `GATEHOUSE_BIN` names, else `built`.
#[expect(clippy::disallowed_methods, reason = "tests are told by the environment which binary to start")]
pub fn binary(built: &str) -> PathBuf {
    PathBuf::from(std::env::var("GATEHOUSE_BIN").unwrap_or_else(|_| built.to_owned()))
}

/// A run that has ended.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Runs the binary in `folder` to its end, or panics when that takes more than a minute.
pub fn run(binary: &Path, folder: &Path, arguments: &[&str], input: &str) -> Ran {
    let mut child = command(binary, folder)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads nothing may be gone already.
    let _gone = child.stdin.take().unwrap().write_all(input.as_bytes());
    let (out, err) = (collected(child.stdout.take().unwrap()), collected(child.stderr.take().unwrap()));
    let status = ended(&mut child, &format!("{arguments:?}"));
    Ran { code: status.code(), out: out.join().unwrap(), err: err.join().unwrap() }
}

fn command(binary: &Path, folder: &Path) -> Command {
    let mut command = Command::new(binary);
    command.current_dir(folder).env_clear();
    for (name, value) in ENVIRONMENT {
        command.env(name, OsString::from(value));
    }
    command
}

/// What the binary finds in its environment.
pub const ENVIRONMENT: [(&str, &str); 6] = [
    ("IDP_SECRET", "wHf2rT0pZ8sV4qL1"),
    ("BATCH_SECRET", "nY7cQ3kX9mB5dJ2e"),
    ("EMPLOYEES_KEY", "tR6vW1zA8gF4hS0u"),
    ("ANTHROPIC_KEY", "sk-ant-nothing-real-but-long"),
    ("ANTHROPIC_API_KEY", "sk-ant-nothing-real-but-long"),
    ("DATABASE_URL", "postgres://gatehouse@db/gatehouse"),
];

fn collected(mut from: impl std::io::Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn ended(child: &mut Child, what: &str) -> ExitStatus {
    let status = wait_for(|| child.try_wait().unwrap());
    if status.is_none() {
        child.kill().unwrap();
    }
    status.unwrap_or_else(|| panic!("{what} has not ended within {PATIENCE:?}"))
}

/// Looks until there is something to see, for a minute.
pub fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    for _ in 0..PATIENCE.as_millis() / MOMENT.as_millis() {
        if let Some(seen) = look() {
            return Some(seen);
        }
        std::thread::sleep(MOMENT);
    }
    None
}

#[derive(Default)]
struct Log {
    lines: Mutex<(Vec<String>, bool)>,
    more: Condvar,
}

impl Log {
    fn follow(self: &Arc<Self>, from: impl std::io::Read + Send + 'static) {
        let log = Arc::clone(self);
        std::thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                log.lines.lock().unwrap_or_else(PoisonError::into_inner).0.push(line);
                log.more.notify_all();
            }
            log.lines.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
            log.more.notify_all();
        });
    }

    /// The first line whose message is `message`, or `None` when the log ends without it.
    fn message(&self, message: &str) -> Option<Value> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let found = |lines: &[String]| {
            let mut parsed = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            parsed.find(|line| line["message"] == message)
        };
        let unseen = |(lines, over): &mut (Vec<String>, bool)| !*over && found(lines).is_none();
        let (lines, _) =
            self.more.wait_timeout_while(lines, PATIENCE, unseen).unwrap_or_else(PoisonError::into_inner);
        found(&lines.0)
    }

    /// All lines, once there will be no more.
    fn whole(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let over = self.more.wait_timeout_while(lines, PATIENCE, |(_, over)| !*over);
        drop(over);
        self.text()
    }

    fn text(&self) -> String {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).0.join("\n")
    }
}

/// A gateway that serves until it is dropped.
pub struct Gateway {
    child: Child,
    folder: TempDir,
    log: Arc<Log>,
    /// The authority that clients name in `Host`.
    pub host: String,
    /// The origin that browsers see.
    pub origin: String,
    /// Where clients reach it.
    pub public: SocketAddr,
    /// Where operators reach it.
    pub admin: SocketAddr,
}

impl Gateway {
    /// Starts `binary` with these files in a folder of its own; the first is the configuration.
    pub fn serve(binary: &Path, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        Self::serve_in(binary, folder, files[0].0)
    }

    /// Starts `binary` in a folder that is there already.
    pub fn serve_in(binary: &Path, folder: TempDir, configuration: &str) -> Self {
        let mut child = command(binary, folder.path())
            .args(["--config", configuration, "serve"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Log::default());
        log.follow(child.stderr.take().unwrap());
        let Some(line) = log.message("serving") else {
            let _gone = child.kill();
            panic!("the gateway does not serve:\n{}", log.text());
        };
        let address = |name: &str| line[name].as_str().and_then(|text| text.parse().ok());
        let public: SocketAddr = address("http.address").unwrap();
        Self {
            public: reachable(public),
            admin: address("admin.address").unwrap(),
            host: HOST.to_owned(),
            origin: format!("https://{HOST}"),
            child,
            folder,
            log,
        }
    }

    /// The same gateway, known by its address instead of a name.
    #[must_use]
    pub fn by_address(mut self) -> Self {
        self.host = self.public.to_string();
        self.origin = format!("http://{}", self.host);
        self
    }

    /// Sends a request to the public listener.
    pub fn send(&self, request: &Request) -> Response {
        raw_http::send(self.public, &self.host, request).unwrap()
    }

    /// Sends a request to the admin listener, under the name that its configuration gives it.
    pub fn ask_admin(&self, request: &Request) -> Response {
        raw_http::send(self.admin, "127.0.0.1:0", request).unwrap()
    }

    /// Everything that it has logged.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// The audit log as it stands.
    pub fn audit_text(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("audit.jsonl")).unwrap_or_default()
    }

    /// The audit records as they stand.
    pub fn audit(&self) -> Vec<Value> {
        let text = self.audit_text();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The audit record of the request with this id, once it is written.
    pub fn audited(&self, request_id: &str) -> Option<Value> {
        let of_request = |record: &Value| record["request"]["id"] == request_id;
        wait_for(|| self.audit().into_iter().find(of_request))
    }

    /// Tells it to stop, as an operator does, and waits until it has begun to.
    pub fn begin_to_stop(&self) {
        self.terminate();
        assert!(self.log.message("draining").is_some(), "{}", self.log.text());
    }

    fn terminate(&self) {
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(told.success());
    }

    /// Stops it as an operator does, and gives back its folder.
    pub fn stop(mut self) -> Stopped {
        self.terminate();
        let status = ended(&mut self.child, "the gateway");
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        Stopped { folder, code: status.code(), log: self.log.whole() }
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// What a stopped gateway leaves.
pub struct Stopped {
    /// Its folder, with store and audit log.
    pub folder: TempDir,
    /// The exit code.
    pub code: Option<i32>,
    /// Everything that it logged.
    pub log: String,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A port that nobody listens on, outside the range from which the system takes ports for connections.
pub fn free_port() -> u16 {
    let candidates = (0..1_000).map(|_| {
        let mut bytes = [0; 2];
        aws_lc_rs::rand::fill(&mut bytes).unwrap();
        12_000 + u16::from_le_bytes(bytes) % 18_000
    });
    let mut free = candidates.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.next().unwrap()
}

/// The loopback address that leads to a listener on every address.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() { SocketAddr::from(([127, 0, 0, 1], address.port())) } else { address }
}
