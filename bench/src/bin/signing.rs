//! Signs tokens in a loop and prints how many a second as JSON.
#![expect(clippy::print_stdout, reason = "the report is this program's output")]

use std::time::Duration;

use clap::Parser;

use gatehouse_bench::signing;

/// Signs an access token again and again on one thread.
#[derive(Parser)]
#[command(name = "bench-signing", about)]
struct Arguments {
    /// `RS256`, `ES256`, …
    #[arg(long)]
    algorithm: String,
    /// For how long
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let duration = Duration::try_from_secs_f64(arguments.seconds)?;
    let report = signing::run(&arguments.algorithm, duration)?;
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}
