//! Servers that run while something is measured, each on a core of its own choosing.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// Clock ticks a second in /proc/PID/stat; fixed on Linux for what user space sees.
const TICKS: f64 = 100.0;
/// How long a server may take to start, and to stop: so many times [`MOMENT`].
const MOMENTS: u32 = 400;
const MOMENT: Duration = Duration::from_millis(25);

/// A running server, which is stopped when this is dropped.
pub(super) struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

/// Resident memory in MB.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Memory {
    pub(super) now: f64,
    /// The most it ever was.
    pub(super) peak: f64,
}

/// `program` on one core. The command still needs its arguments.
pub(super) fn pinned(core: &str, program: impl AsRef<OsStr>) -> Command {
    // Should this program be killed, its servers stop, too.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "taskset", "-c", core]).arg(program).stdin(Stdio::null());
    command
}

impl Process {
    /// Starts a server that writes to a log in `folder`, and waits until `path` on the loopback `port` answers 200.
    pub(super) fn start(
        name: &'static str,
        mut command: Command,
        folder: &Path,
        (port, path): (u16, &str),
    ) -> Result<Self, String> {
        let log = folder.join(format!("{name}.log"));
        let open = || File::create(&log).map_err(|error| format!("{}: {error}", log.display()));
        let output = open()?;
        let errors = output.try_clone().map_err(|error| error.to_string())?;
        let child = command.current_dir(folder).stdout(output).stderr(errors).spawn();
        let child = child.map_err(|error| format!("{name} cannot be started: {error}"))?;
        let mut process = Self { name, child, log };
        for _ in 0..MOMENTS {
            if let Ok(Some(status)) = process.child.try_wait() {
                return Err(format!("{name} stopped at once: {status}\n{}", process.said()));
            }
            if status(port, path) == Some(200) {
                return Ok(process);
            }
            sleep(MOMENT);
        }
        Err(format!("{name} does not answer 200 at http://127.0.0.1:{port}{path}\n{}", process.said()))
    }

    /// What it wrote to its standard output and error last.
    pub(super) fn said(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let last = lines.get(lines.len().saturating_sub(40)..).unwrap_or_default();
        format!("{} said:\n{}", self.name, last.join("\n"))
    }

    /// Processor time of the process and its children so far, in seconds.
    pub(super) fn cpu_seconds(&self) -> Result<f64, String> {
        self.ids().into_iter().map(|id| Ok(ticks(&read(id, "stat")?) / TICKS)).sum()
    }

    /// Resident memory of the largest of the process and its children: with nginx, of the worker.
    pub(super) fn memory(&self) -> Result<Memory, String> {
        let mut largest = Memory::default();
        for id in self.ids() {
            let status = read(id, "status")?;
            let memory = Memory { now: megabytes(&status, "VmRSS:"), peak: megabytes(&status, "VmHWM:") };
            largest = if memory.peak > largest.peak { memory } else { largest };
        }
        Ok(largest)
    }

    fn ids(&self) -> Vec<u32> {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        std::iter::once(id).chain(children.split_whitespace().filter_map(|id| id.parse().ok())).collect()
    }
}

impl Drop for Process {
    /// Asks first: nginx leaves its worker behind when its master is killed.
    fn drop(&mut self) {
        let ids = self.ids();
        let signal = |name: &str, id: &u32| {
            let mut command = Command::new("kill");
            command.args([name, &id.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
            drop(command.status());
        };
        signal("-TERM", &self.child.id());
        for _ in 0..MOMENTS {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            sleep(MOMENT);
        }
        eprintln!("{} does not stop and is killed", self.name);
        for id in &ids {
            signal("-KILL", id);
        }
        drop(self.child.wait());
    }
}

fn read(id: u32, file: &str) -> Result<String, String> {
    let path = format!("/proc/{id}/{file}");
    fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))
}

/// `utime + stime` of a /proc/PID/stat line: the 12th and 13th word after the name, which stands in parentheses.
fn ticks(stat: &str) -> f64 {
    let words = stat.rsplit_once(')').map_or("", |(_, words)| words).split_whitespace();
    words.skip(11).take(2).filter_map(|word| word.parse::<f64>().ok()).sum()
}

fn megabytes(status: &str, name: &str) -> f64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|kilobytes| kilobytes.parse::<f64>().ok()).unwrap_or_default()
        / 1024.0
}

/// The status that a GET gets.
fn status(port: u16, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n").ok()?;
    let mut reply = String::new();
    stream.take(4_096).read_to_string(&mut reply).ok()?;
    reply.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

#[cfg(test)]
mod tests;
