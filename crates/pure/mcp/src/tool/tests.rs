use super::*;

#[test]
fn definitions_keep_their_bytes() {
    let text = r#"{"name":"find","x-vendor":{"b":1,"a":2},"inputSchema":{"type":"object","maximum":12345678901234567890123},"annotations":{"readOnlyHint":true}}"#;
    let tool = Tool::parse(text).expect("a tool");
    assert_eq!(tool.definition().get(), text);
    assert_eq!(tool.annotations(), serde_json::json!({"readOnlyHint": true}));
}

#[test]
fn unusable_definitions_are_refused() {
    let name = || "a".to_owned();
    let cases = [
        ("[]", ToolError::NotAnObject),
        (r#"{"name":"a","name":"b","inputSchema":{}}"#, ToolError::NotAnObject),
        (r#"{"inputSchema":{}}"#, ToolError::Name),
        (r#"{"name":7,"inputSchema":{}}"#, ToolError::Name),
        (r#"{"name":"a"}"#, ToolError::InputSchema(name())),
        (r#"{"name":"a","inputSchema":true}"#, ToolError::InputSchema(name())),
        ("{\"name\":\"a\u{200B}\",\"inputSchema\":{}}", ToolError::HiddenText(name())),
        (r#"{"name":"a\u202e","inputSchema":{}}"#, ToolError::HiddenText(name())),
    ];
    for (text, expected) in cases {
        assert_eq!(Tool::parse(text).err(), Some(expected), "{text}");
    }
}

#[test]
fn instructions_for_the_model_alone_are_taken_out() {
    let text = r#"{"name":"a","description":"Adds.\u200b\udb40\udc41","inputSchema":{"description":"x"}}"#;
    let tool = Tool::parse(text).expect("a tool");
    assert_eq!(
        tool.definition().get(),
        r#"{"name":"a","description":"Adds.","inputSchema":{"description":"x"}}"#
    );
}
