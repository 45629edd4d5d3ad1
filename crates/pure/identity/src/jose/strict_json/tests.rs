use proptest::prelude::*;
use serde_json::{Value, json};

use super::{MAX_DEPTH, MAX_MEMBERS, StrictJsonError, parse_object, parse_value};

#[test]
fn reads_what_json_is() {
    let text = br#" {"a":[1,-2,3.5,1e3,true,false,null,"\u00e9"],"b":{"a":{}}} "#;
    assert_eq!(
        Value::Object(parse_object(text).unwrap()),
        json!({"a": [1, -2, 3.5, 1e3, true, false, null, "é"], "b": {"a": {}}})
    );
}

#[test]
fn a_repeated_name_is_refused_at_every_depth() {
    let duplicate = |name: &str| Err(StrictJsonError::Duplicate(name.into()));
    assert_eq!(parse_object(br#"{"a":1,"a":1}"#), duplicate("a"));
    assert_eq!(parse_object(br#"{"a":1,"\u0061":2}"#), duplicate("a"), "escapes name the same member");
    assert_eq!(parse_object(br#"{"x":[{"y":{"b":1,"c":2,"b":3}}]}"#), duplicate("b"));
    assert!(parse_object(br#"{"a":{"a":1},"b":[{"a":1},{"a":1}]}"#).is_ok());
}

#[test]
fn depth_and_breadth_are_bounded() {
    let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    assert!(parse_value(nested(MAX_DEPTH).as_bytes()).is_ok());
    assert_eq!(parse_value(nested(MAX_DEPTH + 1).as_bytes()), Err(StrictJsonError::TooDeep));
    assert_eq!(parse_value(nested(100_000).as_bytes()), Err(StrictJsonError::TooDeep));
    let wide = |values: usize| format!("[{}1]", "1,".repeat(values - 1));
    assert!(parse_value(wide(MAX_MEMBERS).as_bytes()).is_ok());
    assert_eq!(parse_value(wide(MAX_MEMBERS + 1).as_bytes()), Err(StrictJsonError::TooWide));
    let members: Vec<_> = (0..=MAX_MEMBERS).map(|index| format!("\"{index}\":0")).collect();
    assert_eq!(parse_object(format!("{{{}}}", members.join(",")).as_bytes()), Err(StrictJsonError::TooWide));
}

#[test]
fn only_one_whole_object_is_an_object() {
    for text in ["[]", "null", "1", "\"{}\""] {
        assert_eq!(parse_object(text.as_bytes()), Err(StrictJsonError::NotAnObject), "{text}");
    }
    let not_json: [&[u8]; 9] = [
        b"",
        b"{",
        b"{}{}",
        b"{} x",
        b"\xEF\xBB\xBF{}",
        b"{\"a\":NaN}",
        b"{\"a\":1e999}",
        b"{\"a\":\"\xFF\"}",
        b"{'a':1,}",
    ];
    for text in not_json {
        assert!(matches!(parse_object(text), Err(StrictJsonError::Syntax(_))), "{text:?}");
    }
}

proptest! {
    /// Whatever we accept, the ordinary reader understands in the same way.
    #[test]
    fn agrees_with_the_ordinary_reader(text in r#"[\[\]{}:,"ab01.\- e\\u]{0,40}"#) {
        if let Ok(value) = parse_value(text.as_bytes()) {
            prop_assert_eq!(value, serde_json::from_str::<Value>(&text).unwrap());
        }
    }
}
