use serde_json::{Value, json};

use super::{allocation, escaped, parsed};

/// What a value takes, by the sizes of its parts: a map has one node for every six members at worst.
fn measured(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::String(text) => text.capacity(),
            Value::Array(items) => {
                let spare = (items.capacity() - items.len()) * size_of::<Value>();
                spare + items.iter().map(measured).sum::<usize>()
            }
            Value::Object(members) => {
                let nodes = members.len().div_ceil(6);
                let node = 11 * (size_of::<String>() + size_of::<Value>());
                let inner =
                    |(name, value): (&String, &Value)| name.capacity() + measured(value) - size_of::<Value>();
                nodes * node + members.iter().map(inner).sum::<usize>()
            }
            _ => 0,
        }
}

#[test]
fn what_is_parsed_never_takes_more_than_was_estimated() {
    let samples = [
        "null".to_owned(),
        "[]".to_owned(),
        r#""a \"quoted\" \\ text""#.to_owned(),
        format!("[{}]", vec!["{}"; 1_000].join(",")),
        format!("[{}]", vec![r#"{"a":1}"#; 1_000].join(",")),
        format!("[{}]", vec!["0"; 10_000].join(",")),
        format!("[{}]", vec!["[]"; 1_000].join(",")),
        format!("[{}]", vec!["[0]"; 1_000].join(",")),
        format!("{{{}}}", (0..1_000).map(|n| format!(r#""m{n}":{n}"#)).collect::<Vec<_>>().join(",")),
        json!({ "type": "object", "properties": { "a,b": { "type": "string", "enum": ["{", "[", ":"] } } })
            .to_string(),
    ];
    for sample in samples {
        let value: Value = serde_json::from_str(&sample).unwrap();
        let (taken, estimated) = (measured(&value), parsed(&sample));
        assert!(taken <= estimated, "{taken} > {estimated}: {}", sample.get(..60).unwrap_or(&sample));
    }
}

#[test]
fn small_objects_are_known_to_be_dear() {
    let text = format!("[{}]", vec![r#"{"a":1}"#; 1_000].join(","));
    assert!(parsed(&text) > 50 * text.len());
    let text = serde_json::to_string(&"x".repeat(10_000)).unwrap();
    assert!(parsed(&text) < 2 * text.len());
}

#[test]
fn escaping_is_measured_exactly() {
    for text in ["", "plain", "\u{0}\u{1}\u{1f}", "\"\\/\n\r\t\u{8}\u{c}", "ä€😀\u{2028}\u{7f}"] {
        assert_eq!(escaped(text), serde_json::to_string(text).unwrap().len(), "{text:?}");
    }
}

#[test]
fn nothing_takes_nothing() {
    assert_eq!(allocation(0), 0);
    assert!(allocation(1) > 1);
}
