//! A PgBouncer in front of a cluster, reachable only through a socket in a temporary folder.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::postgres::{Cluster, NOBODY};

/// A running pooler; stopped and removed when dropped.
pub(crate) struct Pooler {
    folder: TempDir,
    process: Child,
}

impl Pooler {
    /// Starts one in transaction mode, with fewer servers than clients, so that neighbouring transactions of one client
    /// meet at different ones.
    pub(crate) fn start(cluster: &Cluster, settings: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("gh-pgb").tempdir().unwrap();
        let at = folder.path().display();
        let configuration = format!(
            "[databases]\n* = host={}\n[pgbouncer]\nlisten_addr =\nlisten_port = 6432\nunix_socket_dir = {at}\n\
             auth_type = trust\nauth_file = {at}/users\npool_mode = transaction\ndefault_pool_size = 3\n\
             max_client_conn = 100\n{settings}\n",
            cluster.socket().display()
        );
        fs::write(folder.path().join("pgbouncer.ini"), configuration).unwrap();
        fs::write(folder.path().join("users"), "\"gatehouse\" \"\"\n").unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(program());
        command.arg(folder.path().join("pgbouncer.ini")).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        if fs::metadata("/proc/self").unwrap().uid() == 0 {
            for entry in fs::read_dir(folder.path()).unwrap() {
                chown(entry.unwrap().path(), Some(NOBODY), Some(NOBODY)).unwrap();
            }
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
            command.uid(NOBODY).gid(NOBODY);
        }
        let process = command.spawn().unwrap();
        let pooler = Self { folder, process };
        pooler.wait();
        pooler
    }

    /// The URL of the cluster's one database, through the pooler.
    pub(crate) fn url(&self) -> String {
        format!("postgres://gatehouse@localhost:6432/postgres?host={}", self.folder.path().display())
    }

    #[expect(clippy::disallowed_methods, reason = "the test waits for another process")]
    fn wait(&self) {
        let (socket, began) = (self.folder.path().join(".s.PGSQL.6432"), Instant::now());
        while !socket.exists() {
            let said = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(began.elapsed() < Duration::from_secs(10), "the pooler does not listen:\n{said}");
            sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // Already ended is as good.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn program() -> PathBuf {
    let places = ["/usr/sbin/pgbouncer", "/usr/local/bin/pgbouncer", "/usr/bin/pgbouncer"];
    let installed = places.iter().map(Path::new).find(|place| place.exists());
    installed.expect("these tests need a pooler: install the Debian package `pgbouncer`").to_owned()
}
