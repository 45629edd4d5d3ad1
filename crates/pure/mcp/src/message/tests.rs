use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn request(text: &str) -> Request<'_> {
    match Body::parse(text.as_bytes()).expect("a message") {
        Body::One(Message::Request(request)) => request,
        other => panic!("expected a request, found {other:?}"),
    }
}

fn kind(text: &str) -> ParseErrorKind {
    Body::parse(text.as_bytes()).expect_err("an error").kind
}

#[test]
fn ids_keep_their_text() {
    for id in ["7", "-0", "12345678901234567890123", r#""a\u0062\/c""#, r#""""#] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
        assert_eq!(request(&text).id().as_json(), id);
    }
    for id in ["null", "1.5", "1e3", "true", "[1]", "{}"] {
        assert_eq!(
            kind(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#)),
            ParseErrorKind::Id,
            "{id}"
        );
    }
    assert_eq!(
        kind(&format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"ping"}}"#, "x".repeat(300))),
        ParseErrorKind::Id
    );
}

#[test]
fn names_that_other_parsers_would_confuse_are_refused() {
    let cases = [
        (r#"{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}"#, "method"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a","m\u0065thod":"b"}"#, "method"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"name":"a","name":"b"}}"#, "name"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{"x":1,"x":2}}}"#, "x"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"arguments":{"q":{"z":1,"z":1}}}}"#, "z"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"arguments":[{"b":{"z":1},"b":2}]}}"#, "b"),
    ];
    for (text, name) in cases {
        assert_eq!(kind(text), ParseErrorKind::DuplicateMember(name.to_owned()), "{text}");
    }
    for (text, expected) in [
        (r#"{"jsonrpc":"2.0","id":1,"Method":"a"}"#, "method"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a","PARAMS":{}}"#, "params"),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\",\"param\u{17F}\":{}}", "params"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"Name":"b"}}"#, "name"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_META":{}}}"#, "_meta"),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{"IO.modelcontextprotocol/protocolVersion":1}}}"#,
            meta_version(),
        ),
    ] {
        match kind(text) {
            ParseErrorKind::MisspeltMember { expected: found, .. } => assert_eq!(found, expected, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

fn meta_version() -> &'static str {
    crate::version::meta::PROTOCOL_VERSION
}

#[test]
fn same_names_in_different_objects_are_fine() {
    let text = r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"arguments":{"a":{"a":[{"a":1},{"a":2}]},"b":"a,\"a\":1"}}}"#;
    assert_eq!(request(text).method(), "a");
}

#[test]
fn shape_is_bounded() {
    let nested = |levels: usize| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{{"arguments":{}{}}}}}"#,
            "[".repeat(levels),
            "]".repeat(levels)
        )
    };
    assert!(Body::parse(nested(62).as_bytes()).is_ok());
    assert_eq!(kind(&nested(63)), ParseErrorKind::TooDeep(64));
    assert_eq!(kind(&nested(100_000)), ParseErrorKind::TooDeep(64));
    let members: Vec<String> = (0..10_000).map(|number| format!("\"k{number}\":0")).collect();
    let many = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{{{}}}}}"#, members.join(","));
    assert_eq!(kind(&many), ParseErrorKind::TooManyMembers(10_000));
}

