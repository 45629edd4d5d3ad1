//! Project commands. `cargo xtask help` lists them.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "commands talk to the terminal they run in")]

mod bench;
mod house;
mod setup;
mod step;
mod test;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Runs the checks of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", about)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything that has to pass: setup, house, formatting, lints, tests, release build, real clients.
    Test,
    /// Whether the workspace keeps to its architecture: arrows, sizes, names, purity, dependencies.
    House,
    /// Installs what the tests need and is not there yet.
    Setup {
        /// What the benchmarks need, too.
        #[arg(long)]
        bench: bool,
    },
    /// Gatehouse, nginx and no proxy side by side: throughput, latency, CPU, memory.
    Bench(bench::Options),
}

fn main() -> ExitCode {
    let root = root();
    let done = match Arguments::parse().task {
        Task::Test => test::run(&root),
        Task::House => house::check(&root),
        Task::Setup { bench } => setup::run(&root, bench),
        Task::Bench(options) => bench::run(&root, &options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}
