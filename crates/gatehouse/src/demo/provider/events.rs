//! A scripted reply as a stream of events.

use axum::body::Bytes;
use gatehouse_llm::anthropic::error::{ErrorType, envelope};
use gatehouse_llm::anthropic::stream::PING;
use serde_json::{Value, json};

use super::Message;
use super::script::{Delivery, Reply};

/// How many deltas come before a stream that breaks off does so.
const DELTAS_BEFORE_BREAK: usize = 3;

/// The events of `message`, in the order of the API. They are made as they are taken.
pub(super) fn of(
    message: &Message,
    delivery: Delivery,
    request_id: &str,
) -> Box<dyn Iterator<Item = Bytes> + Send> {
    let opening = [start(message), PING, block_start(message)];
    let deltas = deltas(&message.reply);
    let last = match delivery {
        Delivery::ErrorMidStream => {
            let data = envelope(ErrorType::Overloaded, "Overloaded", request_id);
            Some(vec![Bytes::from(format!("event: error\ndata: {data}\n\n"))])
        }
        Delivery::Truncated => Some(Vec::new()),
        _ => None,
    };
    match last {
        Some(last) => Box::new(opening.into_iter().chain(deltas.take(DELTAS_BEFORE_BREAK)).chain(last)),
        None => Box::new(opening.into_iter().chain(deltas).chain(closing(message))),
    }
}

fn start(message: &Message) -> Bytes {
    let usage = json!({
        "input_tokens": message.input_tokens, "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0, "output_tokens": 1,
    });
    let message = json!({
        "id": message.id(), "type": "message", "role": "assistant", "model": message.model,
        "content": [], "stop_reason": null, "stop_sequence": null, "usage": usage,
    });
    event("message_start", &json!({ "type": "message_start", "message": message }))
}

fn block_start(message: &Message) -> Bytes {
    let block = match &message.reply {
        Reply::Text(_) => json!({ "type": "text", "text": "" }),
        Reply::ToolUse { name, .. } => {
            json!({ "type": "tool_use", "id": message.tool_use_id(), "name": name, "input": {} })
        }
    };
    let start = json!({ "type": "content_block_start", "index": 0, "content_block": block });
    event("content_block_start", &start)
}

fn deltas(reply: &Reply) -> Box<dyn Iterator<Item = Bytes> + Send> {
    let delta = |delta: Value| {
        event("content_block_delta", &json!({ "type": "content_block_delta", "index": 0, "delta": delta }))
    };
    match reply {
        Reply::Text(pieces) => {
            let pieces = pieces.clone().into_iter();
            Box::new(pieces.map(move |text| delta(json!({ "type": "text_delta", "text": text }))))
        }
        Reply::ToolUse { input, .. } => {
            let input = Value::Object(input.clone()).to_string();
            let (left, right) = input.split_at(input.floor_char_boundary(input.len() / 2));
            let pieces = [String::new(), left.to_owned(), right.to_owned()].into_iter();
            Box::new(
                pieces.map(move |part| delta(json!({ "type": "input_json_delta", "partial_json": part }))),
            )
        }
    }
}

fn closing(message: &Message) -> [Bytes; 3] {
    let ended = json!({
        "type": "message_delta",
        "delta": { "stop_reason": message.reply.stop_reason(), "stop_sequence": null },
        "usage": { "output_tokens": message.reply.tokens() },
    });
    [
        event("content_block_stop", &json!({ "type": "content_block_stop", "index": 0 })),
        event("message_delta", &ended),
        event("message_stop", &json!({ "type": "message_stop" })),
    ]
}

fn event(name: &str, data: &Value) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}
