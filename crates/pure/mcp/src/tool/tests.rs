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

#[test]
fn annotations_stay_where_they_are_in_the_definition() {
    for text in [
        r#"{"name":"a","inputSchema":{}}"#,
        r#"{"name":"a","annotations":{},"inputSchema":{}}"#,
        r#"{"name":"a","description":"\u200b","annotations":{"title":"\u202eä"},"inputSchema":{}}"#,
        r#"{ "annotations" : {"a":[{"annotations":{}}]} , "name":"a","inputSchema":{}}"#,
    ] {
        let tool = Tool::parse(text).expect("a tool");
        let whole: Value = serde_json::from_str(tool.definition().get()).expect("JSON");
        assert_eq!(tool.annotations(), whole["annotations"], "{text}");
    }
}

#[test]
fn a_definition_that_is_too_large_is_refused_before_it_is_read() {
    let text =
        |size: usize| format!(r#"{{"name":"a","inputSchema":{{}},"description":"{}"}}"#, "x".repeat(size));
    let frame = text(0).len();
    assert!(Tool::parse(&text(LARGEST_DEFINITION - frame)).is_ok());
    let over = Tool::parse(&text(LARGEST_DEFINITION - frame + 1));
    assert_eq!(over.err(), Some(ToolError::TooLarge(LARGEST_DEFINITION + 1)));
}

#[test]
fn a_tool_is_weighed_by_what_it_holds() {
    let hints: Vec<String> = (0..400).map(|n| format!(r#""h{n}":true"#)).collect();
    let text = format!(r#"{{"name":"a","inputSchema":{{}},"annotations":{{{}}}}}"#, hints.join(","));
    let held = Tool::parse(&text).expect("a tool").held_bytes();
    assert!(held > text.len() && held < text.len() + text.len() / 4 + 512, "{held} for {}", text.len());
    let bound = r#"{"name":"a","inputSchema":{"properties":{"x":{"type":"string","x-mcp-header":"X"}}}}"#;
    let bound = Tool::parse(bound).expect("a tool");
    assert!(bound.held_bytes() > bound.definition().get().len() + Binding::held_bytes(&bound.bindings()[0]));
}
