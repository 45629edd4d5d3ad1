use bytes::Bytes;
use gatehouse_llm::anthropic::request::MessagesRequest;

use super::{PACED_MODEL, Payload};

#[test]
fn a_messages_request_has_the_size_of_a_real_one() {
    for payload in [Payload::LlmJson, Payload::LlmSse, Payload::LlmTtft] {
        let size = payload.body().len();
        assert!((47_000..50_000).contains(&size), "{payload:?} has {size} bytes");
    }
}

#[test]
fn the_gateway_reads_the_messages_request() {
    let read = |payload: Payload| MessagesRequest::parse(Bytes::from(payload.body())).unwrap();
    assert!(!read(Payload::LlmJson).stream());
    let streamed = read(Payload::LlmSse);
    assert!(streamed.stream());
    assert_eq!(streamed.max_tokens(), Some(10_000));
    assert_eq!(streamed.tool_names().count(), 12);
    assert_eq!(read(Payload::LlmTtft).model(), PACED_MODEL);
}
