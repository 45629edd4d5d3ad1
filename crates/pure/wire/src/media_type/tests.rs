use super::{EVENT_STREAM, JSON, essence, is, is_json};

#[test]
fn a_media_type_is_told_by_its_essence_in_whatever_case() {
    for stream in [
        "text/event-stream",
        "Text/Event-Stream",
        "TEXT/EVENT-STREAM; charset=utf-8",
        "text/event-stream;charset=utf-8",
        " text/event-stream\t; x=\"a;b\"",
    ] {
        assert!(is(stream, EVENT_STREAM), "{stream}");
    }
    for other in [
        "text/event-streamx",
        "text/event-stream-2",
        "text/event",
        "",
        ";text/event-stream",
        "text/event-stream,x",
    ] {
        assert!(!is(other, EVENT_STREAM), "{other}");
    }
    assert_eq!(essence("Application/JSON ; a=b"), "Application/JSON");
}

#[test]
fn json_has_relatives() {
    for json in
        [JSON, "application/JSON; charset=utf-8", "application/problem+json", "application/vnd.x+JSON; v=1"]
    {
        assert!(is_json(json), "{json}");
    }
    for other in
        ["text/plain", "application/jsonx", "json", "+jso", "application/json-seq", "application/é+jso"]
    {
        assert!(!is_json(other), "{other}");
    }
}
