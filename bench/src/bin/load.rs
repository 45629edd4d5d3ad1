//! Sends one request in a closed loop and prints what came back as JSON.
#![expect(clippy::print_stdout, reason = "the report is this program's output")]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::{Args, Parser, Subcommand};

use gatehouse_bench::load::{self, Request};
use gatehouse_bench::payload::Payload;

#[derive(Parser)]
#[command(name = "bench-load", about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Send the request over and over, and print the report
    Run {
        #[command(flatten)]
        request: Shape,
        /// How many connections at once
        #[arg(long, default_value_t = 1)]
        connections: usize,
        /// For how long
        #[arg(long, default_value_t = 5.0)]
        seconds: f64,
    },
    /// Send the request once and print the body of the reply
    Fetch {
        #[command(flatten)]
        request: Shape,
    },
    /// Print a request body
    Payload {
        /// Which one
        kind: Payload,
    },
}

/// One request.
#[derive(Args)]
struct Shape {
    #[arg(long)]
    url: String,
    /// `Name: value`
    #[arg(long = "header")]
    headers: Vec<String>,
    /// A file; a request with a body is a POST
    #[arg(long)]
    body: Option<PathBuf>,
    /// In how many sizes the body comes, each a space longer than the one before
    #[arg(long, default_value_t = 1)]
    sizes: usize,
}

impl Shape {
    fn request(&self) -> anyhow::Result<Request> {
        let body = match &self.body {
            Some(path) => fs::read(path).with_context(|| path.display().to_string())?,
            None => Vec::new(),
        };
        Request::new(&self.url, &self.headers, body, self.sizes)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Run { request, connections, seconds } => {
            let duration = Duration::try_from_secs_f64(seconds)?;
            let report = load::run(request.request()?, connections, duration).await?;
            println!("{}", serde_json::to_string(&report)?);
        }
        Command::Fetch { request } => {
            let (status, body) = load::fetch(request.request()?).await?;
            let text = String::from_utf8_lossy(&body);
            ensure!(status.is_success(), "{}: {status}: {text}", request.url);
            println!("{text}");
        }
        Command::Payload { kind } => println!("{}", kind.body()),
    }
    Ok(())
}
