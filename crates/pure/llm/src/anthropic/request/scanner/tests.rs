use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};
use serde::de::IgnoredAny;
use serde_json::Value;

use super::{Block, MAX_DEPTH, RequestError, Scanner};

fn passed(text: &str) -> Result<&str, RequestError> {
    let mut scanner = Scanner::new(text.as_bytes());
    let value = scanner.value()?;
    scanner.end().map(|()| str::from_utf8(value).unwrap())
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

#[test]
fn the_grammar_is_that_of_rfc_8259() {
    for text in [
        "0",
        "-0",
        "10",
        "-1.5",
        "1e5",
        "1E+5",
        "0.0e-0",
        "1e400",
        "true",
        "false",
        "null",
        "\"\"",
        "[]",
        "{}",
        " [ ] ",
        "\t{\r\n}",
        "[1,[2,[{}]],{\"a\":[]}]",
        r#"{"a":1,"a":{"b":null}}"#,
        r#""\"\\\/\b\f\n\r\t\u00aF""#,
        "\"\u{7f}\u{80}\u{2028}\u{10ffff}\"",
        r#""\ud800""#,
        "\"seven77\"",
        "\"eight888\"",
        "\"1234567\\\"89\"",
    ] {
        assert!(is_json(text), "{text}");
        assert_eq!(passed(text).map_err(|error| error.to_string()), Ok(text.trim()));
    }
}

#[test]
fn what_rfc_8259_does_not_know_is_refused() {
    for text in [
        "",
        " ",
        "-",
        "00",
        "01",
        "-01",
        "1.",
        ".5",
        "1e",
        "1e+",
        "+1",
        "0x1",
        "1 2",
        "tru",
        "truee",
        "True",
        "nul",
        "NaN",
        "\"",
        "\"a",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u00g0\"",
        "\"\\u123\"",
        "\"\n\"",
        "\"\0\"",
        "\"1234567\u{1f}\"",
        "[",
        "]",
        "[1",
        "[1,",
        "[,1]",
        "[1,]",
        "[1 2]",
        "[1}",
        "{",
        "}",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,}",
        "{a:1}",
        "{1:1}",
        "{\"a\" 1}",
        "{\"a\":1]",
        "{,}",
        "[]]",
        "{}}",
        "[{]}",
        "'a'",
        "/**/1",
        "\u{feff}1",
        "\u{a0}1",
        "\u{b}1",
    ] {
        assert!(!is_json(text), "{text}");
        assert!(passed(text).is_err(), "{text}");
    }
}

#[test]
fn errors_say_where_the_text_stops_being_json() {
    for (text, line, column) in [("", 1, 1), ("{\"a\":x}", 1, 6), ("[1,\n 2,\n  ]", 3, 3), ("[1] x", 1, 5)] {
        assert_eq!(passed(text).unwrap_err(), RequestError::NotJson { line, column }, "{text}");
    }
}

#[test]
fn so_many_levels_and_no_more() {
    let nested =
        |open: &str, close: &str, levels: usize| format!("{}1{}", open.repeat(levels), close.repeat(levels));
    for (open, close, levels) in
        [("[", "]", 1), ("{\"a\":", "}", 1), ("[{\"a\":", "}]", 2), ("[[{\"a\":", "}]]", 3)]
    {
        let most = MAX_DEPTH / levels;
        assert!(passed(&nested(open, close, most)).is_ok(), "{open}");
        assert_eq!(
            passed(&nested(open, close, most + 1)).unwrap_err(),
            RequestError::TooDeep(MAX_DEPTH),
            "{open}"
        );
    }
    assert!(
        passed(&format!("[{}]", vec![nested("[", "]", MAX_DEPTH - 1); 3].join(","))).is_ok(),
        "they close again"
    );
}

/// Text of any characters, more of them such that mean something in JSON.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[\\\\\"{}\\[\\],:0-9eE.+u \n\u{1f}\u{7f}é-]{0,40}"]
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        texts().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((texts(), inner), 0..6).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_json_is_passed_over_whole(value in values(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
        assert_eq!(passed(&text).unwrap(), text);
    }

    /// One character elsewhere, and a JSON parser agrees whether it still is JSON.
    #[test]
    fn what_is_nearly_json_is_judged_as_a_parser_does(
        value in values(), place in any::<prop::sample::Index>(), instead in texts(), cut in 0..3_usize,
    ) {
        let mut letters: Vec<char> = value.to_string().chars().collect();
        let at = place.index(letters.len());
        letters.splice(at..(at + cut).min(letters.len()), instead.chars().take(2));
        let text: String = letters.into_iter().collect();
        assert_eq!(passed(&text).is_ok(), is_json(&text), "{text}");
    }

    #[test]
    fn any_text_is_judged_as_a_parser_does(text in texts()) {
        assert_eq!(passed(&text).is_ok(), is_json(&text), "{text}");
    }

    #[test]
    fn a_block_is_judged_as_byte_by_byte(text in prop::collection::vec(any::<u8>(), 1..200), place in any::<prop::sample::Index>()) {
        let at = place.index(text.len());
        let block = Block::of(&text, at);
        assert!(block.contains(at));
        let special = |at: &usize| text[*at] < b' ' || matches!(text[*at], b'"' | b'\\');
        assert_eq!(block.special_from(at), (at..block.end().min(text.len())).find(special), "{text:?}: {at}");
    }

    /// Strings that are longer than a block, full of escapes, wherever these fall.
    #[test]
    fn long_strings_are_judged_as_a_parser_does(
        pieces in prop::collection::vec(prop_oneof![" {0,70}", "(\\\\[\"\\\\nu]|\\\\u00a0){1,9}", "[\\\\\"]"], 0..12),
    ) {
        let text = format!("\"{}\"", pieces.concat());
        assert_eq!(passed(&text).is_ok(), is_json(&text), "{text}");
    }
}
