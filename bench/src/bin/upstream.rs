//! Stands in for a model provider and an MCP server; see `gatehouse_bench::upstream`.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::Parser;
use tokio::net::TcpListener;

use gatehouse_bench::upstream::{self, Pace};

/// Answers `POST /v1/messages`, `POST /mcp` and `GET /health` on a loopback port.
#[derive(Parser)]
#[command(name = "bench-upstream", about)]
struct Arguments {
    #[arg(long)]
    port: u16,
    /// Milliseconds between the events of a paced stream
    #[arg(long, default_value_t = 4)]
    gap: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port));
    let socket = TcpListener::bind(address).await?;
    upstream::serve(socket, Pace(Duration::from_millis(arguments.gap))).await?;
    Ok(())
}
