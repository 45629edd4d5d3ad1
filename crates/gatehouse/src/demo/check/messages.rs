//! A client of the Messages API.

use gatehouse_identity::secret::Secret;
use serde_json::{Value, json};
use url::Url;

use super::http::{Call, Client};
use super::story::{Mismatch, expect};

/// How a credential is sent.
#[derive(Clone, Copy)]
pub(super) enum Credential<'a> {
    Bearer(&'a Secret),
    ApiKey(&'a Secret),
}

/// A streamed message, put together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Streamed {
    pub(super) events: usize,
    pub(super) text: String,
    pub(super) output_tokens: u64,
}

/// Sends one request and returns the whole message.
pub(super) async fn create(url: &Url, credential: Credential<'_>, body: &Value) -> Result<Value, Mismatch> {
    Client::default().send(request(url, credential, body)).await?.with_status(200)?.json()
}

/// Sends one request with `stream: true` and reads the stream to its end.
pub(super) async fn stream(
    url: &Url,
    credential: Credential<'_>,
    model: &str,
    text: &str,
) -> Result<Streamed, Mismatch> {
    let messages = json!([{ "role": "user", "content": text }]);
    let body = json!({ "model": model, "max_tokens": 256, "stream": true, "messages": messages });
    let answer = Client::default().send(request(url, credential, &body)).await?.with_status(200)?;
    let kind = answer.header("content-type").unwrap_or_default();
    expect(kind.starts_with("text/event-stream"), "content-type: text/event-stream", kind)?;
    read(&answer.text())
}

fn request(url: &Url, credential: Credential<'_>, body: &Value) -> Call {
    let call = Call::json(url.clone(), body).with("anthropic-version", "2023-06-01");
    match credential {
        Credential::Bearer(token) => call.with("authorization", format!("Bearer {}", token.expose())),
        Credential::ApiKey(key) => call.with("x-api-key", key.expose()),
    }
}

/// Reads a whole stream. Every event has a name and one line of data of the same type; the last ends the message.
fn read(stream: &str) -> Result<Streamed, Mismatch> {
    let mut streamed = Streamed::default();
    let mut last = "";
    for event in stream.split("\n\n").filter(|event| !event.trim().is_empty()) {
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let (Some(kind), Some(data)) = (field("event:"), field("data:")) else {
            return Err(Mismatch::new("an event with `event:` and `data:`", event));
        };
        let data: Value = serde_json::from_str(data).map_err(|_| Mismatch::new("JSON as data", event))?;
        expect(
            data.get("type").and_then(Value::as_str) == Some(kind),
            format!("data of type {kind}"),
            event,
        )?;
        streamed.events += 1;
        last = kind;
        if let Some(text) = data.pointer("/delta/text").and_then(Value::as_str) {
            streamed.text.push_str(text);
        }
        if let Some(tokens) = data.pointer("/usage/output_tokens").and_then(Value::as_u64) {
            streamed.output_tokens = tokens;
        }
    }
    expect(last == "message_stop", "message_stop as the last event", format!("`{last}`"))?;
    Ok(streamed)
}

#[cfg(test)]
mod tests {
    use super::{Streamed, read};

    const STREAM: &str = "event: message_start\ndata: {\"type\":\"message_start\"}\n\n\
        event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"Hi \"}}\n\n\
        event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"you\"}}\n\n\
        event: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":2}}\n\n\
        event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

    #[test]
    fn puts_a_stream_together() {
        assert_eq!(read(STREAM), Ok(Streamed { events: 5, text: "Hi you".into(), output_tokens: 2 }));
    }

    #[test]
    fn a_stream_that_breaks_off_is_no_message() {
        let (cut, _) = STREAM.split_once("event: message_stop").unwrap();
        assert!(read(cut).is_err());
        assert!(read(&STREAM.replace("event: message_delta\n", "")).is_err());
        assert!(read("").is_err());
    }
}
