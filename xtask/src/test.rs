//! `cargo xtask test`: what has to pass before a change is taken.

use std::path::Path;

use crate::step::{Step, timed};
use crate::{house, setup};

/// One named check.
type Check = (&'static str, fn(&Path) -> Result<(), String>);

const CHECKS: &[Check] = &[
    ("setup", |root| setup::run(root, false)),
    ("house", house::check),
    ("format", |root| Step::cargo(root).args(["fmt", "--all", "--check"]).run()),
    ("lint", |root| {
        Step::cargo(root)
            .args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])
            .run()
    }),
    ("rust tests", |root| Step::cargo(root).args(["test", "--workspace", "--locked"]).run()),
    ("release build", |root| {
        Step::cargo(root).args(["build", "--release", "--locked", "--package", "gatehouse"]).run()
    }),
    ("client tests", |root| {
        let python = setup::python(root);
        Step::new(python, root)
            .args(["-m", "pytest", "tests/clients"])
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .run()
    }),
];

/// Runs every check in order and stops at the first that fails.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let mut times = Vec::new();
    for (name, check) in CHECKS {
        println!("== {name}");
        let (done, time) = timed(|| check(root));
        let seconds = time.as_secs_f64();
        if let Err(problem) = done {
            println!("== {name} failed after {seconds:.1} s\n{problem}");
            println!("{} passed, 1 failed", times.len());
            return Err(format!("{name}: {problem}"));
        }
        println!("== {name} passed in {seconds:.1} s");
        times.push((name, seconds));
    }
    for (name, seconds) in &times {
        println!("{seconds:8.1} s  {name}");
    }
    println!("{} passed, 0 failed", times.len());
    Ok(())
}
