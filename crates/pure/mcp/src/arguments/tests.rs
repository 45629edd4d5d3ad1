use serde_json::json;

use super::*;

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).expect("JSON")
}

#[test]
fn arguments_are_an_object() {
    assert_eq!(Arguments::read(None).expect("none").raw().get(), "{}");
    let some = raw(r#"{"a": 1}"#);
    assert_eq!(Arguments::read(Some(&some)).expect("some").raw().get(), r#"{"a": 1}"#);
    let refused = |text: &str| Arguments::read(Some(&raw(text))).expect_err(text);
    assert_eq!(refused("[]").code(), -32602);
    assert_eq!(refused("[]").message(), "`params.arguments` must be an object");
    for text in [r#"{"a":1e400}"#, r#"{"a":[{"b":-1e999}]}"#, r#"{"a":"\ud800"}"#, r#"{"\udc00":1}"#] {
        assert_eq!(refused(text).code(), -32602);
        assert!(refused(text).message().starts_with("`params.arguments` cannot be read: "), "{text}");
    }
}

#[test]
fn values_are_found_by_path_and_lists_are_not_built() {
    let large = format!(r#"{{"a":{{"b":"x","\u0063":7,"n":null}},"l":[{}0]}}"#, "0,".repeat(1_000_000));
    let text = raw(&large);
    let arguments = Arguments::read(Some(&text)).expect("an object");
    let at = |path: &[&str]| arguments.at(&path.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(at(&["a", "b"]), Some(json!("x")));
    assert_eq!(at(&["a", "c"]), Some(json!(7)));
    assert_eq!(at(&["l"]), Some(json!([])));
    for absent in [&["a", "n"][..], &["z"], &["l", "0"], &["a", "b", "c"]] {
        assert_eq!(at(absent), None, "{absent:?}");
    }
    assert!(arguments.weight() > 32 * 1_000_000, "{}", arguments.weight());
}
