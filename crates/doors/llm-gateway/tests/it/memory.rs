//! What requests hold is bounded for each caller, and what is parsed of them does not grow with them.

use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use crate::client::{LONG, open, post, until_closed};
use crate::gateway::{Gateway, TEAM_KEY};
use crate::provider::{Provider, Reply};

const LARGEST: usize = 32 * 1024 * 1024;
const KEY: (&str, &str) = ("x-api-key", TEAM_KEY);
const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn bodies_of_one_key_that_are_never_finished_are_refused_beyond_its_share() {
    let provider = Provider::always(Reply::json("200 OK", "{}")).await;
    let gateway = Gateway::before(&provider).await;
    let declared = LARGEST.to_string();
    let headers = [KEY, JSON, ("content-length", declared.as_str())];
    // The share of one caller in these tests is 128 MiB.
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut stream = open(&gateway, "POST /v1/messages", &headers, b"{").await;
        let mut byte = [0];
        let early = timeout(std::time::Duration::from_millis(100), stream.read(&mut byte)).await;
        assert!(early.is_err(), "it is taken in");
        held.push(stream);
    }
    let refused = until_closed(open(&gateway, "POST /v1/messages", &headers, b"{").await).await;
    assert_eq!(refused.error(), (429, "rate_limit_error".to_owned()));
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    let body = br#"{"model":"claude-opus"}"#;
    let token = format!("Bearer {}", gateway.token("ada"));
    let other = post(&gateway, "/v1/messages", &[("authorization", &token)], body).await;
    assert_eq!(other.status, 200, "{other:?}");
    let record = gateway.records.at_least(1).await;
    assert!(record.iter().any(|record| record["reason"] == "memory_share"), "{record:?}");
    drop(held);
    let again = async {
        while post(&gateway, "/v1/messages", &[KEY], body).await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, again).await.expect("there is room again");
}

#[tokio::test]
async fn tools_and_nesting_have_an_end() {
    let provider = Provider::always(Reply::json("200 OK", "{}")).await;
    let gateway = Gateway::before(&provider).await;
    let many_in = |member: &str, piece: &str, end: &str| {
        let pieces = piece.repeat(2 * 1024 * 1024 / piece.len());
        format!(r#"{{"model":"claude-opus","{member}":[{pieces}{end}"#)
    };
    let many = |piece: &str, end: &str| many_in("tools", piece, end);
    for (body, said) in [
        (many("{},", "{}]}"), "tools: expected an array of at most 10000 objects"),
        (many(r#"{"name":"x"},"#, "{}]}"), "tools: expected an array of at most 10000 objects"),
        (many("[", ""), "tools: expected an array of at most 10000 objects"),
        (many(r#"{"input_schema":"#, ""), "the request body nests deeper than 1000 levels"),
        (many_in("messages", "[", ""), "the request body nests deeper than 1000 levels"),
    ] {
        let answer = post(&gateway, "/v1/messages", &[KEY], body.as_bytes()).await;
        assert_eq!(answer.error(), (400, "invalid_request_error".to_owned()));
        assert!(answer.text().contains(said), "{}", answer.text());
    }
    assert_eq!(provider.seen().len(), 0);
}
