use proptest::prelude::*;

use super::*;

#[test]
fn hidden_characters_go_however_they_are_written() {
    let cases = [
        ("\"plain é 😀\"", "\"plain é 😀\""),
        (r#""\u00E9\/""#, r#""\u00E9\/""#),
        ("\"a\u{200B}b\u{202E}c\u{E0041}d\"", "\"abcd\""),
        (r#""a\u200bb\u202Ec\udb40\udc41d""#, r#""abcd""#),
        (r#""\u001b[31mred""#, r#""[31mred""#),
        (r#""\\u200b \" \ud83d\ude00 \ud83d \n""#, r#""\\u200b \" \ud83d\ude00 \ud83d \n""#),
        (r#"{"\ufeffa":"x\by"}"#, r#"{"a":"xy"}"#),
    ];
    for (json, expected) in cases {
        assert_eq!(strip_json(json), expected);
    }
    assert_eq!(strip("a\u{2060}b"), "ab");
}

proptest! {
    #[test]
    fn json_stays_json(text in any::<String>()) {
        let json = serde_json::to_string(&text).expect("text");
        let stripped: String = serde_json::from_str(&strip_json(&json)).expect("JSON");
        prop_assert_eq!(stripped, strip(&text));
    }
}
