use std::fmt::Write as _;

use super::*;

fn server() -> ServerFacts {
    ServerFacts { name: "gw".to_owned(), title: None, version: "1.0.0".to_owned(), instructions: None }
}

fn tool(json: &str) -> Tool {
    Tool::parse(json).expect("a tool")
}

fn rules(server: &ServerFacts, version: Version, size: usize) -> PageRules<'_> {
    PageRules { version, size, cache: CacheHints { ttl_ms: 60_000 }, server }
}

#[test]
fn pages_of_upstreams_are_read_tool_by_tool() {
    let result = RawObject::parse(
        r#"{"tools":[{"name":"a","inputSchema":{}},{"name":"b"},{"name":"c","inputSchema":{"properties":{"x":{"type":"number","x-mcp-header":"X"}}}}],"nextCursor":"","ttlMs":5}"#,
    )
    .expect("an object");
    let page = UpstreamPage::parse(&result).expect("a list");
    assert_eq!(page.tools.iter().map(Tool::name).collect::<Vec<_>>(), ["a"]);
    assert_eq!(page.rejected.len(), 2);
    assert_eq!((page.next_cursor.as_deref(), page.ttl_ms), (Some(""), Some(5)));
    assert!(UpstreamPage::parse(&RawObject::parse(r#"{"tools":{}}"#).expect("an object")).is_err());
}

#[test]
fn pages_follow_the_order_of_exported_names() {
    let tools: Vec<(String, Tool)> = ["d", "a", "c", "b", "e"]
        .iter()
        .map(|name| (format!("x_{name}"), tool(&format!(r#"{{"name":"{name}","inputSchema":{{}}}}"#))))
        .collect();
    let listed = || tools.iter().map(|(exported, tool)| ListedTool { exported, tool }).collect::<Vec<_>>();
    let server = server();
    let mut cursor: Option<String> = None;
    let mut seen = Vec::new();
    loop {
        let result =
            page(listed(), cursor.as_deref(), rules(&server, Version::V2026_07_28, 2)).expect("a page");
        let page = UpstreamPage::parse(&result).expect("a list");
        seen.push(page.tools.iter().map(|tool| tool.name().to_owned()).collect::<Vec<_>>().join(" "));
        assert_eq!(result.text("cacheScope").as_deref(), Some("private"));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["x_a x_b", "x_c x_d", "x_e"]);
    for wrong in ["", "x", "YWJj", "🦀"] {
        let error =
            page(listed(), Some(wrong), rules(&server, Version::V2026_07_28, 2)).expect_err("no cursor");
        assert_eq!(error.code(), -32602);
    }
}

#[test]
fn each_revision_gets_what_it_knows() {
    let full = tool(
        r#"{"name":"a","title":"A","icons":[],"execution":{},"x":1,"inputSchema":{"type":"object"},"outputSchema":{"type":"object"}}"#,
    );
    let list = tool(r#"{"name":"b","inputSchema":{"type":"object"},"outputSchema":{"type":"array"}}"#);
    let server = server();
    let mut out = String::new();
    for version in Version::ALL {
        let tools =
            vec![ListedTool { exported: "p_a", tool: &full }, ListedTool { exported: "p_b", tool: &list }];
        let result = page(tools, None, rules(&server, version, 10)).expect("a page");
        writeln!(out, "{version}: {}", result.to_json()).expect("text");
    }
    insta::assert_snapshot!(out);
}
