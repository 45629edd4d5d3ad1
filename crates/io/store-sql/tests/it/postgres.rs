//! A private PostgreSQL cluster in a temporary folder, reachable only through a socket in that folder.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// The server refuses to run as root; as root we run it as `nobody`.
pub(crate) const NOBODY: u32 = 65_534;

/// A running cluster; stopped and removed when dropped.
pub(crate) struct Cluster {
    folder: TempDir,
    binaries: PathBuf,
}

impl Cluster {
    /// Makes and starts a cluster, durable as a production server is.
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("gh-pg").tempdir().unwrap();
        if is_root() {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let cluster = Self { folder, binaries: binaries() };
        let data = cluster.data();
        cluster.run("initdb", &["-D", &data, "-U", "gatehouse", "-A", "trust", "-E", "UTF8", "--locale=C"]);
        cluster.resume();
        cluster
    }

    /// Starts the server again after [`Self::stop`].
    pub(crate) fn resume(&self) {
        let socket = self.folder.path().display();
        let options = format!("-c listen_addresses='' -c unix_socket_directories='{socket}'");
        let log = format!("{socket}/log");
        self.run("pg_ctl", &["-D", &self.data(), "-w", "-t", "60", "-l", &log, "-o", &options, "start"]);
    }

    /// Stops the server as a crash would.
    pub(crate) fn stop(&self) {
        self.run("pg_ctl", &["-D", &self.data(), "-w", "-m", "immediate", "stop"]);
    }

    /// The URL of its one database.
    pub(crate) fn url(&self) -> String {
        format!("postgres://gatehouse@localhost/postgres?host={}", self.folder.path().display())
    }

    /// The folder of its socket.
    pub(crate) fn socket(&self) -> &Path {
        self.folder.path()
    }

    fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let (ok, said) = self.attempt(program, arguments);
        assert!(ok, "{program} failed:\n{said}");
    }

    fn attempt(&self, program: &str, arguments: &[&str]) -> (bool, String) {
        let said = self.folder.path().join("said");
        let output = fs::File::create(&said).unwrap();
        let mut command = Command::new(self.binaries.join(program));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        // A file, not a pipe: the server that pg_ctl leaves behind would keep a pipe open.
        command.stdout(output.try_clone().unwrap()).stderr(output);
        if is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        let status = command.status().unwrap();
        (status.success(), fs::read_to_string(&said).unwrap_or_default())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let data = self.data();
        // Already stopped is as good.
        drop(self.attempt("pg_ctl", &["-D", &data, "-w", "-m", "immediate", "stop"]));
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// The folder of the server's programs: the newest under /usr/lib/postgresql, else where PATH finds `initdb`.
fn binaries() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, folder): &(u32, PathBuf)| is_complete(folder))
        .collect();
    folders.sort();
    let installed = folders.pop().map(|(_, folder)| folder);
    installed.or_else(from_path).expect(
        "these tests need the PostgreSQL server programs (initdb, pg_ctl, postgres), \
         in PATH or under /usr/lib/postgresql: install the Debian package `postgresql-15`",
    )
}

fn from_path() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "the test looks for programs as a shell would")]
    let path = std::env::var("PATH").ok()?;
    path.split(':').map(PathBuf::from).find(|folder| is_complete(folder))
}

fn is_complete(folder: &Path) -> bool {
    ["initdb", "pg_ctl", "postgres"].iter().all(|program| folder.join(program).exists())
}
