//! The command line.

mod check;
mod output;
mod secret;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::output::Failure;

/// One identity gateway between AI clients and everything they reach.
#[derive(Parser)]
#[command(name = "gatehouse", version, about, disable_help_subcommand = true)]
struct Arguments {
    /// The configuration file [default: ./gatehouse.yaml, then /etc/gatehouse/gatehouse.yaml]
    #[arg(long, global = true, env = "GATEHOUSE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run. Log lines go to standard error as JSON; SIGTERM drains
    Serve,
    /// Read a password from standard input and print its hash
    HashPassword,
    /// Read an API key from standard input and print its hash
    HashKey,
    /// Make a new API key: print it once, and its hash
    NewKey,
    /// Load and compile the configuration, run its policies' tests, and report every problem
    Check,
}

/// Runs the command line of this process. Exit codes: 0 ok, 1 failed, 2 usage, 78 configuration refused.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let config = arguments.config;
    let done = match arguments.command {
        Command::Serve => serve::run(config),
        Command::HashPassword => secret::hash_password(),
        Command::HashKey => secret::hash_key(),
        Command::NewKey => secret::new_key(),
        Command::Check => check::run(config),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
