//! `cargo xtask setup`: installs what the tests need, pinned, and only what is not there yet.

use std::fs;
use std::path::{Path, PathBuf};

use crate::step::Step;

/// A program that comes as a Debian package.
struct Program {
    package: &'static str,
    /// Places where it may be; `*` stands for one folder of any name.
    paths: &'static [&'static str],
}

const FOR_TESTS: &[Program] = &[
    Program {
        package: "postgresql-15",
        paths: &["/usr/lib/postgresql/*/bin/initdb", "/usr/local/bin/initdb", "/usr/bin/initdb"],
    },
    Program {
        package: "pgbouncer",
        paths: &["/usr/sbin/pgbouncer", "/usr/local/bin/pgbouncer", "/usr/bin/pgbouncer"],
    },
    Program { package: "jq", paths: &["/usr/bin/jq", "/usr/local/bin/jq"] },
];
const FOR_BENCHES: &[Program] =
    &[Program { package: "nginx", paths: &["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/bin/nginx"] }];

/// Installs everything.
pub(crate) fn run(root: &Path, bench: bool) -> Result<(), String> {
    let clients = clients(root);
    let mut missing: Vec<&str> =
        FOR_TESTS.iter().filter(|program| !program.is_there()).map(|program| program.package).collect();
    if bench {
        missing
            .extend(FOR_BENCHES.iter().filter(|program| !program.is_there()).map(|program| program.package));
    }
    if !Step::new("python3", root).args(["-c", "import ensurepip, venv"]).succeeds() {
        missing.push("python3-venv");
    }
    install_packages(&missing, root)?;
    install_npm(&clients)?;
    install_python(&clients)
}

/// The interpreter of the client tests.
pub(crate) fn python(root: &Path) -> PathBuf {
    clients(root).join(".venv/bin/python")
}

fn clients(root: &Path) -> PathBuf {
    root.join("tests/clients")
}

impl Program {
    fn is_there(&self) -> bool {
        self.paths.iter().any(|path| match path.split_once('*') {
            None => Path::new(path).exists(),
            Some((folder, rest)) => fs::read_dir(folder).is_ok_and(|entries| {
                let rest = rest.trim_start_matches('/');
                entries.flatten().any(|entry| entry.path().join(rest).exists())
            }),
        })
    }
}

fn install_packages(packages: &[&str], root: &Path) -> Result<(), String> {
    if packages.is_empty() {
        return Ok(());
    }
    apt(root, &["update", "--quiet"])?;
    let mut args = vec!["install", "--quiet", "--yes", "--no-install-recommends"];
    args.extend(packages);
    apt(root, &args)
}

fn apt(root: &Path, args: &[&str]) -> Result<(), String> {
    let is_root = Step::new("id", root).args(["-u"]).output()?.trim_ascii() == b"0";
    let words = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"].into_iter().chain(args.iter().copied());
    let step = if is_root { Step::new("env", root).args(words.skip(1)) } else { sudo(root, words) };
    step.run()
}

fn sudo<'a>(root: &Path, words: impl Iterator<Item = &'a str>) -> Step {
    Step::new("sudo", root).args(["--non-interactive"]).args(words)
}

/// The npm clients. Install scripts stay off: none of the clients needs one. Packages that ask for a newer Node than
/// the system's run on the Node 22 that comes as one of them.
fn install_npm(clients: &Path) -> Result<(), String> {
    let stamp = Stamp::new(clients, "node_modules", &["package.json", "package-lock.json", ".npmrc"])?;
    if stamp.is_fresh() {
        return Ok(());
    }
    Step::new("npm", clients)
        .args(["ci", "--ignore-scripts", "--engine-strict=false", "--no-audit", "--no-fund"])
        .run()?;
    stamp.set()
}

/// The Python clients.
fn install_python(clients: &Path) -> Result<(), String> {
    let stamp = Stamp::new(clients, ".venv", &["requirements.txt"])?;
    if stamp.is_fresh() {
        return Ok(());
    }
    Step::new("python3", clients).args(["-m", "venv", "--clear", ".venv"]).run()?;
    let install = ["-m", "pip", "install", "--quiet", "--no-deps", "--requirement", "requirements.txt"];
    Step::new(clients.join(".venv/bin/python"), clients).args(install).run()?;
    Step::new(clients.join(".venv/bin/python"), clients).args(["-m", "pip", "check"]).run()?;
    stamp.set()
}

/// Remembers from which pins a folder was installed.
struct Stamp {
    file: PathBuf,
    pins: String,
}

impl Stamp {
    fn new(clients: &Path, folder: &str, pins: &[&str]) -> Result<Self, String> {
        let read = |name: &&str| {
            let path = clients.join(name);
            fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
        };
        let pins = pins.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { file: clients.join(folder).join(".installed-from"), pins })
    }

    fn is_fresh(&self) -> bool {
        fs::read_to_string(&self.file).is_ok_and(|pins| pins == self.pins)
    }

    fn set(&self) -> Result<(), String> {
        fs::write(&self.file, &self.pins).map_err(|error| format!("{}: {error}", self.file.display()))
    }
}
