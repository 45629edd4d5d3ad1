use serde_json::{Value, json};

use super::of_members;

fn weigh(value: &Value) -> usize {
    of_members(value.as_object().unwrap())
}

#[test]
fn small_objects_are_dear_and_text_is_not() {
    assert_eq!(weigh(&json!({})), 0);
    let usual = json!({ "iss": "https://idp.example", "sub": "ada", "aud": ["a", "b"], "exp": 1, "iat": 1 });
    assert!((300..1_500).contains(&weigh(&usual)), "{}", weigh(&usual));
    let nested: Value = json!({ "groups": vec![json!({ "a": 1 }); 1_000] });
    assert!(weigh(&nested) > 60 * nested.to_string().len());
    let text = json!({ "text": "x".repeat(10_000) });
    assert!(weigh(&text) < 2 * text.to_string().len());
}
