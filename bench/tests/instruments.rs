//! Load generator and upstreams against each other.

use std::time::Duration;

use gatehouse_bench::load::{Request, fetch, run};
use gatehouse_bench::payload::Payload;
use gatehouse_bench::upstream::{Pace, serve};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

const GAP: Duration = Duration::from_millis(5);

async fn upstream(tasks: &mut JoinSet<std::io::Result<()>>) -> anyhow::Result<String> {
    let socket = TcpListener::bind("127.0.0.1:0").await?;
    let address = socket.local_addr()?;
    tasks.spawn(serve(socket, Pace(GAP)));
    Ok(format!("http://{address}"))
}

fn request(url: &str, payload: Payload) -> anyhow::Result<Request> {
    Request::new(url, &["content-type: application/json".into()], payload.body().into(), 1)
}

#[tokio::test]
async fn a_message_comes_back_as_json() {
    let mut tasks = JoinSet::new();
    let url = format!("{}/v1/messages", upstream(&mut tasks).await.unwrap());
    let (status, body) = fetch(request(&url, Payload::LlmJson).unwrap()).await.unwrap();
    let message: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(status, 200);
    assert_eq!(message["usage"]["output_tokens"], 1024);
}

#[tokio::test]
async fn every_event_of_a_stream_is_counted() {
    let mut tasks = JoinSet::new();
    let url = format!("{}/v1/messages", upstream(&mut tasks).await.unwrap());
    let report = run(request(&url, Payload::LlmSse).unwrap(), 2, Duration::from_millis(50)).await.unwrap();
    assert!(report.requests >= 2);
    assert_eq!(report.events, report.requests * 10_005);
    assert_eq!(report.statuses.get(&200), Some(&report.requests));
    assert!(report.errors.is_empty());
}

#[tokio::test]
async fn the_first_token_of_a_paced_stream_does_not_wait_for_the_others() {
    let mut tasks = JoinSet::new();
    let url = format!("{}/v1/messages", upstream(&mut tasks).await.unwrap());
    let report = run(request(&url, Payload::LlmTtft).unwrap(), 1, Duration::from_millis(200)).await.unwrap();
    assert_eq!(report.first_token_us.count, report.requests);
    let two_gaps_us = 2_000_000.0 * GAP.as_secs_f64();
    assert!(report.latency_us.p50 - report.first_token_us.p50 > 0.8 * two_gaps_us);
}

#[tokio::test]
async fn a_tool_call_is_answered_under_its_id() {
    let mut tasks = JoinSet::new();
    let url = format!("{}/mcp", upstream(&mut tasks).await.unwrap());
    let (_, body) = fetch(request(&url, Payload::McpCall).unwrap()).await.unwrap();
    let reply: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(reply["id"], 7);
    assert_eq!(reply["result"]["resultType"], "complete");
    for (method, member) in [("server/discover", "supportedVersions"), ("tools/list", "tools")] {
        let call = json!({ "jsonrpc": "2.0", "id": "a", "method": method, "params": {} }).to_string();
        let (status, body) = fetch(Request::new(&url, &[], call.into(), 1).unwrap()).await.unwrap();
        let reply: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(status, 200);
        assert!(reply["result"][member].is_array(), "{reply}");
    }
}

#[tokio::test]
async fn a_refusal_is_counted_by_its_status() {
    let mut tasks = JoinSet::new();
    let url = format!("{}/nothing/here", upstream(&mut tasks).await.unwrap());
    let report = run(request(&url, Payload::McpCall).unwrap(), 1, Duration::from_millis(20)).await.unwrap();
    assert_eq!(report.statuses.get(&404), Some(&report.requests));
}
