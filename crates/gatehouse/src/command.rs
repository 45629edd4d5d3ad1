//! The command line.

mod audit;
mod backup;
mod check;
mod demo;
mod init;
mod migrate;
mod output;
mod policy;
mod revoke;
mod secret;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::output::Failure;
use crate::host;

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
    /// Try everything on this machine, with sample apps, a scripted model and nothing to install
    Demo(demo::DemoArguments),
    /// Run. Log lines go to standard error as JSON; SIGTERM drains
    Serve,
    /// Read a password from standard input and print its hash
    HashPassword,
    /// Read an API key from standard input and print its hash
    HashKey,
    /// Make a new API key: print it once, and its hash
    NewKey,
    /// Load and compile the configuration, run its policies' tests, and report every problem
    Check(check::Check),
    /// Write a starter configuration with fresh secrets; a file that exists is not overwritten
    Init(init::Init),
    /// Evaluate and test policies
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Check and read audit logs
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// End what somebody has: sessions, grants, refresh tokens and access tokens, on every node within a second
    Revoke(revoke::Revoke),
    /// Copy the store (SQLite) while it is in use
    Backup(backup::Backup),
    /// Look at what an upgrade does to the store's schema, or do it
    Migrate(migrate::Migrate),
    /// Put a copy of the store back, and end everything that it brings back to life
    Restore(backup::Restore),
}

/// Runs the command line of this process. Exit codes: 0 ok, 1 failed, 2 usage, 78 configuration refused.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    if let Err(error) = host::keep_memory_private() {
        return Failure::new("keeping memory out of core dumps", error).report();
    }
    let config = arguments.config;
    let done = match arguments.command {
        Command::Demo(demo) => demo::run(&demo),
        Command::Serve => serve::run(config),
        Command::HashPassword => secret::hash_password(),
        Command::HashKey => secret::hash_key(),
        Command::NewKey => secret::new_key(),
        Command::Check(check) => check::run(&check, config),
        Command::Init(init) => init::run(&init, config),
        Command::Policy(command) => policy::run(command, config),
        Command::Audit(command) => audit::run(command, config),
        Command::Revoke(revoke) => revoke::run(&revoke, config),
        Command::Backup(backup) => backup::backup(&backup, config),
        Command::Migrate(migrate) => migrate::run(&migrate, config),
        Command::Restore(restore) => backup::restore(&restore, config),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
