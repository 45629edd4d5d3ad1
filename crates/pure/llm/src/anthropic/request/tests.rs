use bytes::Bytes;
use proptest::prelude::{any, proptest};
use serde_json::{Value, json};

use super::{MessagesRequest, RequestError};

fn parse(body: &str) -> Result<MessagesRequest, RequestError> {
    MessagesRequest::parse(Bytes::copy_from_slice(body.as_bytes()))
}

const CLAUDE_CODE: &str = r#"{"model":"claude-opus-5-5","max_tokens":128000,"stream":true,
 "metadata":{"user_id":"{\"device_id\":\"d\",\"session_id\":\"s\"}"},
 "thinking":{"type":"adaptive","display":"omitted"},"output_config":{"effort":"medium"},
 "system":[{"type":"text","text":"model: \"decoy\"","cache_control":{"type":"ephemeral"}}],
 "messages":[{"role":"user","content":[{"type":"text","text":"hi"}]},{"role":"system","content":"x"}],
 "tools":[{"name":"Bash","input_schema":{"properties":{"name":{"type":"string"}}},"defer_loading":true},
          {"type":"web_search_20250305","name":"web_search"},{"type":"mcp_toolset","mcp_server_name":"m"},{}]}"#;

#[test]
fn a_request_of_claude_code_is_read_and_kept() {
    let request = parse(CLAUDE_CODE).unwrap();
    assert_eq!(request.model(), "claude-opus-5-5");
    assert!(request.stream());
    assert_eq!(request.max_tokens(), Some(128_000));
    assert_eq!(request.user_id(), Some(r#"{"device_id":"d","session_id":"s"}"#));
    assert_eq!(request.tool_names().collect::<Vec<_>>(), ["Bash", "web_search", "mcp_toolset", ""]);
    assert_eq!(request.body(), CLAUDE_CODE.as_bytes());
}

#[test]
fn a_token_counting_request_needs_only_a_model() {
    let request = parse(r#" {"messages":[],"model":"m"} "#).unwrap();
    assert_eq!((request.stream(), request.max_tokens(), request.user_id()), (false, None, None));
    assert_eq!(request.tool_names().count(), 0);
    assert!(!parse(r#"{"model":"m","stream":null,"metadata":null,"tools":null}"#).unwrap().stream());
}

#[test]
fn a_duplicate_of_a_deciding_member_is_refused_however_it_is_spelled() {
    for (body, member) in [
        (r#"{"model":"a","model":"a"}"#, "model"),
        (r#"{"model":"a","\u006dodel":"b"}"#, "model"),
        (r#"{"model":"a","stream":true,"stream":false}"#, "stream"),
        (r#"{"model":"a","max_tokens":1,"max_tokens":2}"#, "max_tokens"),
        (r#"{"model":"a","tools":[],"tools":[]}"#, "tools"),
        (r#"{"model":"a","tools":[{"name":"a","name":"b"}]}"#, "tools[].name"),
        (r#"{"model":"a","tools":[{},{"type":"a","\u0074\u0079\u0070\u0065":"b"}]}"#, "tools[].type"),
        (r#"{"model":"a","stream":null,"stream":true}"#, "stream"),
        (r#"{"model":"a","tools":null,"tools":[]}"#, "tools"),
        (r#"{"model":"a","metadata":{"user_id":"x","user_id":"y"}}"#, "metadata.user_id"),
        (r#"{"model":"a","metadata":{},"metadata":{}}"#, "metadata"),
    ] {
        assert_eq!(parse(body).unwrap_err(), RequestError::Duplicate { member }, "{body}");
    }
    assert!(parse(r#"{"model":"a","future":1,"future":2}"#).is_ok(), "unknown members are the provider's");
}

#[test]
fn a_deciding_member_in_other_letter_case_is_refused() {
    for (body, member) in [
        (r#"{"model":"cheap","Model":"dear"}"#, "model"),
        (r#"{"MODEL":"dear","model":"cheap"}"#, "model"),
        (r#"{"Model":"dear"}"#, "model"),
        (r#"{"model":"cheap","\u004dodel":"dear"}"#, "model"),
        (r#"{"model":"m","max_tokens":1,"Max_Tokens":9}"#, "max_tokens"),
        ("{\"model\":\"m\",\"max_to\u{212A}en\u{17F}\":9}", "max_tokens"),
        (r#"{"model":"m","max_to\u212aens":9}"#, "max_tokens"),
        ("{\"model\":\"m\",\"\u{17F}tream\":true}", "stream"),
        (r#"{"model":"m","streaM":true}"#, "stream"),
        ("{\"model\":\"m\",\"tool\u{17F}\":[]}", "tools"),
        (r#"{"model":"m","Tools":[]}"#, "tools"),
        (r#"{"model":"m","MetaData":{}}"#, "metadata"),
        (r#"{"model":"m","metadata":{"user_id":"a","USER_ID":"b"}}"#, "metadata.user_id"),
        (r#"{"model":"m","tools":[{"name":"a"},{"name":"a","Name":"b"}]}"#, "tools[].name"),
        (r#"{"model":"m","tools":[{"type":"a","tYpe":"b"}]}"#, "tools[].type"),
    ] {
        assert_eq!(parse(body).unwrap_err(), RequestError::LetterCase { member }, "{body}");
    }
    for body in [
        r#"{"model":"m","models":1,"mode":1,"modél":1,"":1,"tool_choice":1,"maxTokens":1}"#,
        r#"{"model":"m","messages":[{"Model":1,"Name":2}],"tools":[{"input_schema":{"Name":1},"Model":1}]}"#,
    ] {
        assert!(parse(body).is_ok(), "{body}");
    }
}

#[test]
fn wrong_types_name_the_member_and_never_repeat_content() {
    for (body, member) in [
        (r#"{"model":7}"#, "model"),
        (r#"{"model":""}"#, "model"),
        (r#"{"model":"a\n"}"#, "model"),
        (r#"{"model":["s3cret"]}"#, "model"),
        (r#"{"model":"m","stream":"s3cret"}"#, "stream"),
        (r#"{"model":"m","max_tokens":-1}"#, "max_tokens"),
        (r#"{"model":"m","max_tokens":"s3cret"}"#, "max_tokens"),
        (r#"{"model":"m","metadata":"s3cret"}"#, "metadata"),
        (r#"{"model":"m","metadata":{"user_id":5}}"#, "metadata"),
        (r#"{"model":"m","tools":"s3cret"}"#, "tools"),
        (r#"{"model":"m","tools":[{"name":{"s3cret":1}}]}"#, "tools"),
        (r#"{"model":"m","tools":[["s3cret","function"]]}"#, "tools"),
        (r#"{"model":"m","metadata":["s3cret"]}"#, "metadata"),
    ] {
        let error = parse(body).unwrap_err();
        assert!(
            matches!(error, RequestError::Member { member: found, .. } if found == member),
            "{body}: {error:?}"
        );
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}

#[test]
fn what_is_no_object_with_a_model_is_refused() {
    assert_eq!(parse("{}").unwrap_err(), RequestError::Missing { member: "model" });
    assert_eq!(parse(r#"{"model":null}"#).unwrap_err(), RequestError::Missing { member: "model" });
    for body in [r#"["claude",true,1]"#, " [1]", "7", "\"model\"", "null"] {
        assert_eq!(parse(body).unwrap_err(), RequestError::NotAnObject, "{body}");
    }
    for body in ["", "{", "[1", "7 8", r#"{"model":"a"} x"#, "\u{feff}{\"model\":\"a\"}", r#"{"model":"a",}"#]
    {
        assert!(matches!(parse(body).unwrap_err(), RequestError::NotJson { .. }), "{body}");
    }
}

#[test]
fn the_same_model_is_not_even_copied() {
    let request = parse(CLAUDE_CODE).unwrap();
    let same = request.with_model("claude-opus-5-5");
    assert_eq!((same.len(), same[0].as_ptr()), (1, request.body().as_ptr()));
}

#[test]
fn another_model_copies_no_more_than_its_name() {
    let request = parse(CLAUDE_CODE).unwrap();
    let [before, name, after] = &request.with_model("m")[..] else { panic!() };
    let end = request.body().as_ptr_range().end;
    assert_eq!((before.as_ptr(), after.as_ptr_range().end), (request.body().as_ptr(), end));
    assert_eq!(name, "\"m\"");
}

/// A body of at least 2 MiB: `before`, as many of `piece` as it takes, `after`.
fn large(before: &str, piece: &str, after: &str) -> String {
    let most = 2 * 1024 * 1024 / piece.len();
    format!("{before}{}{after}", piece.repeat(most))
}

#[test]
fn what_is_kept_of_a_body_does_not_grow_with_it() {
    let tools = |body: &str| matches!(parse(body), Err(RequestError::Member { member: "tools", .. }));
    assert!(tools(&large(r#"{"model":"m","tools":["#, "{},", "{}]}")));
    assert!(tools(&large(r#"{"model":"m","tools":["#, r#"{"name":"x"},"#, "{}]}")));
    assert!(tools(&large(r#"{"model":"m","tools":[{"name":""#, "x", "\"}]}")));
    assert!(tools(&large(r#"{"model":"m","tools":[{"type":""#, "\\n", "\"}]}")));
    let at_most =
        format!(r#"{{"model":"m","tools":[{}{{"name":"last"}}]}}"#, r#"{"name":"x"},"#.repeat(9_999));
    let request = parse(&at_most).unwrap();
    assert_eq!((request.tool_names().count(), request.tool_names().last().unwrap()), (10_000, "last".into()));
    assert!(request.tool_names.capacity() * size_of_val(&request.tool_names[0]) <= 256 * 1024);
    for (body, member) in [
        (large(r#"{"model":""#, "\\u006d", "\"}"), "model"),
        (large(r#"{"model":"m","metadata":{"user_id":""#, "\\n", "\"}}"), "metadata"),
    ] {
        let refused = parse(&body).unwrap_err();
        assert!(matches!(refused, RequestError::Member { member: found, .. } if found == member));
    }
    assert!(parse(&large(r#"{"model":"m",""#, "\\n", "\":1}")).is_ok(), "a name that means nothing");
}

#[test]
fn large_bodies_nest_no_deeper_than_anybody_writes() {
    let nested = |open: &str, close: &str, levels: usize| {
        let filler = "x".repeat(1024 * 1024);
        let (open, close) = (open.repeat(levels), close.repeat(levels));
        format!(r#"{{"model":"m","filler":"\"[[{filler}","messages":{open}1{close}}}"#)
    };
    assert!(parse(&nested("[", "]", 999)).is_ok());
    assert_eq!(parse(&nested("[", "]", 1_000)).unwrap_err(), RequestError::TooDeep(1_000));
    assert_eq!(parse(&nested(r#"{"a":"#, "}", 1_000)).unwrap_err(), RequestError::TooDeep(1_000));
    assert_eq!(parse(&large("", "[", "")).unwrap_err(), RequestError::TooDeep(1_000));
}

#[test]
fn what_is_read_must_be_utf_8() {
    let long = [&br#"{"model":"m",""#[..], &b"x".repeat(100), b"\xFF\":1}"].concat();
    for body in [
        &b"{\"model\":\"m\xFF\"}"[..],
        b"{\"model\":\"m\",\"mod\xFFel\":1}",
        b"{\"model\":\"m\",\"tools\":[{\"name\":\"\xFF\"}]}",
        b"{\"model\":\"m\",\"metadata\":{\"other\":\"\xFF\"}}",
        &long,
    ] {
        assert!(MessagesRequest::parse(Bytes::copy_from_slice(body)).is_err(), "{}", body.escape_ascii());
    }
}

#[test]
fn a_name_with_half_a_character_is_refused() {
    assert_eq!(parse(r#"{"model":"m","mod\ud800el":1}"#).unwrap_err(), RequestError::Name);
    assert!(parse(r#"{"model":"m","tools":[{"name":"\ud800"}]}"#).is_err());
}

proptest! {
    #[test]
    fn with_model_changes_the_model_and_no_other_byte(
        before in any::<String>(), after in any::<String>(), old in "[^\\p{Cc}]{1,40}", new in any::<String>(),
    ) {
        let (b, a) = (Value::from(before.as_str()), Value::from(after.as_str()));
        let text = |model: &str| format!(r#"{{ "x" :{b},"model" : {m}	,"y":[{a}, {{"model":1e400}}]}}"#, m = Value::from(model));
        let request = parse(&text(&old)).unwrap();
        assert_eq!(request.model(), old);
        assert_eq!(request.with_model(&new).concat(), text(&new).as_bytes());
    }

    #[test]
    fn no_other_spelling_of_a_deciding_member_passes(upper in any::<u16>(), escaped in any::<u16>(), which in 0..5usize) {
        let name = ["model", "stream", "max_tokens", "metadata", "tools"][which];
        let spelled: String = name.char_indices().map(|(at, letter)| {
            let letter = if upper & (1 << at) == 0 { letter } else { letter.to_ascii_uppercase() };
            if escaped & (1 << at) == 0 { letter.to_string() } else { format!("\\u{:04x}", u32::from(letter)) }
        }).collect();
        let body = format!(r#"{{"model":"m","stream":true,"max_tokens":1,"metadata":null,"tools":[],"{spelled}":null}}"#);
        let refused = parse(&body).unwrap_err();
        assert!(refused == RequestError::Duplicate { member: name } || refused == RequestError::LetterCase { member: name });
    }

    #[test]
    fn arbitrary_bytes_never_panic(body in any::<Vec<u8>>()) {
        let _ = MessagesRequest::parse(Bytes::from(body));
    }

    #[test]
    fn members_are_found_wherever_they_stand(order in any::<[u8; 4]>(), stream in any::<bool>(), tokens in any::<u64>()) {
        let mut members = [
            (order[0], "\"model\":\"m\"".to_owned()),
            (order[1], format!("\"stream\":{stream}")),
            (order[2], format!("\"max_tokens\":{tokens}")),
            (order[3], format!("\"other\":{}", json!({"model": "x", "stream": "y"}))),
        ];
        members.sort();
        let body = format!("{{{}}}", members.map(|(_, member)| member).join(","));
        let request = parse(&body).unwrap();
        assert_eq!((request.model(), request.stream(), request.max_tokens()), ("m", stream, Some(tokens)));
    }
}
