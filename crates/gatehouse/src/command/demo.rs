//! `demo`: a whole world on loopback, to be tried with real clients or checked by itself.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

use gatehouse_audit::tally::Handful;
use gatehouse_telemetry::log;

use super::output::{Failure, line};
use crate::demo::check::{self, Score};
use crate::demo::guide;
use crate::demo::ports::Ports;
use crate::demo::stack::{Stack, free_port};
use crate::host::SystemRng;

/// Where the demo listens unless told otherwise; operators look one port above.
const PORT: u16 = 9420;

/// What to do with the demo.
#[derive(clap::Args)]
pub(super) struct DemoArguments {
    /// Play the clients too, print the story with its audit trail, and end: 0 when all went well, else 1
    #[arg(long)]
    check: bool,
    /// The port for clients [default: 9420, or any free one with --check]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..65535))]
    port: Option<u16>,
}

pub(super) fn run(arguments: &DemoArguments) -> Result<(), Failure> {
    let lines = log::init("warn", Handful { per_network: 5, in_all: 100 })
        .map_err(|error| Failure::new("logging", error))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new("starting", error))?;
    runtime.block_on(async {
        // Watched from the start, so that the temporary folder goes whenever the process is told to.
        let told = told_to_stop().map_err(|error| Failure::new("watching for signals", error))?;
        tokio::pin!(told);
        let ports = ports(arguments).await.map_err(|error| Failure::new("finding a free port", error))?;
        let world = Stack::start(ports).await.map_err(|error| starting(ports, &error.to_string()))?;
        let done = tokio::select! {
            done = act(&world, arguments.check) => done,
            () = &mut told => interrupted(arguments.check),
            never = lines.clone().keep_telling() => match never {},
        };
        world.stop().await;
        lines.tell();
        done
    })
}

/// Checks, or explains and waits for ever.
async fn act(world: &Stack, check: bool) -> Result<(), Failure> {
    if !check {
        line(guide::text(world))?;
        return std::future::pending().await;
    }
    line(format!("Gatehouse demo, checked at {}", world.origin))?;
    let Score { steps, broken } = check::run(world, &SystemRng, &mut io::stdout()).await;
    if broken > 0 {
        return Err(Failure::Failed(format!(
            "{broken} of {steps} steps of the demo did not go as they should"
        )));
    }
    line(format!("\nAll {steps} steps went as they should."))
}

/// Stopping the demo is how it ends; stopping a check leaves it without result.
fn interrupted(check: bool) -> Result<(), Failure> {
    if check { Err(Failure::Failed("the check was interrupted".to_owned())) } else { Ok(()) }
}

async fn ports(arguments: &DemoArguments) -> io::Result<Ports> {
    match arguments.port {
        Some(public) => {
            Ok(Ports { public, admin: if arguments.check { 0 } else { public.saturating_add(1) } })
        }
        None if arguments.check => Ok(Ports { public: free_port().await?, admin: 0 }),
        None => Ok(Ports { public: PORT, admin: PORT + 1 }),
    }
}

fn starting(ports: Ports, error: &str) -> Failure {
    let hint = if error.contains("cannot listen") {
        format!("; is port {} or {} taken? choose another with --port", ports.public, ports.admin)
    } else {
        String::new()
    };
    Failure::Failed(format!("starting the demo: {error}{hint}"))
}

/// Ends at the first SIGINT or SIGTERM.
fn told_to_stop() -> io::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