#[test]
fn errors_carry_the_id_when_it_can_be_read() {
    let text = r#"{"jsonrpc":"2.0","id":"q","method":"a","params":[]}"#;
    let error = Body::parse(text.as_bytes()).expect_err("params are a list");
    assert_eq!(error.id, Some(Id::text("q")));
    let answer = compose::error(error.id.as_ref(), &error.to_rpc());
    assert_eq!(
        answer,
        r#"{"jsonrpc":"2.0","id":"q","error":{"code":-32600,"message":"`params` must be an object"}}"#
    );
    let broken = Body::parse(b"{\"jsonrpc\"").expect_err("cut off");
    assert_eq!((broken.id.clone(), broken.to_rpc().code()), (None, -32700));
    assert!(!compose::error(None, &broken.to_rpc()).contains("\"id\""));
    let twice = Body::parse(br#"{"jsonrpc":"2.0","id":1,"id":2,"method":"a"}"#).expect_err("two ids");
    assert_eq!(twice.id, None);
}

#[test]
fn what_is_no_message_is_refused() {
    assert_eq!(kind("[]"), ParseErrorKind::NotAnObject);
    assert_eq!(kind("7"), ParseErrorKind::NotAnObject);
    assert_eq!(kind(r#"{"jsonrpc":"1.0","id":1,"method":"a"}"#), ParseErrorKind::Version);
    assert_eq!(kind(r#"{"id":1,"method":"a"}"#), ParseErrorKind::Version);
    assert_eq!(kind(r#"{"jsonrpc":"2.0","id":1,"method":7}"#), ParseErrorKind::Method);
    assert_eq!(kind(r#"{"jsonrpc":"2.0","id":1,"method":"a","result":{}}"#), ParseErrorKind::Response);
    assert_eq!(kind(r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#), ParseErrorKind::Response);
    assert_eq!(kind(r#"{"jsonrpc":"2.0","id":1,"result":[]}"#), ParseErrorKind::Response);
    assert_eq!(kind(r#"{"jsonrpc":"2.0","id":1,"error":{"code":"x"}}"#), ParseErrorKind::Response);
    assert_eq!(kind(r#"{"jsonrpc":"2.0","result":{}}"#), ParseErrorKind::Id);
    assert!(matches!(Body::parse(b"\xff{}").expect_err("no text").kind, ParseErrorKind::Syntax(_)));
    assert!(matches!(kind(r#"{"jsonrpc":"2.0","id":1,"method":"a"} x"#), ParseErrorKind::Syntax(_)));
}

#[test]
fn batches_are_recognised() {
    let text = r#" [{"jsonrpc":"2.0","id":1,"method":"a"},{"jsonrpc":"2.0","method":"b"},{"jsonrpc":"2.0","id":2,"result":{}}]"#;
    let Body::Batch(messages) = Body::parse(text.as_bytes()).expect("a batch") else { panic!("one message") };
    assert!(matches!(
        messages.as_slice(),
        [Message::Request(_), Message::Notification(_), Message::Response(_)]
    ));
}

#[test]
fn edits_touch_nothing_else() {
    let text = r#"{ "x-first" : 1e400, "jsonrpc":"2.0", "params" : {"\u006eame":"a_b", "arguments":{"n":12345678901234567890123,"s":"\u00e9\/"},"_meta":{"traceparent":"t"} }, "id":7,"method":"tools/call","last":[ 1 , 2 ]}"#;
    let request = request(text);
    let mut params = request.params().expect("params").clone();
    params.set("name", json_text::to_raw(&"b"));
    let rebuilt = request.rebuild(&Id::number(4711), Some(&params));
    assert_eq!(
        rebuilt,
        r#"{"x-first":1e400,"jsonrpc":"2.0","params":{"\u006eame":"b","arguments":{"n":12345678901234567890123,"s":"\u00e9\/"},"_meta":{"traceparent":"t"}},"id":4711,"method":"tools/call","last":[ 1 , 2 ]}"#
    );
    assert_eq!(request.rebuild(&Id::number(1), None).matches("params").count(), 0);
}

#[test]
fn upstream_results_may_hold_what_they_like() {
    let text = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"x":{"a":1,"a":2}}}"#;
    assert!(Message::parse_upstream(text.as_bytes()).is_ok());
    let twice = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"content":[]}}"#;
    assert!(Message::parse_upstream(twice.as_bytes()).is_err());
}

/// JSON text with odd but legal spellings: any order, big numbers, escapes.
fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?[1-9][0-9]{0,40}(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,4})?",
        any::<String>().prop_map(|text| serde_json::to_string(&text).expect("text")),
        Just(r#""\u0041\/\ud83d\ude00""#.to_owned()),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::btree_map("[a-zA-Z_ /]{1,8}", inner, 0..5).prop_map(|members| {
                let members: Vec<String> = members
                    .iter()
                    .rev()
                    .map(|(name, value)| format!("{} : {value}", Value::from(name.as_str())))
                    .collect();
                format!("{{ {} }}", members.join(" ,"))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn unknown_parts_survive_every_edit(
        arguments in json_text(), vendor in json_text(), meta in json_text(), outer in json_text(),
    ) {
        let text = format!(
            r#"{{"zz":{outer},"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"v/endor":{vendor},"name":"a_b","arguments":{arguments},"_meta":{{"x/y":{meta},"progressToken":1}}}}}}"#
        );
        let request = request(&text);
        let mut members = request.meta().expect("meta").clone();
        members.set("progressToken", json_text::to_raw(&"ours"));
        let mut params = request.params().expect("params").clone();
        params.set("name", json_text::to_raw(&"b"));
        params.set("_meta", members.to_raw());
        let expected = text
            .replacen(r#""id":1"#, r#""id":99"#, 1)
            .replacen(r#""name":"a_b""#, r#""name":"b""#, 1);
        let expected = match expected.rsplit_once(r#""progressToken":1"#) {
            Some((before, after)) => format!(r#"{before}"progressToken":"ours"{after}"#),
            None => expected,
        };
        prop_assert_eq!(request.rebuild(&Id::number(99), Some(&params)), expected);
    }

    #[test]
    fn parsing_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Body::parse(&bytes);
        let _ = Message::parse_upstream(&bytes);
    }

    #[test]
    fn damaged_messages_never_panic(arguments in json_text(), cut in 0_usize..400, byte in any::<u8>()) {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{{"arguments":{arguments}}}}}"#);
        let mut bytes = text.into_bytes();
        if let Some(slot) = bytes.get_mut(cut) {
            *slot = byte;
        }
        let _ = Body::parse(&bytes);
        bytes.truncate(cut);
        let _ = Body::parse(&bytes);
    }

    #[test]
    fn accepted_messages_have_no_duplicates(names in prop::collection::vec("[ab\\\\]{1,2}", 1..5)) {
        let members: Vec<String> =
            names.iter().map(|name| format!("{}:0", serde_json::to_string(name).expect("text"))).collect();
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{{"arguments":{{{}}}}}}}"#,
            members.join(",")
        );
        let mut unique = names.clone();
        unique.sort();
        unique.dedup();
        prop_assert_eq!(Body::parse(text.as_bytes()).is_ok(), unique.len() == names.len());
    }
}

#[test]
fn what_is_built_of_a_body_is_bounded_however_it_is_written() {
    let many =
        |piece: &str| format!("{{\"jsonrpc\":\"2.0\",{}\"id\":1}}", piece.repeat(1_000_000 / piece.len()));
    let parse = |text: &str| Body::parse(text.as_bytes()).map(drop).map_err(|error| error.kind);
    // Nothing is kept of what lies beyond the limit, and what is no JSON is still found to be none.
    for text in [many("\"\":0,"), many("\"a\":{},")] {
        assert_eq!(parse(&text).unwrap_err(), ParseErrorKind::TooManyMembers(10_000));
        let broken = text.replace("\"id\":1", "\"id\":");
        assert!(matches!(parse(&broken).unwrap_err(), ParseErrorKind::Syntax(_)));
        let upstream = Message::parse_upstream(text.as_bytes()).unwrap_err();
        assert_eq!(upstream.kind, ParseErrorKind::TooManyMembers(10_000));
    }
    let batch = |items: usize| format!("[{}0]", "0,".repeat(items));
    assert_eq!(parse(&batch(1_000_000)).unwrap_err(), ParseErrorKind::BatchTooLong(20));
    assert_eq!(parse(&batch(20)).unwrap_err(), ParseErrorKind::BatchTooLong(20));
    assert_eq!(parse(&batch(19)).unwrap_err(), ParseErrorKind::NotAnObject);
    let member = size_of::<RawObject<'_>>() * 2;
    assert!(Body::most_built(&[b' '; 1000]) >= 200 * member);
    assert!(Body::most_built(&vec![b' '; 4 << 20]) <= 4 << 20, "not even one byte for one of a large body");
    assert!(Body::most_built(&[&b"["[..], &vec![b' '; 4 << 20]].concat()) > 4 << 20);
}
